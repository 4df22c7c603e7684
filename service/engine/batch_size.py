"""Batch size from the measured cost of forwards.

A forward costs about `fixed + images × per_image` seconds. Both parts are learned from the
forwards that ran. Beyond some size a larger batch hardly raises the throughput and only makes
every row wait longer. On a processor that size may be a handful of images, on a GPU the
configured maximum. A batch is as large as raises the throughput, within the latency target.
"""

import math
from dataclasses import dataclass

DECAY = 0.98
"""Weight that a forward loses with each one after it: about the last fifty count."""

THROUGHPUT_SHARE = 0.95
"""Share of the throughput at the maximum size that a smaller batch must reach to be preferred."""

MIN_THROUGHPUT_SHARE = 0.5
"""Share of that throughput which a latency target may not undercut.

With less, rows soon wait for their batch far longer than a quicker forward saves them. On an
engine that is slowed down, the target would otherwise reduce batches to one image.
"""

MIN_IMAGES = 4
"""Images that a forward may hold unless the latency target forbids it.

With fewer, the cost could hardly be learned. The first forward holds no more, so that the second
one may be of another size, which separates the two parts of the cost.
"""

PROBE_EVERY_BATCHES = 16
"""One batch in this many is half as large, or two images instead of one.

So the two parts of the cost can be separated under constant load.
"""

OUTLIER_FACTOR = 2.0
"""Times the expected cost to which a longer forward is clipped: one pause is not a trend."""


def round_down(images: int) -> int:
    """Return the largest batch size up to `images`: 1 to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, ….

    Every size has kernels of its own, which its first forward makes and which take several MB
    each. These sizes are few enough to make them all beforehand, and so close together that at
    most a fifth of the waiting images is left for the next forward.
    """
    step = 1 << max(0, images.bit_length() - 3)
    return images - images % step


def batch_sizes(most: int) -> list[int]:
    """Return all sizes that `round_down` gives for up to `most` images, ascending."""
    return sorted({round_down(images) for images in range(1, most + 1)})


@dataclass(frozen=True, slots=True)
class ForwardCost:
    """Seconds of a forward: `fixed` whatever its size, and `per_image` for every image."""

    fixed: float
    per_image: float

    def seconds(self, images: float) -> float:
        """Return the seconds of a forward of `images` images."""
        return self.fixed + images * self.per_image

    def images_within(self, seconds: float) -> float:
        """Return the most images whose forward takes at most `seconds`; below one if none does."""
        if self.per_image <= 0:
            return math.inf if self.fixed <= seconds else 0.0
        return (seconds - self.fixed) / self.per_image

    def images_for(self, share: float, most: int) -> int:
        """Return the fewest images that reach `share` of the throughput at `most` images."""
        # n / seconds(n) >= share × most / seconds(most), solved for n
        slack = self.fixed + (1 - share) * self.per_image * most
        return math.ceil(share * most * self.fixed / slack) if slack > 0 else most


class CostMeter:
    """Learns a `ForwardCost` by least squares with exponentially decaying weights.

    While all recent forwards have one size, the fixed part cannot be identified: it stays as it
    was last known.

    Attributes:
        cost: the current estimate; None before the first forward. It is replaced as a whole, so
            other threads may read it while one observes.
    """

    def __init__(self) -> None:
        self.cost: ForwardCost | None = None
        # Decayed sums over the forwards: of 1, x, y, x² and xy, with x images and y seconds.
        self._weight = 0.0
        self._x = 0.0
        self._y = 0.0
        self._xx = 0.0
        self._xy = 0.0

    def observe(self, images: int, seconds: float) -> None:
        """Learn from a forward of `images` that took `seconds`."""
        if self.cost:
            seconds = min(seconds, OUTLIER_FACTOR * self.cost.seconds(images))
        known_fixed = self.cost.fixed if self.cost else seconds / 2
        self._weight = DECAY * self._weight + 1
        self._x = DECAY * self._x + images
        self._y = DECAY * self._y + seconds
        self._xx = DECAY * self._xx + images * images
        self._xy = DECAY * self._xy + images * seconds
        self.cost = self._fit(known_fixed)

    def _fit(self, known_fixed: float) -> ForwardCost:
        # One more observation: no image, in the fixed seconds that are known.
        weight = self._weight + 1
        y = self._y + known_fixed
        per_image = (weight * self._xy - self._x * y) / (weight * self._xx - self._x * self._x)
        if per_image <= 0:
            return ForwardCost(self._y / self._weight, 0.0)
        fixed = (y - per_image * self._x) / weight
        if fixed <= 0:
            return ForwardCost(0.0, self._xy / self._xx)
        return ForwardCost(fixed, per_image)


class BatchSizer:
    """Decides how large the next batch may be.

    The batcher calls `next_limit` and `observe` under its lock. Everything else only reads the
    latest cost and may be called without it.

    Args:
        most: images that a forward may hold at most.
        target: seconds that a forward should take at most, unless that leaves less than
            `MIN_THROUGHPUT_SHARE` of the throughput; None where only throughput matters.
        workers: forwards that run at once.
    """

    def __init__(self, most: int, target: float | None = None, workers: int = 1) -> None:
        self._most = most
        self._target = target
        self._workers = workers
        self._meter = CostMeter()
        self._batches = 0

    @property
    def limit(self) -> int:
        """Images that a forward may hold, by the cost as it is known now."""
        cost = self._meter.cost
        if cost is None:
            return min(self._most, MIN_IMAGES) if self._target is None else 1
        images = max(cost.images_for(THROUGHPUT_SHARE, self._most), MIN_IMAGES)
        if self._target is not None:
            within_target = cost.images_within(self._target)
            at_least = cost.images_for(MIN_THROUGHPUT_SHARE, self._most)
            images = math.floor(min(images, max(within_target, at_least)))
        return max(1, min(images, self._most))

    def next_limit(self) -> int:
        """Return how many images the next forward may hold; counts that forward."""
        self._batches += 1
        if self._batches % PROBE_EVERY_BATCHES:
            return self.limit
        return math.ceil(self.limit / 2) if self.limit > 1 else min(2, self._most)

    def observe(self, images: int, seconds: float) -> None:
        """Learn from a forward of `images` that took `seconds`."""
        self._meter.observe(images, seconds)

    def seconds(self, images: float) -> float:
        """Return the seconds that `images` images take, in full batches; 0 if no cost is known."""
        cost = self._meter.cost
        if cost is None:
            return 0.0
        limit = self.limit
        return math.ceil(images / limit / self._workers) * cost.seconds(limit)

    def wait(self, ahead: float) -> float:
        """Return the seconds that an image waits behind `ahead` others: those of the full batches.

        The rest of `ahead` shares its batch.
        """
        return self.seconds(ahead - ahead % self.limit)
