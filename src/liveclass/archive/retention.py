"""Which recordings have been kept long enough. Decides by the catalogue's order; deletes nothing itself."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

PAGE = 200


class Row(Protocol):
    """What is looked at of a lesson in the catalogue."""

    @property
    def id(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def ended_at(self) -> datetime | None: ...


RowT = TypeVar("RowT", bound=Row)


async def sweep(
    now: datetime,
    days: int,
    page: Callable[[int, str | None], Awaitable[Sequence[RowT]]],
    delete: Callable[[str], Awaitable[bool]],
) -> int:
    """Have the recordings of lessons deleted that ended more than `days` days before `now`.

    Args:
        days: 0 keeps everything.
        page: at most so many lessons in the catalogue's order, after the one of this id.
        delete: deletes a lesson's recording and says whether there was one; an error ends the sweep, and the next one
            goes on.

    Returns:
        how many were deleted.
    """
    if days <= 0:
        return 0
    before, count = now - timedelta(days=days), 0
    last: str | None = None
    while rows := await page(PAGE, last):
        last = rows[-1].id
        for row in rows:
            if row.state == "ended" and row.ended_at is not None and row.ended_at < before and await delete(row.id):
                count += 1
    return count
