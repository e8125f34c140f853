"""A fuzzed program: bytes that a test reads its choices from."""

from typing import Any


class Bytes:
    """A program's bytes, read from the front; zeros behind its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def of(self, choices: Any) -> Any:
        return choices[self.byte() % len(choices)]

    def taken(self, count: int) -> bytes:
        return bytes(self.byte() for _ in range(count))
