"""Hands the traces of calls to an exporter of OpenTelemetry, in a thread of its own.

They are made when a call is over, of what was recorded of it, so that nothing is measured twice and no call waits for
it. Pipecat has traces as well; they time a step of its recogniser that does nothing (pipecat #2782), have no tools and
nothing of the telephone, and take a tracker of turns that costs each call much.

A trace has its call's id: `call_` and the 32 hexadecimal digits of the trace.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Sequence
from datetime import datetime

from loguru import logger
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.re import parse_env_headers

from calls.call import Call
from settings import Settings
from web.observing.counting import outcome_of
from web.observing.spans import Span, trace_of

SCOPE = "phonebot"

MOST_WAITING = 8192
"""How many spans may wait for the exporter; a call has some ten, and about five a turn. What is too much is dropped."""

MOST_EVENTS = 2000
"""How many events a span may have. With OpenTelemetry's 128, a long call would lack its first ones."""

FLUSH_SECS = 4.0
"""How long a service that stops waits for the last traces to be handed over, in seconds."""


def exporter_of(settings: Settings) -> SpanExporter:
    """The exporter that is configured.

    Source: OpenTelemetry specification, "OpenTelemetry Protocol Exporter": OTEL_EXPORTER_OTLP_ENDPOINT is a base to
    which the path of the signal is added, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is taken as it is, and comes first. Its
    other variables are read by the exporter itself, from the environment.
    """
    base = (settings.otel_exporter_otlp_endpoint or "").rstrip("/")
    headers = settings.otel_exporter_otlp_headers
    given = parse_env_headers(headers.get_secret_value(), liberal=True) if headers is not None else None
    return OTLPSpanExporter(
        endpoint=settings.otel_exporter_otlp_traces_endpoint or f"{base}/v1/traces", headers=given
    )


class Traces:
    """Exports a trace of each call.

    Parameters:
        exporter: Where to.
        service_name: What the traces are called there.
        words: Whether what was said is in them.
    """

    def __init__(self, exporter: SpanExporter, service_name: str, *, words: bool = False):
        self._words = words
        self._lock = threading.Lock()
        self._ids = _CallsIds()
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service_name}),
            id_generator=self._ids,
            span_limits=SpanLimits(max_events=MOST_EVENTS),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(_Telling(exporter), max_queue_size=MOST_WAITING))
        self._tracer = self._provider.get_tracer(SCOPE)

    def export(self, call: Call) -> None:
        """Hand over the trace of a call that is over: in a thread, as it takes some milliseconds."""
        trace = trace_of(call, outcome_of(call), words=self._words)
        with self._lock:
            self._ids.call_id = call.id
            _emit(self._tracer, trace, None)

    def close(self, secs: float = FLUSH_SECS) -> bool:
        """Hand over what still waits, for some seconds at most: in a thread.

        Returns:
            False when the time was up first. What goes on is no reason for the process to stay.
        """
        # OpenTelemetry's own limits of time do not hold for an export that has begun
        closing = threading.Thread(target=self._provider.shutdown, name="closing traces", daemon=True)
        closing.start()
        closing.join(secs)
        return not closing.is_alive()


def _emit(tracer: Tracer, span: Span, parent: Context | None) -> None:
    # An empty context: whatever is current in this thread has nothing to do with the call
    made = tracer.start_span(
        span.name,
        context=parent if parent is not None else Context(),
        attributes=span.attributes,
        start_time=_ns(span.start),
    )
    for happening in span.happenings:
        made.add_event(happening.name, dict(happening.attributes), _ns(happening.at))
    if span.error is not None:
        made.set_attribute("error.type", span.error)
        made.set_status(Status(StatusCode.ERROR))
    inner = set_span_in_context(made, Context())
    for child in span.children:
        _emit(tracer, child, inner)
    made.end(_ns(max(span.start, span.end)))


def _ns(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000


class _CallsIds(IdGenerator):
    """Gives a trace the id of its call."""

    def __init__(self) -> None:
        self.call_id = ""
        self._random = RandomIdGenerator()

    def generate_span_id(self) -> int:
        return self._random.generate_span_id()

    def generate_trace_id(self) -> int:
        try:
            return int(self.call_id.removeprefix("call_"), 16) or self._random.generate_trace_id()
        except ValueError:
            return secrets.randbits(128) or 1


class _Telling(SpanExporter):
    """Says once in the log that traces are not taken, and once that they are again.

    Parameters:
        exporter: The one that exports. Its own log is left out: it has a line for each try.
    """

    def __init__(self, exporter: SpanExporter):
        self._exporter = exporter
        self._failing = False
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        # It has a line for each span that is too much
        logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.ERROR)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result, why = SpanExportResult.FAILURE, "it does not answer, or refuses them"
        try:
            result = self._exporter.export(spans)
        except Exception as error:
            why = type(error).__name__
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            logger.error(
                "Traces are lost for now, as what OTEL_EXPORTER_OTLP_ENDPOINT names does not take them ({}): is it "
                "running, is the address right, does it want OTEL_EXPORTER_OTLP_HEADERS?",
                why,
            )
        elif self._failing and not failing:
            logger.info("Traces are taken again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)
