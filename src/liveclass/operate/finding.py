"""What a check of the doctor says. Knows no check."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        check: what was looked at, in a word or two.
        message: what is so.
        advice: what to do about it; empty when all is well.
    """

    check: str
    level: Level
    message: str
    advice: str = ""
