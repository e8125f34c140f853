"""Sends spans to a collector by OTLP over HTTP, with OpenTelemetry's SDK. Imported by `traces_opening` alone.

Spans wait in a bounded queue for a thread of their own: a collector that is away or hangs delays nobody, and what finds
no room is dropped. Knows no route, lesson or node.
"""

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from threading import Thread

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from liveclass import __version__
from liveclass.operate.traces import NOTHING, About, Value

log = structlog.get_logger(__name__)

SEND_S = 5.0
"""How long a collector may take for one batch, tries included."""

BATCH = 64
"""Spans sent at a time: few, since while they are encoded nothing else of this process runs."""

ROUND_S = 2.0
"""How long a span waits at most before it is sent, where the collector answers."""

CLOSE_S = 1.0
"""How long the end of the process waits for the collector."""

LONGEST = 128
"""Characters of a value."""

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class OtlpTracer:
    """A `traces.Tracer`.

    Args:
        url: of the collector, without `/v1/traces`.
        share: of the traces that begin here, which are sent.
        queue: spans that wait at most.
        node: what this process is called.
    """

    def __init__(self, url: str, *, share: float, queue: int, node: str) -> None:
        # Its own words about a collector that is away are many, with tracebacks; `_Told` says it once.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces", timeout=SEND_S, compression=Compression.Gzip)
        self._processor = BatchSpanProcessor(
            _Told(exporter),
            max_queue_size=queue,
            schedule_delay_millis=ROUND_S * 1000,
            max_export_batch_size=min(BATCH, queue),
        )
        # Named here and not detected: detectors tell of the machine, its user and its commands.
        resource = Resource(
            {"service.name": "liveclass", "service.version": __version__, "service.instance.id": node[:LONGEST]}
        )

        def tracer_of(sampler: Sampler) -> TracerProvider:
            provider = TracerProvider(
                sampler=ParentBased(sampler),
                resource=resource,
                shutdown_on_exit=False,
                span_limits=SpanLimits(
                    max_span_attributes=16, max_events=0, max_links=0, max_span_attribute_length=LONGEST
                ),
            )
            provider.add_span_processor(self._processor)
            return provider

        self._shared = tracer_of(TraceIdRatioBased(share)).get_tracer("liveclass", __version__)
        self._rare = tracer_of(ALWAYS_ON).get_tracer("liveclass", __version__)

    def begin(
        self, name: str, about: About = NOTHING, *, parent: str = "", served: bool = False, rare: bool = False
    ) -> "OtlpSpan":
        """See `traces.Tracer`."""
        kind = SpanKind.SERVER if served else SpanKind.INTERNAL
        return self._begin(name, _context(parent), kind, rare, about, None)

    def note(
        self, name: str, took_s: float, about: About = NOTHING, *, failed: bool = False, rare: bool = False
    ) -> None:
        """See `traces.Tracer`."""
        ended_ns = time.time_ns()
        span = self._begin(name, Context(), SpanKind.INTERNAL, rare, about, ended_ns - round(took_s * 1e9))
        if failed:
            span.fail("failed")
        span.end(ended_ns)

    async def close(self) -> None:
        """See `traces.Tracer`."""
        # The SDK's own waits are longer than a server may take to end, and cannot be told otherwise.
        ending = Thread(target=self._processor.shutdown, name="traces-end", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, CLOSE_S)

    def _begin(
        self, name: str, context: Context, kind: SpanKind, rare: bool, about: About, begun_ns: int | None
    ) -> "OtlpSpan":
        tracer = self._rare if rare else self._shared
        return OtlpSpan(tracer.start_span(name, context, kind, about, start_time=begun_ns, record_exception=False))


class OtlpSpan:
    """A `traces.Span`."""

    __slots__ = ("_span", "ended", "traceparent")

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        told = span.get_span_context()
        self.traceparent = f"00-{told.trace_id:032x}-{told.span_id:016x}-{told.trace_flags:02x}"
        self.ended = False

    def set(self, name: str, value: Value) -> None:
        """See `traces.Span`."""
        if not self.ended:
            self._span.set_attribute(name, value)

    def fail(self, why: str) -> None:
        """See `traces.Span`."""
        if not self.ended:
            self._span.set_attribute("error.type", why)
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self, at_ns: int | None = None) -> None:
        """See `traces.Span`; `at_ns` since 1970, None: now."""
        if not self.ended:
            self.ended = True
            self._span.end(at_ns)


class _Told(SpanExporter):
    """Says once that the collector does not take the spans, and once that it does again."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._well = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        well = result is SpanExportResult.SUCCESS
        if well != self._well:
            self._well = well
            (log.info if well else log.warning)("traces_sent_again" if well else "traces_not_sent")
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


def _context(parent: str) -> Context:
    """What the SDK knows a parent by; empty for what is none."""
    found = _TRACEPARENT.fullmatch(parent)
    if found is None:
        return Context()
    trace, span, flags = (int(part, 16) for part in found.groups())
    return set_span_in_context(NonRecordingSpan(SpanContext(trace, span, True, TraceFlags(flags & 1))), Context())
