"""The trace of a call: what spans it has, when they began and ended, and that nothing private is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from loguru import logger
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from calls.call import Call
from calls.events.lifecycle import ErrorHappened, TransferStarted
from calls.events.talk import (
    Attached,
    BotSaid,
    CallerSaid,
    Detached,
    DtmfReceived,
    Interrupted,
    MessageTaken,
    Responded,
    ToolStarted,
    ToolUsed,
    TurnMeasured,
)
from calls.outcome import Outcome
from calls.states import CallState, EndedBy
from calls.transfer import TransferOutcome
from settings import SettingsError
from tests.otlp_receiver import receiving
from tests.web_service import make_settings, running, until
from web.observing.spans import trace_of
from web.observing.traces import Traces, _Telling, exporter_of

BEGAN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CALLER, BOT = "+12025550143", "+12025550100"
SECRET = "four two four two"


def part(stage, ms, owner="OpenAILLMService", kind="service", key="llm_inference"):
    return {"key": key, "stage": stage, "owner": owner, "kind": kind, "ms": ms}


class Story:
    """A call whose events come when the test says."""

    def __init__(self, **known):
        self.now = BEGAN
        given = {"carrier": "twilio", "carrier_call_id": "CA1", "from_number": CALLER, "to_number": BOT}
        self.call = Call(**{**given, "agent": "desk", **known}, clock=lambda: self.now)

    def at(self, secs):
        self.now = BEGAN + timedelta(seconds=secs)
        return self.call


def a_call() -> Call:
    story = Story()
    story.at(0.9).move(CallState.IN_PROGRESS, cause="answered")
    story.at(1.0).record(Attached("MZ1"))
    story.at(1.5).record(Responded("call", 500, {}))
    story.at(1.5).record(BotSaid(f"Hello {SECRET}"))
    story.at(5.0).record(DtmfReceived("7"))
    story.at(6.0).record(CallerSaid(SECRET))
    story.at(6.6).record(Responded("caller", 600, {}))
    turn = [
        part("end_of_turn", 200, "VAD stop_secs", "setting"),
        part("recogniser", 0),
        part("model", 380),
        part("voice", 70),
    ]
    story.at(8.0).record(Interrupted(f"what {SECRET}"))
    # Heard 5.75 s after the answer, which was at 0.9: at 6.65, and the caller had waited since 6.0
    story.at(8.0).record(TurnMeasured(1, "caller", 650, turn, True, True, 5750))
    story.at(9.0).record(ToolStarted("lookup", {"card": SECRET}))
    story.at(9.4).record(ToolUsed("lookup", {"card": SECRET}, {"owner": SECRET}, True))
    story.at(9.5).record(ErrorHappened(f"the service quotes {SECRET}", "connectivity"))
    story.at(10.0).record(MessageTaken("Ann Cole", CALLER, SECRET))
    story.at(11.0).record(TransferStarted("billing"))
    story.at(20.0).transfer_ended("billing", TransferOutcome.BUSY)
    story.at(21.0).record(ToolStarted("lookup", {}))
    story.at(30.0).move(CallState.COMPLETED, cause="bye", ended_by=EndedBy.BOT)
    story.at(30.2).record(Detached("over"))
    return story.call


def ms(at: datetime) -> int:
    return round((at - BEGAN).total_seconds() * 1000)


def tree(span, depth=0):
    yield depth, span.name, ms(span.start), ms(span.end), span.error
    for child in span.children:
        yield from tree(child, depth + 1)


def everything(span) -> str:
    return repr(span)


def test_the_spans_are_those_that_one_works_out_by_hand():
    assert list(tree(trace_of(a_call(), Outcome.MESSAGE))) == [
        (0, "call", 0, 30_200, None),
        (1, "ringing", 0, 900, None),
        (1, "attachment", 1000, 30_200, None),
        (2, "turn", 6000, 6650, None),
        (3, "endpointing", 6000, 6200, None),
        (3, "llm", 6200, 6580, None),
        (3, "tts", 6580, 6650, None),
        (2, "execute_tool lookup", 9000, 9400, None),
        (2, "execute_tool lookup", 21_000, 30_200, "unfinished"),
        (1, "transfer", 11_000, 20_000, None),
    ]


def test_a_call_says_what_became_of_it():
    root = trace_of(a_call(), Outcome.MESSAGE)
    assert {**root.attributes, "phonebot.call.id": "", "gen_ai.conversation.id": ""} == {
        "phonebot.call.id": "",
        "gen_ai.conversation.id": "",
        "phonebot.carrier": "twilio",
        "phonebot.direction": "inbound",
        "phonebot.agent": "desk",
        "phonebot.from": "…0143",
        "phonebot.to": "…0100",
        "phonebot.state": "completed",
        "phonebot.outcome": "message",
        "phonebot.ended_by": "bot",
    }
    session = root.children[1]
    assert [one.name for one in session.happenings] == [
        "bot_said",
        "dtmf",
        "caller_said",
        "interrupted",
        "error",
        "message_taken",
    ]
    assert session.happenings[4].attributes == {"phonebot.category": "connectivity"}
    assert trace_of(a_call(), Outcome.LOST).error == "lost"


def test_nothing_private_is_in_a_trace():
    said = everything(trace_of(a_call(), Outcome.MESSAGE))
    assert not [one for one in (SECRET, CALLER, BOT, "Ann", "'7'") if one in said]
    asked_for = everything(trace_of(a_call(), Outcome.MESSAGE, words=True))
    assert SECRET in asked_for and f"Hello {SECRET}" in asked_for
    assert not [one for one in (CALLER, BOT, "Ann", "'7'") if one in asked_for]
    by_sip = Story(from_number="sip:ann.cole@example.com").call
    by_sip.move(CallState.FAILED, cause="no")
    assert "ann.cole" not in everything(trace_of(by_sip, Outcome.FAILED))


def test_a_call_that_was_never_answered_is_one_span():
    story = Story(from_number=None, agent=None)
    story.at(20).move(CallState.NO_ANSWER, cause="nobody")
    assert list(tree(trace_of(story.call, Outcome.ABANDONED))) == [(0, "call", 0, 20_000, None)]


def test_a_turn_of_an_older_program_begins_where_the_voice_did():
    story = Story()
    story.at(1).move(CallState.IN_PROGRESS, cause="answered")
    story.at(6.6).record(Responded("caller", 600, {}))
    story.at(8.0).record(TurnMeasured(0, "caller", 600, [], False, False, None))
    story.at(9.0).move(CallState.COMPLETED, cause="bye")
    assert (1, "turn", 6000, 6600, None) in list(tree(trace_of(story.call, Outcome.ANSWERED)))


def test_the_exporter_gets_one_trace_with_the_calls_id():
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, "the desk")
    first, second = a_call(), a_call()
    for call in (first, second):
        traces.export(call)
    traces.close()
    spans = exporter.get_finished_spans()
    assert len(spans) == 2 * 10
    for call in (first, second):
        ours = [one for one in spans if f"{one.context.trace_id:032x}" == call.id.removeprefix("call_")]
        by_id = {one.context.span_id: one for one in ours}
        (root,) = [one for one in ours if one.parent is None]
        assert root.name == "call"
        assert len(by_id) == 10
        parents = {one.name: by_id[one.parent.span_id].name for one in ours if one.parent}
        assert parents["llm"] == "turn" and parents["turn"] == "attachment" and parents["transfer"] == "call"
        turn = next(one for one in ours if one.name == "turn")
        assert turn.end_time - turn.start_time == 650_000_000
        stages = [one for one in ours if one.parent and one.parent.span_id == turn.context.span_id]
        assert sum(one.end_time - one.start_time for one in stages) == 650_000_000
        assert root.resource.attributes["service.name"] == "the desk"
        assert {one.name for one in ours if one.status.status_code is StatusCode.ERROR} == {
            "execute_tool lookup"
        }


def test_a_long_call_has_all_its_events():
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, "the desk")
    story = Story()
    story.at(1).move(CallState.IN_PROGRESS, cause="answered")
    story.at(1).record(Attached("MZ1"))
    for n in range(700):
        story.at(2 + n).record(BotSaid(f"sentence {n}"))
    story.at(800).move(CallState.COMPLETED, cause="bye")
    traces.export(story.call)
    assert traces.close()
    (session,) = [one for one in exporter.get_finished_spans() if one.name == "attachment"]
    assert len(session.events) == 700


class Refusing(SpanExporter):
    def __init__(self):
        self.results = [SpanExportResult.FAILURE, SpanExportResult.FAILURE, SpanExportResult.SUCCESS]

    def export(self, spans):
        result = self.results.pop(0)
        if len(self.results) == 1:
            raise ConnectionError("no")
        return result

    def shutdown(self):
        pass


def test_a_failing_exporter_is_one_line():
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)), format="{level} {message}")
    try:
        telling = _Telling(Refusing())
        assert [telling.export([]).name for _ in range(3)] == ["FAILURE", "FAILURE", "SUCCESS"]
    finally:
        logger.remove(sink)
    assert [one.split()[0] for one in lines] == ["ERROR", "INFO"]


async def test_a_service_sends_a_trace_of_each_call_that_is_over(tmp_path):
    with receiving() as receiver:
        settings = {
            "otel_exporter_otlp_endpoint": f"{receiver.address}/",
            "otel_exporter_otlp_headers": "x-key=a%20b",
        }
        async with running(tmp_path, **settings) as service:
            call = service.store.open(carrier="twilio", carrier_call_id="CA1", from_number=CALLER)
            call.move(CallState.IN_PROGRESS, cause="answered")
            call.record(Attached("MZ1"))
            call.record(CallerSaid(SECRET))
            call.record(Detached("over"))
            call.move(CallState.COMPLETED, cause="over")
    ((path, headers, request),) = receiver.requests
    assert path == "/v1/traces"
    assert headers["x-key"] == "a b"
    assert headers["content-type"] == "application/x-protobuf"
    (resource,) = request.resource_spans
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named["service.name"] == "phonebot"
    assert sorted(one.name for one in receiver.spans) == ["attachment", "call", "ringing"]
    assert {one.trace_id.hex() for one in receiver.spans} == {call.id.removeprefix("call_")}
    sent = request.SerializeToString()
    assert SECRET.encode() not in sent and CALLER.encode() not in sent


async def test_a_receiver_that_is_away_stops_nothing(tmp_path):
    async with running(tmp_path, otel_exporter_otlp_endpoint="http://127.0.0.1:9") as service:
        call = service.store.open(carrier="twilio", carrier_call_id="CA1")
        call.move(CallState.COMPLETED, cause="over")
        counting = service.app.state.observing._counting
        await until(lambda: not counting._settled._waiting)
        assert (await service.http.get("/healthz")).status_code == 200


def test_the_address_of_traces_alone_comes_first():
    one = make_settings(
        otel_exporter_otlp_endpoint="http://127.0.0.1:4318",
        otel_exporter_otlp_traces_endpoint="http://127.0.0.1:9/mine",
    )
    assert exporter_of(one)._endpoint == "http://127.0.0.1:9/mine"
    with pytest.raises((SettingsError, ValueError)):
        make_settings(otel_exporter_otlp_endpoint="localhost:4318")
