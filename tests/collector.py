"""A collector of traces, as OpenTelemetry's would be asked: takes OTLP over HTTP, and hangs when a test says so."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Told:
    """One span as it came.

    Attributes:
        node: whose it is.
        parent: id of the span that it is a part of; empty: it began the trace.
        took_s: its length.
    """

    node: str
    name: str
    trace: str
    id: str
    parent: str
    about: dict[str, str | int | bool]
    failed: bool
    took_s: float


@dataclass
class Collector:
    """Attributes:
    raw: the bodies of all requests, decompressed.
    """

    url: str = ""
    spans: list[Told] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self._answers = asyncio.Event()
        self._answers.set()

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        self._answers.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def hang(self) -> None:
        """Take requests and answer none."""
        self._answers.clear()

    def go_on(self) -> None:
        self._answers.set()

    async def named(self, name: str, count: int = 1) -> list[Told]:
        """The spans of that name, once there are so many."""
        async with asyncio.timeout(20.0):
            while True:
                found = [span for span in self.spans if span.name == name]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.02)

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        await self._answers.wait()
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            of = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Told(
                            of["service.instance.id"],
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            {
                                pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
                                for pair in span.attributes
                            },
                            span.status.code == 2,
                            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                        )
                    )
        return web.Response(content_type="application/x-protobuf")
