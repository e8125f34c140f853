"""Traces: where time goes while a request passes through several nodes. Off unless `trace_url` is set.

Here stands what the other rooms see of it: a tracer, a span, and which span a task works for. What sends them is
`traces_otlp`, which `traces_opening` imports when it is asked for: where traces are off nothing of it is loaded, and no
span is made.

A span tells of the program, not of people: names and values of attributes are chosen by the code that begins it (route
templates, statuses, ids of lessons, sizes), and nothing of what a page sent is ever put into one.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Protocol

from liveclass.errors import PeerError

HEADER = "traceparent"
"""W3C Trace Context, section 3.2: how a node tells the next one which trace a request belongs to."""

Value = str | int | float | bool
About = Mapping[str, Value]
NOTHING: About = MappingProxyType({})


class Span(Protocol):
    """A stretch of time with a name.

    Attributes:
        traceparent: names it to others; also where it is not sent, so that they do not send theirs either.
        ended: nothing can be said of it any more.
    """

    traceparent: str
    ended: bool

    def set(self, name: str, value: Value) -> None:
        """Say more of it."""
        ...

    def fail(self, why: str) -> None:
        """It came to nothing. `why` is a code or the name of an exception, never its text."""
        ...

    def end(self) -> None:
        """Now; a second time does nothing."""
        ...


class Tracer(Protocol):
    """Makes spans, and sends a share of them. No call waits for anything."""

    def begin(
        self, name: str, about: About = NOTHING, *, parent: str = "", served: bool = False, rare: bool = False
    ) -> Span:
        """A span that begins now.

        Args:
            about: attributes.
            parent: the traceparent of what it is a part of; empty: it begins a trace.
            served: it is the answer to somebody's request.
            rare: the trace that it begins is sent whatever the share.
        """
        ...

    def note(
        self, name: str, took_s: float, about: About = NOTHING, *, failed: bool = False, rare: bool = False
    ) -> None:
        """A trace of one span that has just ended."""
        ...

    async def close(self) -> None:
        """Send what waits, within a bound, and end."""
        ...


_current: ContextVar[Span | None] = ContextVar("liveclass_span", default=None)


def traceparent() -> str:
    """Of the span that this task works for; empty when there is none. What a span has begun may outlive it by hours,
    and is no part of it then."""
    span = _current.get()
    return "" if span is None or span.ended else span.traceparent


@contextmanager
def entered(span: Span) -> Iterator[None]:
    """What this task does, and begins, is a part of the span."""
    token = _current.set(span)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def traced(
    tracer: Tracer | None, name: str, about: About = NOTHING, *, parent: str | None = None, rare: bool = False
) -> Iterator[Span | None]:
    """A span around some lines; None where traces are off.

    Args:
        parent: None: the span that this task works for.
    """
    if tracer is None:
        yield None
        return
    span = tracer.begin(name, about, parent=traceparent() if parent is None else parent, rare=rare)
    try:
        with entered(span):
            yield span
    except PeerError as refused:
        span.fail(refused.code)
        raise
    except BaseException as error:
        span.fail(type(error).__name__)
        raise
    finally:
        span.end()
