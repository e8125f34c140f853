"""A bar on the terminal for work that takes minutes. Says nothing where no person looks on; knows not what is done."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

BAR_WIDTH = 24
SHOWN_EVERY_S = 0.1


class Bar:
    """One piece of work.

    Args:
        label: what is done.
        unit: ``bytes`` are shown as MB, anything else is counted.
        monotonic: seconds, never going back.
    """

    def __init__(
        self,
        label: str,
        unit: str = "bytes",
        stream: TextIO | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._unit = label, unit
        self._stream = sys.stderr if stream is None else stream
        self._monotonic = monotonic
        self._began = monotonic()
        self._shown = self._began - SHOWN_EVERY_S
        self._seen = self._stream.isatty()

    def show(self, done: int, total: int) -> None:
        """So much is done; costs nothing when called often."""
        now = self._monotonic()
        if not self._seen or (now - self._shown < SHOWN_EVERY_S and done < total):
            return
        self._shown = now
        share = min(1.0, done / total) if total else 1.0
        filled = round(share * BAR_WIDTH)
        amount = f"{done} of {total} {self._unit}"
        if self._unit == "bytes":
            rate = done / 1e6 / max(now - self._began, 1e-3)
            amount = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB, {rate:.0f} MB/s"
        self._stream.write(f"\r{self._label} [{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:4.0%}  {amount}\x1b[K")
        self._stream.flush()

    def end(self) -> None:
        """Leave the line, so that what is said next begins a new one."""
        if self._seen:
            self._stream.write("\n")
            self._stream.flush()
            self._seen = False
