"""Every kind of event is a dataclass: what is recorded, read and documented is the same."""

import ast
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calls.database.engine import MIGRATIONS, VERSION_TABLE
from calls.events.event import (
    FORMAT,
    NOT_RECORDED,
    OtherEvent,
    Privacy,
    own_fields,
    private_fields,
    without_words,
)
from calls.events.lifecycle import (
    Ended,
    HangUpStarted,
    RecordingChanged,
    RecordingReported,
    StateChanged,
    TransferEnded,
)
from calls.events.reading import KINDS, read_event
from calls.events.reference import parameters, reference
from calls.events.talk import CallerSaid, DeadAirNoticed, MessageTaken, OpeningDecided, ToolUsed
from calls.states import CallState, EndedBy
from carriers.recording import RecordingState
from conversation.dead_air.guard import Cause
from conversation.outbound.processors import Verdict
from tests.calls_on_disk import change, rows, store_on
from web.descriptions import description

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 26, 12, 0, 0, 123000, tzinfo=UTC)
CLASSES = [one for kinds in KINDS.values() for one in kinds]

WRITTEN = [
    ("language", '{"language": "es", "why": "key"}'),
    ("state", '{"state": "ringing", "cause": "dial-in"}'),
    ("ringing", "{}"),
    ("answered", "{}"),
    ("ended", '{"ended_by": "caller", "cause": "over"}'),
    ("turned_away", '{"reason": "full", "how": "say"}'),
    ("goodbye", '{"farewell": "Bye.", "ended_by": "bot", "cause": "end_call", "state": "completed"}'),
    ("goodbye_taken_back", "{}"),
    ("hang_up", '{"ended_by": "bot", "cause": "end_call"}'),
    ("hang_up", '{"ended_by": "human", "cause": "API", "by": "ann"}'),
    ("hang_up_failed", '{"reason": "no credentials for twilio are set"}'),
    ("dialling", '{"ring_timeout_secs": 30}'),
    ("answered_by", '{"who": "greeting_ended"}'),
    ("lookup", '{"result": "found", "ms": 42}'),
    ("digits_sent", '{"count": 5}'),
    ("error", '{"message": "the media stream ended before the call did"}'),
    ("error", '{"message": "STT: refused", "category": "unauthorized"}'),
    ("transfer_started", '{"destination": "desk", "warm": true}'),
    ("transfer_started", '{"destination": "desk", "warm": false, "refer": true}'),
    ("colleague_called", '{"call_id": "call_2"}'),
    ("transfer_ended", '{"destination": "desk", "outcome": "no_answer", "reason": ""}'),
    ("briefing", "{}"),
    ("accepted", "{}"),
    ("declined", "{}"),
    ("connected", "{}"),
    ("connect_failed", '{"reason": "the caller is gone"}'),
    ("caller_gone", "{}"),
    ("recording", '{"state": "in_progress", "recording_id": null}'),
    (
        "recording",
        '{"state": "completed", "recording_id": "RE1", "url": "https://h/1", "duration_secs": 12, "channels": 2}',
    ),
    (
        "recording",
        '{"state": "failed", "recording_id": null, "url": null, "duration_secs": null, "channels": null, '
        '"reason": "no disk"}',
    ),
    ("attached", '{"stream_id": "MZ1"}'),
    ("detached", '{"reason": "stopped by the carrier"}'),
    ("handed_over", '{"unsaid": "And here is more.", "amid": ""}'),
    ("resumed", '{"reason": "transfer"}'),
    ("caller_said", '{"text": "Gr\\u00fc\\u00dfe"}'),
    ("bot_said", '{"text": "Hello."}'),
    ("bot_heard", '{"text": "Hello."}'),
    ("interrupted", '{"heard": ""}'),
    ("dtmf", '{"digits": "#"}'),
    ("silence_prompt", '{"n": 1}'),
    ("bot_heard", '{"text": "Hello.", "confirmed": false}'),
    ("interruption_undone", "{}"),
    ("responded", '{"to": "caller", "ms": 640, "stages": {"end_of_turn": 240, "model": 300, "voice": 100}}'),
    (
        "turn",
        '{"n": 1, "to": "caller", "response_ms": 700, "parts": [{"key": "llm_inference", "stage": "model", '
        '"owner": "OpenAILLMService#0", "kind": "service", "ms": 700}], "by_sound": true, "interrupted": false, '
        '"after_answer_ms": 9120}',
    ),
    ("reviewed", '{"outcome": "message", "note": "Call her.", "reviewed": true, "by": "API"}'),
    ("message_handled", '{"seq": 12, "handled": true, "by": "API"}'),
    ("listening_started", '{"by": "ann"}'),
    ("listening_ended", '{"by": "ann", "secs": 12.3, "why": "left"}'),
    ("not_understood", "{}"),
    ("dead_air", '{"stage": "fallback", "cause": "voice_silent", "silent_secs": 3.2}'),
    (
        "service_failed_over",
        '{"job": "tts", "failed": "cartesia", "next": "openai", "cause": "failed", "category": "rate_limit"}',
    ),
    ("tool_started", '{"name": "take_message", "arguments": {"message": "Call."}}'),
    ("tool", '{"name": "take_message", "arguments": {"message": "Call."}, "result": {"outcome": "busy"}}'),
    ("tool", '{"name": "end_call", "arguments": {}, "result": null}'),
    ("tool", '{"name": "end_call", "arguments": {}, "result": "Not done: no.", "ok": false}'),
    ("message_taken", '{"caller_name": "", "callback_number": "555 0101", "message": "Call me."}'),
    ("message_taken", '{"caller_name": "", "callback_number": "", "message": "", "recorded": true}'),
    ("carrier_speaks", '{"line": "leave_message"}'),
    ("carrier_spoke", '{"line": "leave_message"}'),
    (
        "after_call",
        '{"result": "made", "summary": "A repair.", "disposition": "booked", "fields": {"days": 2, "why": null}}',
    ),
    ("flow_node", '{"node": "order"}'),
    ("flow_state", '{"state": {"size": "large", "total": 12.5}}'),
    ("opening", '{"who": "machine", "why": "a beep"}'),
    ("beep", "{}"),
    ("voicemail_message", '{"heard": true}'),
    ("caller_erased", '{"by": "ann"}'),
    ("said_by_person", '{"text": "Please hold on.", "by": "ann"}'),
    ("note_given", '{"text": "They are in a hurry.", "answer_now": true, "by": "ann"}'),
]
"""What the program wrote before events had types and a version, byte for byte."""

STRANGE = [
    ("something new", '{"how": ["many"]}'),
    ("transfer_ended", '{"destination": "desk", "outcome": "eaten by a bear", "reason": ""}'),
    ("state", '{"state": "on_hold", "cause": "music"}'),
    ("ended", '{"ended_by": "weather", "cause": "a storm"}'),
    ("hang_up", '{"ended_by": "weather", "cause": "a storm"}'),
    ("interrupted", "{}"),
    ("caller_said", '{"text": "Hi.", "language": "en"}'),
]
"""What another version may have written."""


def test_every_kind_is_among_those_that_were_written_before():
    assert {kind for kind, _ in WRITTEN} == set(KINDS)


@pytest.mark.parametrize(("kind", "written"), WRITTEN)
def test_what_was_written_before_is_read_and_would_be_written_the_same(kind, written):
    data = json.loads(written)
    event = read_event(AT, kind, data)
    assert type(event) in KINDS[kind]
    assert (event.at, event.kind, json.dumps(event.data)) == (AT, kind, written)
    again = type(event)(**{one.name: getattr(event, one.name) for one in own_fields(type(event))})
    assert again == event
    assert json.dumps(again.data) == written


@pytest.mark.parametrize(("kind", "written"), STRANGE)
def test_what_another_version_has_written_is_kept_as_it_is(kind, written):
    event = read_event(AT, kind, json.loads(written))
    assert (event.kind, json.dumps(event.data)) == (kind, written)


def test_what_is_known_of_an_event_of_another_version_is_used_and_nothing_else():
    known = [type(read_event(AT, kind, json.loads(written))) for kind, written in STRANGE]
    assert known[:5] == [OtherEvent] * 5
    assert read_event(AT, "caller_said", {"text": "Hi.", "language": "en"}) == CallerSaid("Hi.")
    newer = read_event(AT, "caller_said", {"text": "Hi."}, FORMAT + 1)
    assert (type(newer), newer.kind, newer.data, newer.version) == (
        OtherEvent,
        "caller_said",
        {"text": "Hi."},
        FORMAT + 1,
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def values_of(hint):
    if hint is Any:
        return JSON
    if get_origin(hint) is list:
        return st.lists(JSON, max_size=3)
    if get_origin(hint) is Mapping:
        return st.dictionaries(st.text(), JSON, max_size=3)
    return st.floats(allow_nan=False, allow_infinity=False) if hint is float else st.from_type(hint)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_kind_goes_to_json_and_back(kind, data):
    hints = get_type_hints(kind)
    event = kind(**{one.name: data.draw(values_of(hints[one.name])) for one in own_fields(kind)})
    read = read_event(AT, event.kind, json.loads(json.dumps(event.data)))
    assert read == event
    assert read.data == event.data


def test_the_documentation_is_current():
    assert (ROOT / "docs/events.md").read_text() == reference(), "run make docs"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_kind_is_documented_with_its_fields(kind):
    assert f"### `{kind.KIND}`\n" in reference()
    assert kind.__doc__.strip().split("\n")[0].endswith(".")
    assert list(parameters(kind)) == [one.name for one in own_fields(kind)]


@pytest.mark.parametrize(
    ("kind", "field", "words"),
    [
        (StateChanged, "state", CallState),
        (Ended, "ended_by", EndedBy),
        (HangUpStarted, "ended_by", EndedBy),
        (DeadAirNoticed, "cause", Cause),
        (RecordingChanged, "state", RecordingState),
        (OpeningDecided, "who", Verdict),
    ],
)
def test_what_a_field_may_say_is_documented_in_full(kind, field, words):
    section = reference().partition(f"### `{kind.KIND}`\n")[2].partition("\n### ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{field}` |"))
    assert [word.value for word in words if f"`{word.value}`" not in row] == []


def product():
    for room in ("calls", "desk", "conversation", "web", "carriers", "serializers"):
        yield from (ROOT / room).rglob("*.py")
    yield from (ROOT / name for name in ("bot.py", "server.py"))


def test_what_is_recorded_are_these_kinds_and_each_of_them_is():
    made = set()
    for file in product():
        tree = ast.parse(file.read_text())
        in_events = file.parent.name == "events"
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                made.add(node.func.id)
                assert node.func.id != "OtherEvent" or in_events, (
                    f"{file} records a kind that is documented nowhere"
                )
            if isinstance(node, ast.ClassDef) and not in_events:
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                named = {one.__name__ for one in CLASSES} | {"CallEvent", "OtherEvent"}
                assert not bases & named, f"{file}: {node.name} belongs into calls/events"
    assert {one.__name__ for one in CLASSES} <= made


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_nothing_private_can_get_into_a_log_with_an_event(kind):
    private, names = private_fields(kind), [one.name for one in own_fields(kind)]
    event = kind(**{name: "sesame" if name in private else "harmless" for name in names})
    assert "sesame" not in f"{event} {event!r} {[event]}"
    assert repr(event).count("harmless") == len(names) - len(private)
    assert "sesame" not in repr(read_event(AT, "something new", {"text": "sesame"}))


def test_what_was_said_is_left_out_and_what_was_meant_to_be_kept_is_not():
    assert without_words(CallerSaid("My code is 4111.")) == CallerSaid(NOT_RECORDED)
    assert without_words(CallerSaid("")) == CallerSaid("")
    assert without_words(ToolUsed("pay", {"card": "4111"}, "ok")) == ToolUsed("pay", {}, "ok")
    message = MessageTaken("Ann", "555 0101", "Call me.")
    assert without_words(message) is message
    said = {kind.KIND for kind in CLASSES if Privacy.SAID in private_fields(kind).values()}
    talk = {"caller_said", "bot_said", "bot_heard", "interrupted", "goodbye", "dtmf", "handed_over"}
    assert said == talk | {"tool", "tool_started", "flow_state", "said_by_person", "note_given"}


def made_by_the_version_before(file):
    """A database as it was before events had a version, with a call that has every kind of event."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        config.attributes.update(connection=connection, version_table=VERSION_TABLE)
        command.upgrade(config, "0002")
    engine.dispose()
    change(
        file,
        "insert into calls (id, carrier, carrier_call_id, mode, direction, parameters, state, created_at, heard_at) "
        "values ('call_1', 'twilio', 'CA1', '', 'inbound', '{}', 'in_progress', '2026-11-26 12:00:00.123000', "
        "'2026-11-26 12:00:00.123000')",
    )
    for seq, (kind, data) in enumerate(WRITTEN + STRANGE, 1):
        change(
            file,
            "insert into call_events (call_id, seq, at, kind, data) values "
            f"('call_1', {seq}, '2026-11-26 12:00:00.123000', '{kind}', '{data}')",
        )


async def test_a_database_from_before_there_was_a_version_is_read_and_shown_as_it_was(tmp_path):
    made_by_the_version_before(tmp_path / "a.db")
    async with store_on(tmp_path / "a.db") as store:
        call = await store.fetch("call_1")
        shown = description(call)
        assert json.dumps(shown["events"]) == json.dumps(
            [
                {**json.loads(data), "at": "2026-11-26T12:00:00.123Z", "kind": kind}
                for kind, data in WRITTEN + STRANGE
            ]
        )
        assert shown["event_format"] == FORMAT
        assert call.last(TransferEnded).outcome == "no_answer"
        assert call.last(RecordingReported).reason == "no disk"
        call.record(CallerSaid("Still here."))
        assert await store.flush()
    written = rows(tmp_path / "a.db", "select kind, data, format from call_events order by seq")
    before = [(kind, data, 1) for kind, data in WRITTEN + STRANGE]
    assert written == [*before, ("caller_said", '{"text": "Still here."}', FORMAT)]


async def test_events_of_a_newer_format_are_shown_and_not_acted_upon(tmp_path):
    made_by_the_version_before(tmp_path / "a.db")
    async with store_on(tmp_path / "a.db") as store:
        await store.start()
    change(tmp_path / "a.db", f"update call_events set format = {FORMAT + 1} where kind = 'transfer_ended'")
    async with store_on(tmp_path / "a.db") as store:
        call = await store.fetch("call_1")
        assert not call.has(TransferEnded)
        assert [
            event["outcome"] for event in description(call)["events"] if event["kind"] == "transfer_ended"
        ] == [
            "no_answer",
            "eaten by a bear",
        ]
