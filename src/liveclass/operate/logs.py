"""Log lines: structured, to standard error, and fit to be shown to a stranger.

Everything that logs, structlog or the standard library, ours or a dependency's, passes `redact` last: tokens are
hidden, addresses shortened, names of people dropped. That is the second line of defence; the first is not to log them.
This module knows no settings object and no lesson.
"""

import ipaddress
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

HIDDEN = "[hidden]"

# What people are called and what their lessons are called, and what opens doors; whatever the value looks like.
DROPPED_KEYS = frozenset({"name", "title", "display_name", "person"})
SECRET_KEYS = frozenset({"token", "password", "secret", "authorization", "cookie", "admin_token", "media_token", "key"})
UNTOUCHED_KEYS = frozenset({"timestamp", "level", "logger"})

# 128 bits in base64url are 22 characters; `#` and `Bearer` mark shorter ones.
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{22,}(?![A-Za-z0-9_-])")
_MARKED = re.compile(r"(#|\b[Bb]earer\s+|\btoken=)[A-Za-z0-9._~+/=-]{8,}")
# Words joined by _ or -, constants, and names of exceptions are no tokens, and tracebacks are unreadable without them.
# A random token looks like one of them once in some forty million.
_WORDS = re.compile(r"[a-z_-]+|[A-Z_-]+|_*[A-Z][A-Za-z]*(?:Error|Exception|Warning)")

_IPV4 = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:[0-9.]+)?(?![0-9A-Za-z:])")

# These log whole request lines, statements or addresses at a level that nobody needs in operation.
_QUIET = {"aiohttp.access": logging.CRITICAL + 1, "alembic": logging.WARNING, "aiosqlite": logging.WARNING}


def configure(level: str = "info", format: str = "text", stream: TextIO | None = None) -> None:
    """Send every log line of this process to one place; calling it again replaces what was set.

    Args:
        level: the least severity that is logged: debug, info, warning, error.
        format: ``text`` for people, ``json`` for programs, one object a line.
        stream: standard error when None.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, redact, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


def redact(logger: Any, method: str, event: EventDict) -> EventDict:
    """A structlog processor: the event without names, tokens and full addresses, however deep they lie in it."""
    return {
        key: value if key in UNTOUCHED_KEYS else HIDDEN if key.lower() in SECRET_KEYS else _clean(value)
        for key, value in event.items()
        if key.lower() not in DROPPED_KEYS
    }


def redacted(text: str) -> str:
    """The text with tokens hidden and addresses shortened (IPv4 to two octets, IPv6 to its first 32 bits)."""
    text = _MARKED.sub(lambda found: found[1] + HIDDEN, text)
    text = _TOKEN.sub(lambda found: found[0] if _WORDS.fullmatch(found[0]) else HIDDEN, text)
    text = _IPV6.sub(_shorten_v6, text)
    return _IPV4.sub(_shorten_v4, text)


def _clean(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return dict(redact(None, "", _as_event(value)))
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(part) for part in value]
    return redacted(value if isinstance(value, str) else repr(value))


def _as_event(value: Mapping[Any, Any]) -> MutableMapping[str, Any]:
    return {redacted(str(key)): part for key, part in value.items()}


def _shorten_v4(found: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv4Address(found[0])
    except ValueError:
        return found[0]
    # Nobody's address: every machine calls itself so.
    return found[0] if address.is_loopback or address.is_unspecified else f"{found[1]}.{found[2]}.x.x"


def _shorten_v6(found: re.Match[str]) -> str:
    try:
        address = ipaddress.IPv6Address(found[0])
    except ValueError:
        return found[0]
    if address.ipv4_mapped is not None:
        return "::ffff:" + _IPV4.sub(_shorten_v4, str(address.ipv4_mapped))
    if address.is_loopback or address.is_unspecified:
        return found[0]
    first, second = address.exploded.split(":")[:2]
    return f"{int(first, 16):x}:{int(second, 16):x}::x"
