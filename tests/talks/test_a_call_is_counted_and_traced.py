"""A call of the emulator gives the counters and the trace that one works out from what happened at the line.

And counting it costs next to nothing: less than a hundredth of the processor time that the call takes.
"""

from __future__ import annotations

import time
from collections import Counter

import httpx
import pytest

from calls.events.talk import TurnMeasured
from emulator import Digits
from tests.exposed import labels, named
from tests.otlp_receiver import receiving
from tests.talking_bot import talking
from tests.web_service import until
from web.observing.counting import Counting
from web.observing.traces import Traces, _Telling

ANSWER_MS = 250
"""How much later than the line the server may know of the answer, in milliseconds."""

MOST_OF_A_CALL = 0.01
"""How much of a call's processor time metrics may take."""


def answers(words):
    if "2" in words:
        return [("end_call", {"farewell": "Thank you for calling."})]
    return ["Anything else?"]


def of_kind(result, kind):
    return [entry for entry in result.timeline.entries if entry.kind == kind]


async def metrics_of(bot):
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{bot.url}/metrics")).text


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_call_gives_the_counters_and_the_trace_of_what_happened(monkeypatch, tmp_path, carrier):
    with receiving() as receiver:
        async with talking(
            monkeypatch, tmp_path, carrier, answers, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.address
        ) as bot:
            result = await bot.network.call(bot.url, [Digits("1#"), Digits("2#")])
            counting = bot.app.state.observing._counting
            await until(lambda: not counting._settled._waiting)
            text = await metrics_of(bot)
            (call,) = bot.store.list()
    assert result.report.errors == []

    # The counters
    outcome = labels(carrier=carrier, direction="inbound", agent="quick", outcome="answered")
    assert named(text, "phonebot_calls_total") == {outcome: 1}
    assert named(text, "phonebot_calls_live") == {}
    assert named(text, "phonebot_call_seconds_count") == {(): 1}
    assert named(text, "phonebot_answer_seconds_count") == {labels(carrier=carrier): 1}
    assert named(text, "phonebot_first_words_seconds_count") == {(): 1}
    first_sound = next(one for one in of_kind(result, "bot_speech") if "starts" in one.text)
    heard_ms = named(text, "phonebot_first_words_seconds_sum")[()] * 1000
    stood_still_ms = named(text, "phonebot_event_loop_lag_seconds_sum")[()] * 1000
    assert abs(heard_ms - first_sound.at_ms) < ANSWER_MS + stood_still_ms
    turns = [event for event in call.events if isinstance(event, TurnMeasured)]
    responses = [event for event in turns if event.to == "caller"]
    of_quick = named(text, "phonebot_response_seconds_count")
    assert of_quick == ({labels(agent="quick"): len(responses)} if responses else {})
    total_secs = sum(event.response_ms for event in responses) / 1000
    stages = sum(named(text, "phonebot_response_stage_seconds_sum").values())
    assert stages == pytest.approx(total_secs)
    webhooks = of_kind(result, "webhook") + of_kind(result, "callback")
    counted = sum(named(text, "phonebot_webhook_seconds_count").values())
    assert counted == len(webhooks) > 0
    requests = {
        dict(key)["what"]: value
        for key, value in named(text, "phonebot_carrier_request_seconds_count").items()
        if dict(key)["carrier"] == carrier and dict(key)["status"] == "ok"
    }
    assert requests["hang_up"] == 1
    for nothing in ("errors", "transfers", "turned_away", "media_ignored", "marks_lost", "refused"):
        assert named(text, f"phonebot_{nothing}_total") == {}, nothing
    for private in (call.id, call.carrier_call_id, call.from_number, call.to_number):
        assert private not in text

    # The trace
    spans = receiver.spans
    assert {one.trace_id.hex() for one in spans} == {call.id.removeprefix("call_")}
    names = Counter(one.name for one in spans)
    assert (names["call"], names["ringing"], names["attachment"]) == (1, 1, 1)
    assert names["turn"] == len(turns)
    assert names["execute_tool end_call"] == 1
    (root,) = [one for one in spans if not one.parent_span_id]
    (ringing,) = [one for one in spans if one.name == "ringing"]
    for span in spans:
        assert root.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= root.end_time_unix_nano
    first = min((one for one in spans if one.name == "turn"), key=lambda one: one.start_time_unix_nano)
    after_answer_ms = (first.end_time_unix_nano - ringing.end_time_unix_nano) / 1e6
    assert after_answer_ms == pytest.approx(heard_ms, abs=1)
    for turn in (one for one in spans if one.name == "turn"):
        parts = [one for one in spans if one.parent_span_id == turn.span_id]
        in_all = sum(one.end_time_unix_nano - one.start_time_unix_nano for one in parts)
        assert in_all == turn.end_time_unix_nano - turn.start_time_unix_nano
    written = b"".join(request.SerializeToString() for _, _, request in receiver.requests)
    assert b"Anything else" not in written and b"Thank you" not in written
    assert call.from_number.encode() not in written


async def test_it_costs_less_than_a_hundredth_of_a_calls_processor_time(monkeypatch, tmp_path):
    spent = Counter()

    def timed(cls, name):
        real = getattr(cls, name)

        def measured(*arguments):
            began = time.thread_time()
            try:
                return real(*arguments)
            finally:
                spent[cls] += time.thread_time() - began

        monkeypatch.setattr(cls, name, measured)

    for cls, name in (
        (Counting, "_happened"),
        (Counting, "look"),
        (Counting, "_asked"),
        (Traces, "export"),
        (_Telling, "export"),
    ):
        timed(cls, name)
    with receiving() as receiver:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address}
        async with talking(monkeypatch, tmp_path, "twilio", answers, **environment) as bot:
            counting = bot.app.state.observing._counting
            # The first call loads what later ones have
            for keys in (["2#"], ["1#", "1#", "1#", "1#", "2#"]):
                began = time.process_time()
                spent.clear()
                await bot.network.call(bot.url, [Digits(key) for key in keys])
                await until(lambda: not counting._settled._waiting)
                took = time.process_time() - began
            counted = spent[Counting]
    # The emulator is in the same process, and took at most as much as the bot
    share = counted / (took / 2)
    traced = (spent[Traces] + spent[_Telling]) / (took / 2)
    print(f"of {took * 1000:.0f} ms: metrics {share:.3%}, the trace {traced:.3%}")
    assert len({one.trace_id for one in receiver.spans}) == 2
    assert 0 < share < MOST_OF_A_CALL
    # Beeps need little thought, and keys are turns without a pause: a trace's part is the largest here
    assert 0 < traced < 3 * MOST_OF_A_CALL
