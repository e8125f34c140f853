"""The native fan-out and receiving, where they were built: `liveclass._fanout`, or what stands in for it.

Says which path is in use and why; refuses to know what either does. Not built is no fault: the Python path puts the
same bytes on the wire.
"""

from typing import Any, Final

MODULE: Any
"""`liveclass._fanout`; None where it was not built."""

_MISSING: str

try:
    from liveclass import _fanout as MODULE
except ImportError as _error:
    MODULE = None
    # A library of the system that is gone is worth a word, a module that was never built is the plain case.
    _MISSING = "" if "cannot import name" in str(_error) else f" ({_error})"
else:
    _MISSING = ""

Protector: Final[Any] = MODULE.Protector if MODULE is not None else None
"""The type of a receiver's keys on the native path; None where it was not built."""

Unprotector: Final[Any] = MODULE.Unprotector if MODULE is not None else None
"""The type of a sender's keys on the native path; None where it was not built."""


def built() -> bool:
    """Whether the native path can be used at all."""
    return MODULE is not None


def path_in_use(wanted: bool) -> str:
    """One line on the way that packets take to many receivers.

    Args:
        wanted: setting `native_fanout`.
    """
    if not wanted:
        return "Python, as native_fanout is off"
    if MODULE is None:
        return f"Python, as the native module was not built{_MISSING}"
    return f"native, with {MODULE.LIBCRYPTO}"
