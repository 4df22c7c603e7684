"""What each key has spent and holds: images per second, and images at once.

They are counted where all requests of a server meet, beside the engine, so they hold over all HTTP
workers together. An image counts once for each task that answers it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from pyrate_limiter import Rate, TokenBucket

from facet_vision.service.errors import BodyTooLarge, TooManyRequests

from .key import Key

PER_SECOND = "images-per-second"
AT_ONCE = "images-at-once"

AT_ONCE_RETRY_SECONDS = 1.0
"""When to ask again beyond a limit of images at once: most answers take less."""

_INTERVAL_MS = 1_000_000
_BUCKET = TokenBucket()


class Limits:
    """The account of every key. Only the event loop uses it.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        # By name: the bucket's state, and the images under way. Names come from the keys alone.
        self._spent: dict[str, tuple[float, ...]] = {}
        self._held: Counter[str] = Counter()
        self._rates: dict[str, tuple[Key, list[Rate]]] = {}

    def check(self, key: Key | None, images: int) -> None:
        """Raise what `held` would raise now; nothing is spent.

        Raises:
            BodyTooLarge: the key never allows so many images in a request.
            TooManyRequests: it does not allow them now.
        """
        if key is not None:
            self._check_size(key, images)
            self._check_held(key, images)
            self._spend(key, images)

    @contextmanager
    def held(self, key: Key | None, images: int) -> Iterator[None]:
        """Spend images, and hold them until the end of the block.

        Raises:
            BodyTooLarge, TooManyRequests: see `check`.
        """
        if key is None:
            yield
            return
        self._check_size(key, images)
        self._check_held(key, images)
        self._spent[key.name] = self._spend(key, images)
        self._held[key.name] += images
        try:
            yield
        finally:
            self._held[key.name] -= images

    def _check_size(self, key: Key, images: int) -> None:
        if key.most_images is not None and images > key.most_images:
            raise BodyTooLarge(
                f"key {key.name!r}: expected at most {key.most_images} images x tasks in a "
                f"request, found {images}"
            )

    def _check_held(self, key: Key, images: int) -> None:
        if key.images_at_once is None:
            return
        left = max(0, key.images_at_once - self._held[key.name])
        if images > left:
            raise TooManyRequests(
                f"key {key.name!r}: expected at most {key.images_at_once} images at once, "
                f"found {images} where {left} are left",
                AT_ONCE_RETRY_SECONDS,
                AT_ONCE,
                key.images_at_once,
                0.0,
                left,
            )

    def _spend(self, key: Key, images: int) -> tuple[float, ...]:
        """Return the state of the key's bucket once the images are spent."""
        if key.images_per_second is None or key.bucket is None:
            return ()
        rates = self._rates_of(key, key.images_per_second)
        before = self._spent.get(key.name) or _BUCKET.initial(rates)
        now = round(self._clock() * 1000)
        after, decision = _BUCKET.step(rates, before, now, images)
        if not decision.allowed:
            left = max(0, key.bucket - _BUCKET.consumed(rates, before, now))
            raise TooManyRequests(
                f"key {key.name!r}: expected at most {key.images_per_second:g} images per second, "
                f"found {images} where {left} are left",
                (decision.retry_after_ms or 0) / 1000,
                PER_SECOND,
                key.bucket,
                key.bucket / key.images_per_second,
                left,
            )
        return after

    def _rates_of(self, key: Key, per_second: float) -> list[Rate]:
        """Return the rate of a key's bucket; made once for each key that is read."""
        known, rates = self._rates.get(key.name, (None, []))
        if known is not key:
            # Over a long interval, so that any number per second is a whole one there.
            limit = max(1, round(per_second * _INTERVAL_MS / 1000))
            rates = [Rate(limit, _INTERVAL_MS, burst=key.bucket)]
            self._rates[key.name] = key, rates
        return rates
