"""Bits of a header, the highest of each byte first."""

MOST_BYTES = 4096
"""Bytes that are read at most: sizes stand at the beginning of a header."""


class Bits:
    """Reads numbers of any width one after the other; behind the end all bits are 0."""

    def __init__(self, data: bytes) -> None:
        self._bits = "".join(f"{byte:08b}" for byte in data[:MOST_BYTES])
        self._place = 0

    def take(self, count: int) -> int:
        """Read a number of `count` bits."""
        found = self._bits[self._place : self._place + count].ljust(count, "0")
        self._place += count
        return int(found, 2) if found else 0

    def skip(self, count: int) -> None:
        """Pass over `count` bits."""
        self._place += count

    def exponential_golomb(self) -> int:
        """Read a number of the code that AV1 and HEVC use where most values are small."""
        zeros = 0
        while zeros < 32 and not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
