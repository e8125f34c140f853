"""Reading bits, most significant first, as video headers are written. Knows no codec."""


class BitReader:
    """A cursor over the bits of a header. Every read past the end raises ValueError."""

    __slots__ = ("_left", "_value")

    # Headers are short; what lies behind the first kilobyte is picture data.
    MAX_BYTES = 1024

    def __init__(self, data: bytes) -> None:
        data = data[: self.MAX_BYTES]
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        """The next `count` bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            raise ValueError("a header ends too early")
        return self._value >> self._left & (1 << count) - 1

    def skip(self, count: int) -> None:
        """Pass over `count` bits."""
        self.u(count)

    def ue(self) -> int:
        """An unsigned Exp-Golomb number of at most 32 bits (ITU-T H.264 section 9.1; AV1 calls it uvlc)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("an endless number")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number (ITU-T H.264 section 9.1.1)."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def without_emulation_prevention(nal: bytes) -> bytes:
    """The payload of a NAL unit without its emulation prevention bytes (ITU-T H.264 section 7.3.1)."""
    return nal.replace(b"\0\0\3", b"\0\0")
