"""Whether there are traces, by the settings. The only place that knows what sends them.

Where there are none, nothing of that is loaded.
"""

from liveclass.errors import UsageError
from liveclass.operate.traces import Tracer


def open_tracer(url: str, *, share: float, queue: int, node: str) -> Tracer | None:
    """The tracer that the settings ask for; None: traces are off. Nothing is connected yet.

    Args:
        url: setting `trace_url`; `share` and `queue` those of these names.
        node: what this process is called.

    Raises:
        UsageError: the packages for it are missing.
    """
    if not url:
        return None
    try:
        from liveclass.operate.traces_otlp import OtlpTracer
    except ImportError as missing:
        raise UsageError("trace_url: needs an extra: pip install 'liveclass[trace]'") from missing
    return OtlpTracer(url, share=share, queue=queue, node=node)
