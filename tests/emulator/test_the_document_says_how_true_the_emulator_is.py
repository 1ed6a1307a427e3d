"""docs/fidelity.md has a row for all that the emulator does: unknowns have calls, and numbers are the code's."""

import json
import re
import shlex
from dataclasses import dataclass

import pytest

from calls.events.reading import KINDS
from calls.recordings import IN_PROGRESS
from calls.transfer import TransferOutcome
from carriers.carrier import CALL_CONTROL, MARKUP
from carriers.reports import Direction
from emulator import facts
from emulator.carriers.telnyx.control.call_control import COMMAND_MEMORY_SECS
from emulator.carriers.telnyx.control.orders import COMMANDS
from emulator.carriers.telnyx.control.payloads import CAUSES
from emulator.carriers.telnyx.detection_words import GUIDE
from emulator.carriers.telnyx.dialect import Telnyx
from emulator.carriers.telnyx.rest import TelnyxRest
from emulator.carriers.telnyx.rest_texml import TexmlRest
from emulator.carriers.telnyx.retries import ANSWER_SECS, RETRIES_SECS
from emulator.carriers.telnyx.stream_messages import LONGEST_MESSAGE_MS, SHORTEST_MESSAGE_MS
from emulator.carriers.twilio.dialect import PARAMETER_LIMIT, REQUEST, SIP_CODES, Twilio
from emulator.carriers.twilio.rest import TwilioRest
from emulator.documents.languages import verbs, warnings
from emulator.documents.parsing import MAX_DOCUMENT_BYTES, parse_document
from emulator.field.field_calls import LONGEST, field_calls, value_of
from emulator.legs.leg import STATUSES
from emulator.legs.lists import LAG_SECS
from emulator.legs.recordings import SILENT_SECS
from emulator.legs.stream import CONNECT_SECS, OUTBOX_FRAMES
from emulator.line.impairments import REAL
from emulator.line.signals import KEY_GAP_MS, KEY_MS
from emulator.markup.connect import RECONNECT_ATTEMPTS
from emulator.markup.verbs import handlers
from emulator.network import GIVES_UP_SECS
from settings import ROOT

PAGE = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
KNOWN = ("unknown", "observed", "contradictory", "documented")
REST = (TwilioRest(None, None), TelnyxRest(None, None), TexmlRest(None, None, None))
REST_ROUTES = [route for one in REST for route in one.routes()]
CALLS = {call.name: call for call in field_calls()}
SECTIONS = {"tw": "Twilio", "xml": "Telnyx TeXML", "cc": "Telnyx Call Control", "pcc": "Pipecat Cloud"}


@dataclass(frozen=True)
class Row:
    section: str
    name: str
    does: str
    known: str
    source: str
    trial: str


def read_rows() -> list[Row]:
    found, section = [], ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section = line[3:]
        if line.startswith("| `") and section in SECTIONS.values():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            assert len(cells) == 5, line
            name, *rest = cells
            found.append(Row(section, name.strip("`"), *rest))
    return found


ROWS = read_rows()
BY_NAME = {row.name: row for row in ROWS}


def test_each_carrier_has_a_table_whose_unknowns_come_first():
    for prefix, section in SECTIONS.items():
        rows = [row for row in ROWS if row.section == section]
        assert len(rows) > 5
        assert [row.name for row in rows if not row.name.startswith(f"{prefix}-")] == []
        assert [row.name for row in rows if row.known not in KNOWN] == []
        order = [KNOWN.index(row.known) for row in rows]
        assert order == sorted(order), section
    assert len(BY_NAME) == len(ROWS)


def test_every_row_says_what_is_done_and_where_that_is_from():
    assert [row.name for row in ROWS if not (row.does and row.source and row.trial)] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_is_unknown_names_a_call_or_says_why_none_settles_it(row):
    call = re.fullmatch(r"`([a-z-]+)`", row.trial)
    if call:
        assert row.name in CALLS[call[1]].rows
    elif row.known == "unknown":
        assert re.fullmatch(r"none: .{10,}", row.trial), row
    else:
        assert row.trial == "-"


def test_there_are_ten_calls_and_each_settles_something():
    assert len(CALLS) == 10
    for call in CALLS.values():
        assert call.rows
        assert [row for row in call.rows if row not in BY_NAME] == []
        # Confirming what is documented is welcome, but no reason for a call.
        assert any(BY_NAME[row].known != "documented" for row in call.rows)
        assert call.set_up and call.do and call.watch


def test_the_list_of_what_to_try_first_is_that_of_the_calls():
    table = PAGE.partition("\n## Try first\n")[2].partition("\n## ")[0]
    listed = [re.findall(r"`([a-z0-9-]+)`", line) for line in table.splitlines() if line.startswith("| `")]
    assert listed == [[call.name, *call.rows] for call in CALLS.values()]


def test_a_row_whose_call_is_named_elsewhere_is_in_its_own_table():
    """A row may be settled by several calls; its cell names one of them."""
    for call in CALLS.values():
        for row in call.rows:
            assert BY_NAME[row].trial.startswith("`"), f"{call.name} settles {row}, which does not say so"


# What is asked


QUESTIONS = [(call, question) for call in CALLS.values() for question in call.questions]


@pytest.mark.parametrize(("call", "question"), QUESTIONS, ids=lambda one: one.name)
def test_a_question_has_an_assumption_among_its_answers(call, question):
    assert bool(question.words) != bool(question.unit)
    assert question.assumed
    if question.words:
        assert set(question.assumed) < set(question.words)
        assert [word for word in question.words if word != word.lower() or " / " in word] == []
    else:
        least, most = question.assumed
        assert 0 <= least <= most < LONGEST
    assert len({one.name for one in call.questions}) == len(call.questions)


def test_what_is_to_be_changed_is_there():
    """Files that are named exist, and so do the constants and keys of stories that are named with them."""
    stories = (ROOT / "docs" / "stories.md").read_text(encoding="utf-8")
    code = {path: path.read_text(encoding="utf-8") for path in (ROOT / "emulator").rglob("*.py")}
    for _, question in QUESTIONS:
        for name in re.findall(r"\b(?:emulator|docs)/\S+?\.(?:py|toml|md)", question.change):
            assert (ROOT / name).is_file(), question.change
        for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", question.change):
            assert any(re.search(rf"^{name}\b", text, re.MULTILINE) for text in code.values()), name
        for key in re.findall(r"story keys? `(\w+)", question.change):
            assert f"`{key}`" in stories or f"{key}:" in stories, key


def test_what_is_assumed_is_what_the_emulator_does():
    assumed = {(call.name, question.name): question.assumed for call, question in QUESTIONS}
    assert assumed["texml-in", "get-signed"] == ("yes" if Telnyx.signs_instructions else "no",)
    assert assumed["texml-bin", "connect-action"] == ("yes" if Telnyx.connect_action else "no",)
    assert assumed["texml-bin", "reconnect-broken"] == (RECONNECT_ATTEMPTS, RECONNECT_ATTEMPTS)
    assert assumed["twilio-in", "rest"] == REAL.rest
    assert assumed["texml-in", "list"] == assumed["twilio-transfer", "list"] == LAG_SECS
    assert assumed["texml-in", "recording-begins"] == assumed["control-in", "recording-begins"] == SILENT_SECS
    attempts = 1 + len(RETRIES_SECS)
    assert assumed["control-in", "retries"] == (attempts, attempts)
    assert assumed["control-transfer", "declined"] == (CAUSES["declined"].cause,)
    assert assumed["texml-out", "machine-word"] == (GUIDE["machine"],)
    for call in ("texml-in", "twilio-transfer", "twilio-out"):
        assert assumed[call, "declined"] == (STATUSES["declined"],)
    # The seam that others have measured, and ours.
    least, most = assumed["twilio-in", "key-seam"]
    assert least < REAL.verb * 2 + (KEY_MS + KEY_GAP_MS) / 1000 + REAL.audio < most


COPIED = [
    (call.name, line.removeprefix("$ "))
    for call in CALLS.values()
    for step in (*call.set_up, *call.do)
    for line in step.splitlines()
    if line.startswith("$ ")
]


@pytest.mark.parametrize(("call", "text"), COPIED)
def test_what_is_to_be_copied_is_what_the_carriers_take(call, text):
    """Requests, documents: as documented, but for the one that is to be refused."""
    if text.startswith("<"):
        language = "texml" if call.startswith("texml") else "twiml"
        document = parse_document(text.encode(), verbs(language), url="https://bot.example.com")
        expected = ["TeXML <Connect> has no attribute action"] if language == "texml" else []
        assert warnings(document, language) == expected
        return
    words = shlex.split(text)
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words and "{" in text else None
    action = re.search(r"\$A/(\w+)", text)
    if action:
        assert COMMANDS[action[1]].violation(body, as_text=False) is None
        assert COMMANDS[action[1]].unknown(body) == []
    elif "api.telnyx.com/v2/texml" in text and body:
        # A form is documented: this is the question.
        assert facts.requests("telnyx_texml_rest")["update_call"].violation(body, as_text=True) is None
    for address in re.findall(r"https://api\.(?:twilio|telnyx)\.com(/[^\s\"?]+)", text):
        routes = [route.path for route in REST_ROUTES]
        known = [re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route)) for route in routes]
        assert any(re.match(one + "$", address.replace("/ID/actions;", "/ID/actions/x")) for one in known), (
            address
        )


def test_facts_of_the_questions_are_constants_of_the_emulator():
    named = [question.fact for _, question in QUESTIONS if question.fact]
    assert len(named) > 8
    for fact in named:
        assert fact.startswith("emulator.")
        assert isinstance(value_of(fact), bool | int | float | tuple)


def test_the_log_of_the_server_has_what_is_read_from_it():
    """The emulator knows nothing of the product; so this is where the two are held together."""
    kinds = set()
    for call, question in QUESTIONS:
        assert set(call.log) <= {"carrier", "mode", "direction"}
        assert call.log.get("direction", "inbound") in set(Direction)
        assert call.log.get("mode", MARKUP) in (MARKUP, CALL_CONTROL)
        if question.evidence is None:
            continue
        assert call.log
        evidence = question.evidence
        kinds |= {one for one in (evidence.begin, evidence.end, evidence.last, evidence.count) if one}
        if evidence.last == "transfer_ended":
            assert evidence.key == "outcome"
            assert set(question.words) <= set(TransferOutcome)
        if evidence.end == "recording":
            assert evidence.where == {"state": IN_PROGRESS}
    assert kinds
    assert kinds <= set(KINDS)


# Numbers


def types(table: str) -> dict:
    return facts.read(table)["types"]


def limit(table: str, name: str) -> str:
    least, most = (types(table)[name][end] for end in ("least", "most"))
    return f"{least:,} to {most:,}"


def ms(secs: float) -> str:
    return f"{secs * 1000:.0f}"


NUMBERS = [
    ("tw-rest-time", f"{ms(REAL.rest[0])} to {ms(REAL.rest[1])} ms"),
    ("tw-rest-time", f"a webhook {ms(REAL.webhook[0])} to {ms(REAL.webhook[1])} ms"),
    ("tw-key-tones", f"for {KEY_MS} ms, with {KEY_GAP_MS} ms behind it"),
    *((f"{carrier}-list-lag", f"{LAG_SECS[0]:g} to {LAG_SECS[1]:g} s old") for carrier in ("tw", "xml")),
    ("tw-fall-through", f"{ms(REAL.verb)} ms"),
    ("tw-handshake", f"within {CONNECT_SECS:g} s"),
    ("tw-url-limit", f"{types('twilio_rest')['url']['longest']:,} characters"),
    ("tw-loss", f"{REAL.loss:.0%}".replace("%", " %")),
    ("tw-stop", {0.5: "half of the streams"}[REAL.without_stop]),
    (
        "tw-sip-codes",
        f"busy {SIP_CODES['busy']}, declined {SIP_CODES['declined']}, no answer {SIP_CODES['no_answer']}",
    ),
    ("tw-cold", f"{ms(REAL.cold)} ms after its document, and has audio {ms(REAL.cold_audio)} ms later"),
    ("xml-cold", f"{ms(REAL.cold)} ms after its document"),
    ("tw-gaps", f"{ms(REAL.burst)} ms"),
    ("tw-ear", f"{ms(REAL.ear)} ms"),
    ("tw-parameter", f"less than {PARAMETER_LIMIT} characters"),
    (
        "tw-document",
        f"{MAX_DOCUMENT_BYTES // 1024} kB, {REQUEST.redirects} redirects, {REQUEST.total_secs:g} s",
    ),
    ("tw-delivery", f"{REQUEST.connect_secs:g} s for it, {REQUEST.total_secs:g} s in all"),
    ("xml-callback-retries", f"within {ANSWER_SECS:g} s is sent again {len(RETRIES_SECS)} times"),
    ("tw-dial", f"{limit('twiml', 'ring_secs')} s, and {Twilio.dial_rules.buffer_secs:g} s more"),
    ("tw-ring-time", f"Timeout is {limit('twilio_rest', 'ring_secs')} s"),
    ("tw-ring-time", f"{types('twilio_rest')['twiml']['longest']:,} characters of Twiml"),
    ("tw-ring-time", f"{re.findall(r',([0-9]+)', types('twilio_rest')['keys']['pattern'])[0]} SendDigits"),
    ("tw-unread", {500: "after ten seconds"}[OUTBOX_FRAMES]),
    ("xml-record-window", f"{SILENT_SECS[0]:g} to {SILENT_SECS[1]:g} s"),
    ("cc-record-window", f"{SILENT_SECS[0]:g} to {SILENT_SECS[1]:g} s"),
    ("xml-reconnect-broken", f"{RECONNECT_ATTEMPTS} times"),
    ("xml-noise", f"{REAL.noise_db:g} dB"),
    ("xml-order", f"{REAL.reorder:.0%}".replace("%", " %")),
    ("xml-time-limit", f"{limit('telnyx_texml_rest', 'limit_secs')} s"),
    ("xml-time-limit", limit("texml", "limit_secs")),
    ("xml-dial", f"{limit('texml', 'ring_secs')} s"),
    ("xml-mode", f"{SHORTEST_MESSAGE_MS} ms to {LONGEST_MESSAGE_MS // 1000} s"),
    ("xml-url-limit", f"{types('telnyx_texml_rest')['url']['longest']:,} characters"),
    ("cc-time-limit", limit("telnyx_call_control", "limit_secs")),
    (
        "cc-ring-time",
        f"{limit('telnyx_call_control', 'ring_secs')}, a key {limit('telnyx_call_control', 'key_ms')} ms",
    ),
    ("cc-client-state", f"{types('telnyx_call_control')['state']['longest']:,} characters"),
    ("cc-command-id", f"{COMMAND_MEMORY_SECS:g} s"),
    ("cc-not-commanded", f"{GIVES_UP_SECS:g} s"),
    (
        "cc-retries",
        f"{len(RETRIES_SECS)} times, after {RETRIES_SECS[0]:g}, {RETRIES_SECS[1]:g} and {RETRIES_SECS[2]:g} s",
    ),
    ("cc-events", f"{ANSWER_SECS:g} s for an answer"),
    (
        "cc-causes",
        f"declined {CAUSES['declined'].cause}, busy {CAUSES['busy'].cause}, no answer {CAUSES['no_answer'].cause}",
    ),
    ("pcc-cold", f"{CONNECT_SECS:g} s"),
]


@pytest.mark.parametrize(("row", "words"), NUMBERS)
def test_a_number_of_a_row_is_that_of_the_code(row, words):
    assert re.search(rf"(?<![\d,.]){re.escape(words)}", BY_NAME[row].does + " " + BY_NAME[row].source), (
        BY_NAME[row]
    )


def test_modules_that_are_named_exist():
    for row in ROWS:
        for name in re.findall(r"`((?:\w+/)*\w+\.(?:py|toml))`", row.source):
            assert (ROOT / "emulator" / name).is_file() or (ROOT / name).is_file() or name == "app.py", name


def test_verbs_that_are_said_not_to_be_emulated_are_verbs_that_nothing_carries_out():
    said = set(re.findall(r"`<(\w+)>`", PAGE.partition("## Not emulated")[2])) - {
        "Play",
        "Connect",
        "Gather",
        "Stream",
    }
    assert len(said) > 5
    assert said <= Twilio.known_verbs | Telnyx.known_verbs
    assert said & {*handlers(), "Say", "Pause", "Hangup", "Redirect", "Reject"} == set()
