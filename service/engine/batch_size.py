"""How many images go into a forward: as many as make the engine faster, and no more of these than the target allows.

A forward costs about `fixed + images × each` seconds. Both parts are learned from the forwards that ran. Beyond some
size a larger batch hardly raises the throughput any more and only makes everybody wait longer: on a processor that may
be a handful of images, on a GPU the configured maximum.
"""

import math
from dataclasses import dataclass

FADE = 0.98
"""Weight that a forward loses with each one after it: about the last fifty count."""

WORTHWHILE = 0.95
"""Share of the throughput at the configured maximum that a smaller batch must reach to be preferred."""

LEAST = 0.5
"""Share of that throughput which a latency target leaves: with less, rows soon wait for their turn far longer than a
quicker forward saves them. An engine that is slowed down would otherwise come to one image at a time."""

FLOOR = 4
"""Images that a forward may hold unless the latency target forbids it: with fewer, the cost could hardly be learned.
The first forward holds no more, so that the second may be of another size and tell the two parts of the cost apart."""

PROBE_EVERY = 16
"""One batch in so many is half as large, or two images instead of one, so that the two parts of the cost can be told
apart under constant load."""

HICCUP = 2.0
"""Times the expected cost as which a forward counts that took even longer: one pause of the machine is no trend."""


def round_down(images: int) -> int:
    """The largest size up to `images` that forwards should have: 1 to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, ….

    Every size has kernels of its own, made by its first forward and kept, several MB each. These are few enough to
    make beforehand, and near enough to each other: at most a fifth of what waits is left for the next forward.
    """
    step = 1 << max(0, images.bit_length() - 3)
    return images - images % step


def batch_sizes(most: int) -> list[int]:
    """All sizes that `even` gives for up to `most` images, ascending."""
    return sorted({round_down(images) for images in range(1, most + 1)})


@dataclass(frozen=True, slots=True)
class ForwardCost:
    """Seconds that a forward takes: `fixed` whatever its size, and `each` for every image."""

    fixed: float
    each: float

    def seconds(self, images: float) -> float:
        """Seconds of a forward of so many images."""
        return self.fixed + images * self.each

    def images_within(self, seconds: float) -> float:
        """Most images whose forward takes at most `seconds`; below one if not even one does."""
        if self.each <= 0:
            return math.inf if self.fixed <= seconds else 0.0
        return (seconds - self.fixed) / self.each

    def images_for(self, share: float, most: int) -> int:
        """Fewest images whose throughput is so large a share of that at `most`."""
        # n / seconds(n) >= share × most / seconds(most), solved for n
        slack = self.fixed + (1 - share) * self.each * most
        return math.ceil(share * most * self.fixed / slack) if slack > 0 else most


class CostMeter:
    """Learns a `ForwardCost` by least squares in which older forwards fade.

    Where all recent forwards had one size, the fixed part cannot be seen: it stays as it was last known.
    """

    def __init__(self) -> None:
        self.cost: ForwardCost | None = None
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    def observe(self, images: int, seconds: float) -> None:
        """A forward of `images` took `seconds`."""
        if self.cost:
            seconds = min(seconds, HICCUP * self.cost.seconds(images))
        known = self.cost.fixed if self.cost else seconds / 2
        self._weight = FADE * self._weight + 1
        self._x, self._xx = FADE * self._x + images, FADE * self._xx + images * images
        self._y, self._xy = FADE * self._y + seconds, FADE * self._xy + images * seconds
        self.cost = self._fit(known)

    def _fit(self, known: float) -> ForwardCost:
        weight, y = (
            self._weight + 1,
            self._y + known,
        )  # one more observation, of no image, in the known fixed seconds
        each = (weight * self._xy - self._x * y) / (weight * self._xx - self._x * self._x)
        if each <= 0:
            return ForwardCost(self._y / self._weight, 0.0)
        fixed = (y - each * self._x) / weight
        return ForwardCost(fixed, each) if fixed > 0 else ForwardCost(0.0, self._xy / self._xx)


class BatchSizer:
    """Says how large the next batch may be.

    Args:
        most: images that a forward may hold at any rate.
        target: seconds that a forward should take at most, unless that leaves less than `LEAST` of the throughput;
            None where only throughput matters.
        workers: forwards that run at once.
    """

    def __init__(self, most: int, target: float | None = None, workers: int = 1) -> None:
        self._most, self._target, self._workers = most, target, workers
        self._meter = CostMeter()
        self._batches = 0

    @property
    def limit(self) -> int:
        """Images that a forward may hold, by what is known now."""
        cost = self._meter.cost
        if cost is None:
            return min(self._most, FLOOR) if self._target is None else 1
        worthwhile = max(cost.images_for(WORTHWHILE, self._most), FLOOR)
        if self._target is not None:
            allowed = max(cost.images_within(self._target), cost.images_for(LEAST, self._most))
            worthwhile = math.floor(min(worthwhile, allowed))
        return max(1, min(worthwhile, self._most))

    def next_limit(self) -> int:
        """Images that the next forward may hold."""
        self._batches += 1
        if self._batches % PROBE_EVERY:
            return self.limit
        return math.ceil(self.limit / 2) if self.limit > 1 else min(2, self._most)

    def observe(self, images: int, seconds: float) -> None:
        """A forward of `images` took `seconds`."""
        self._meter.observe(images, seconds)

    def seconds(self, images: float) -> float:
        """Seconds in which the engine answers so many images, batch after batch; 0 before the first forward."""
        cost, limit = self._meter.cost, self.limit
        return math.ceil(images / limit / self._workers) * cost.seconds(limit) if cost else 0.0

    def wait(self, ahead: float) -> float:
        """Seconds before the engine comes to an image that has so many ahead of it: those of the full batches."""
        return self.seconds(ahead - ahead % self.limit)
