"""`python -m emulator.field` leads through ten calls, loses no answer, and says what is otherwise than assumed."""

import asyncio
import os
import signal
import sys
import tomllib
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from calls.events.lifecycle import DigitsSent, RecordingChanged, TransferEnded
from calls.events.talk import Attached
from calls.states import CallState
from calls.store import CallStore
from calls.transfer import TransferOutcome
from emulator.field.answer_file import as_text, read_answers, without_secrets
from emulator.field.field_calls import field_calls
from settings import ROOT
from tests.web_service import running

CALLS = field_calls()
TWILIO_IN = CALLS[0]
KEY = "the key of a test"


@asynccontextmanager
async def started(*arguments, cwd, **environment):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "emulator.field", *arguments),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # As at a terminal: what a shell starts in the background ignores Ctrl-C, and so would all that it starts.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def field(*arguments, lines=(), cwd, **environment):
    """Run it; what is typed are `lines`, after which the input ends."""
    async with started(*arguments, cwd=cwd, **environment) as process:
        typed = "".join(f"{line}\n" for line in lines).encode()
        async with asyncio.timeout(60):
            out, err = await process.communicate(typed)
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode(), err.decode()


def right(question):
    """An answer that is as assumed."""
    return question.assumed[0] if question.words else f"{question.assumed[1]:g}"


def wrong(question):
    if question.words:
        return next(word for word in question.words if word not in question.assumed)
    return f"{question.assumed[1] + 100:g}"


def lines_for(call, answer=right):
    return ["", *(answer(question) for question in call.questions)]


def section(report, name):
    return report.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def report_of(folder):
    return (folder / "data" / "field-report.md").read_text(encoding="utf-8")


async def test_all_as_assumed(tmp_path):
    lines = [line for call in CALLS for line in lines_for(call)]
    status, out, err = await field(lines=lines, cwd=tmp_path)
    assert (status, err) == (0, "")
    for number, call in enumerate(CALLS, start=1):
        assert f"Call {number} of 10: {call.name}" in out
    count = sum(len(call.questions) for call in CALLS)
    assert f"0 otherwise, {count} as assumed, 0 not tried" in out
    report = report_of(tmp_path)
    assert not section(report, "Otherwise")
    assert not section(report, "Not tried")
    for call in CALLS:
        assert all(row in section(report, "As assumed") for row in call.rows)


async def test_what_is_otherwise_is_told_with_what_to_change(tmp_path):
    key, *others = TWILIO_IN.questions[2:3] + TWILIO_IN.questions[:2]
    lines = ["", "", "99", "No", *("-" for _ in TWILIO_IN.questions[3:])]
    status, out, _ = await field("--only", "twilio-in", lines=lines, cwd=tmp_path)
    assert status == 1
    assert "2 otherwise, 0 as assumed" in out
    otherwise = section(report_of(tmp_path), "Otherwise")
    assert f"| {key.rows[0]} | twilio-in |" in otherwise
    assert f"| no | yes | {key.change} |" in otherwise
    assert f"| 99 s | 0.5 to 1.6 s | {others[1].change} |" in otherwise
    assert others[0].ask in section(report_of(tmp_path), "Not tried")


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_question_can_be_otherwise_and_as_assumed(call):
    for question in call.questions:
        assert question.is_as_assumed(question.read(right(question)))
        assert not question.is_as_assumed(question.read(wrong(question)))
        if question.words:
            assert not question.is_as_assumed(question.read("other: something else"))


async def test_an_answer_that_is_none_is_asked_for_again(tmp_path):
    lines = ["", "soon", "-3", "0.4 s", "q"]
    status, out, err = await field("--only", "twilio-in", lines=lines, cwd=tmp_path)
    assert status == 130
    assert out.count("That must be a number of s, 0 to 3600") == 2
    assert "Stopped. The answers so far are in data/field-answers.toml" in err
    assert tomllib.loads((tmp_path / "data/field-answers.toml").read_text())["twilio-in"] == {
        "first-stream": 0.4
    }


async def test_a_call_can_be_skipped(tmp_path):
    status, out, _ = await field(lines=["s"] * len(CALLS), cwd=tmp_path)
    assert status == 0
    assert "0 otherwise, 0 as assumed" in out


async def test_control_c_leaves_the_answers_and_the_next_time_goes_on_from_there(tmp_path):
    async with started(cwd=tmp_path) as process:
        process.stdin.write(b"\n0.4\n1.1\n")
        await process.stdin.drain()
        async with asyncio.timeout(60):
            seen = ""
            while "[tw-key-tones]" not in seen or not seen.endswith("> "):
                seen += (await process.stdout.readexactly(1)).decode(errors="replace")
        async with asyncio.timeout(30):
            ended = asyncio.create_task(process.wait())
            while not ended.done():  # a signal between the prompt and the reading interrupts nothing yet
                process.send_signal(signal.SIGINT)
                await asyncio.wait([ended], timeout=3)
            err = await process.stderr.read()
    assert process.returncode == 130
    assert b"Stopped." in err
    assert b"Traceback" not in err
    rest = ["", *(right(question) for question in TWILIO_IN.questions[2:]), "q"]
    status, out, _ = await field(lines=rest, cwd=tmp_path)
    assert status == 130
    assert "[tw-cold]" not in out
    assert "[tw-key-tones]" in out
    kept = read_answers(tmp_path / "data/field-answers.toml", CALLS)
    assert kept["twilio-in", "first-stream"] == 0.4
    assert kept["twilio-in", "key-seam"] == 1.1
    assert len(kept) == len(TWILIO_IN.questions)
    _, out, _ = await field(lines=["q"], cwd=tmp_path)
    assert "Call 1 of 10: twilio-in was answered before" in out


async def test_a_call_that_is_named_is_asked_about_again_and_enter_keeps_what_was_said(tmp_path):
    await field("--only", "twilio-bin", lines=lines_for(CALLS[5]), cwd=tmp_path)
    before = read_answers(tmp_path / "data/field-answers.toml", CALLS)
    changed = ["", "no", *("" for _ in CALLS[5].questions[1:])]
    status, out, _ = await field("--only", "twilio-bin", lines=changed, cwd=tmp_path)
    assert status == 1
    assert "(Enter: yes, as before)" in out
    after = read_answers(tmp_path / "data/field-answers.toml", CALLS)
    assert after == before | {("twilio-bin", "upgrade-signature"): "no"}


# Without a terminal


async def test_a_file_of_answers_is_filled_in_and_reported_on(tmp_path):
    status, template, _ = await field("--template", cwd=tmp_path)
    assert status == 0
    assert read_answers_of(template, tmp_path) == {}
    answers = {
        (call.name, question.name): question.read(right(question))
        for call in CALLS
        for question in call.questions
    }
    assert read_answers_of(as_text(answers, CALLS), tmp_path) == answers
    filled = template.replace('# key-heard = "yes / no"', 'key-heard = "other: one of 300 ms"').replace(
        "# rest = 0  # s", "rest = 0.2"
    )
    assert filled.count("\n# ") == template.count("\n# ") - 2
    (tmp_path / "mine.toml").write_text(filled, encoding="utf-8")
    status, out, _ = await field("--read", "--answers", "mine.toml", "--report", "r.md", cwd=tmp_path)
    assert status == 1
    assert "1 otherwise, 1 as assumed" in out
    report = (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "| one of 300 ms | yes |" in section(report, "Otherwise")
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == filled
    assert "Set up" not in out


def read_answers_of(text, folder):
    path = folder / "answers-of-a-test.toml"
    path.write_text(text, encoding="utf-8")
    return read_answers(path, CALLS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[twilio-in]\nkey-heard = yes", "is not TOML"),
        ("[twilio-in]\nkey-heard = 'perhaps'", "must be one of yes, no, or `other: `"),
        ("[twilio-in]\nkey-heard = 'other:'", "must be one of yes, no"),
        ("[twilio-in]\nkey-heard = true", "must be one of yes, no"),
        ("[twilio-in]\nrest = 'quick'", "must be a number of s"),
        ("[twilio-in]\nrest = nan", "must be a number of s"),
        ("[twilio-in]\nrest = true", "must be a number of s"),
        ("[twilio-in]\nrest = 4155550100", "must be a number of s, 0 to 3600"),
        ("[twilio-in]\nears = 2", "ears is none of its questions: first-stream, key-seam"),
        ("[twilio]\nrest = 1", "[twilio] is none of the calls: there are twilio-in, texml-in"),
        ("twilio-in = 1", "[twilio-in] is none of the calls"),
        ("rest = \xff", "not TOML"),
    ],
)
async def test_a_mistake_in_a_file_of_answers_is_told_with_its_fix(tmp_path, text, said):
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    status, out, err = await field("--read", "--answers", "mine.toml", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert said in err
    assert not (tmp_path / "data").exists()


async def test_every_mistake_is_told_at_once(tmp_path):
    (tmp_path / "mine.toml").write_text("[twilio-in]\nrest = -1\nkey-heard = 'maybe'\n[nobody]\n")
    _, _, err = await field("--read", "--answers", "mine.toml", cwd=tmp_path)
    assert err.count("mine.toml: ") == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nothing"], "there are twilio-in, texml-in"),
        (["--read"], "there is no file data/field-answers.toml: --template prints one"),
        (["--server", "127.0.0.1:7860"], "--server must be an http(s) address"),
        (["--server", "http://127.0.0.1:7860"], "in the variable EMULATOR_API_KEY"),
        (["--answers", "/dev/null/a.toml"], "cannot be"),
    ],
)
async def test_what_cannot_be_done_is_one_line(tmp_path, arguments, said):
    status, _, err = await field(*arguments, cwd=tmp_path, EMULATOR_API_KEY="")
    assert status == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


async def test_help_and_the_list_say_all_of_it(tmp_path):
    status, out, _ = await field("--help", cwd=tmp_path)
    assert status == 0
    assert "exit status: 0 all that was tried is as assumed, 1" in out
    status, out, _ = await field("--list", cwd=tmp_path)
    assert status == 0
    for call in CALLS:
        assert call.title.split(":")[0] in " ".join(out.split())
        for row in call.rows:
            assert row in out
    status, out, _ = await field("--list", "--only", "twilio", cwd=tmp_path)
    assert out.count("  Needs: ") == 4
    assert not (tmp_path / "data").exists()


# What may not be in it


@pytest.mark.parametrize(
    "secret",
    [
        "+12025550143",
        "(202) 555-0143",
        "202.555.0143",
        "+44 20 7946 0123",
        "sip:desk@pbx.example.com",
        "https://bot.example.com/telnyx/voice/abc",
        "AC0123456789abcdef0123456789abcdef",
        "KEY0199_abcdefghijklmnop",
        "v3:pZ6mJ0d4qkA8yq3Yc2mXbGvQ",
        "abcdefghijklmnopqrstuvwxyzabcd",
    ],
)
async def test_no_number_and_no_secret_is_kept(tmp_path, secret):
    assert without_secrets(f"it said {secret} twice") == "it said … twice"
    lines = ["", "", "", f"other: it said {secret}", *("-" for _ in TWILIO_IN.questions[3:])]
    await field("--only", "twilio-in", lines=lines, cwd=tmp_path)
    for path in (tmp_path / "data").iterdir():
        assert secret not in path.read_text(encoding="utf-8")
    assert "it said …" in report_of(tmp_path)


def test_codes_of_errors_are_kept():
    assert (
        without_secrets("404 with 20404, then 31920 after 2.5 s") == "404 with 20404, then 31920 after 2.5 s"
    )
    assert without_secrets("call.hangup said normal_clearing") == "call.hangup said normal_clearing"


def test_a_note_cannot_make_a_line_or_a_column_of_its_own(tmp_path):
    answers = read_answers_of('[twilio-in]\nkey-heard = "other: a\\n| b\\u0007 |"', tmp_path)
    assert answers == {("twilio-in", "key-heard"): "other: a | b |"}


# What the bot's own server knows


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)

    def __call__(self):
        return self.now

    def later(self, secs):
        self.now += timedelta(seconds=secs)


async def test_the_servers_log_answers_what_it_can(tmp_path):
    clock = Clock()
    store = CallStore(clock=clock)
    other = store.open(carrier="telnyx", carrier_call_id="v3:1", from_number="+12025550143")
    call = store.open(
        carrier="twilio", carrier_call_id="CA1", from_number="+12025550143", to_number="+12025550100"
    )
    call.move(CallState.RINGING, cause="test")
    call.move(CallState.IN_PROGRESS, cause="test")
    clock.later(0.41)
    call.record(Attached(stream_id="MZ1"))
    clock.later(8)
    call.record(DigitsSent(count=1))
    clock.later(1.23)
    call.record(Attached(stream_id="MZ2"))
    call.move(CallState.COMPLETED, cause="test")
    clock.later(9)
    later = store.open(carrier="telnyx", carrier_call_id="v3:2", from_number="+12025550144")
    assert other.id != later.id
    async with running(tmp_path, store=store, api_key=KEY) as service:
        lines = ["", "", "", *("-" for _ in TWILIO_IN.questions[2:])]
        status, out, _ = await field(
            "--server", service.url, "--only", "twilio-in", lines=lines, cwd=tmp_path, EMULATOR_API_KEY=KEY
        )
    assert status == 0
    assert "The server's newest call of this kind: 2026-11-26T12:00:00, inbound, completed." in out
    assert "(Enter: 0.41, as the server says)" in out
    assert "(Enter: 1.23, as the server says)" in out
    assert "2 as assumed" in out
    assert "555" not in out + (tmp_path / "data/field-answers.toml").read_text() + report_of(tmp_path)


async def test_the_log_tells_of_transfers_and_recordings(tmp_path):
    clock = Clock()
    store = CallStore(clock=clock)
    call = store.open(carrier="telnyx", carrier_call_id="v3:1")
    call.move(CallState.RINGING, cause="test")
    call.move(CallState.IN_PROGRESS, cause="test")
    call.record(Attached(stream_id="s1"))
    call.record(RecordingChanged(state="failed", recording_id=None))
    clock.later(2.5)
    call.record(RecordingChanged(state="in_progress", recording_id="1"))
    call.record(TransferEnded(outcome=TransferOutcome.NO_ANSWER, destination="desk"))
    call.record(TransferEnded(outcome=TransferOutcome.BUSY, destination="desk"))
    async with running(tmp_path, store=store, api_key=KEY) as service:
        texml = CALLS[1]
        lines = ["", *("" if question.evidence else "-" for question in texml.questions)]
        status, out, _ = await field(
            "--server", service.url, "--api-key", KEY, "--only", "texml-in", lines=lines, cwd=tmp_path
        )
    answers = read_answers(tmp_path / "data/field-answers.toml", CALLS)
    assert answers["texml-in", "recording-begins"] == 2.5
    assert answers["texml-in", "declined"] == "busy"
    assert status == 1  # the first stream was there at once, which is otherwise
    assert "(Enter: busy, as the server says)" in out


@pytest.mark.parametrize(
    ("key", "said"),
    [(KEY, "the server knows of no such call"), ("another", "the server refuses the key")],
)
async def test_a_server_that_does_not_tell_is_no_obstacle(tmp_path, key, said):
    async with running(tmp_path, api_key=KEY) as service:
        status, out, err = await field(
            *("--server", service.url, "--only", "twilio-in"),
            lines=lines_for(TWILIO_IN),
            cwd=tmp_path,
            EMULATOR_API_KEY=key,
        )
        gone = service.url
    assert (status, err) == (0, "")
    assert said in out
    assert key not in out
    status, out, _ = await field(
        *("--server", gone, "--only", "texml-bin"),
        lines=lines_for(CALLS[4]),
        cwd=tmp_path,
        EMULATOR_API_KEY=KEY,
    )
    assert status == 0  # texml-bin has nothing in the log, so nobody is asked
    status, out, _ = await field(
        *("--server", gone, "--only", "control-in"),
        lines=lines_for(CALLS[8]),
        cwd=tmp_path,
        EMULATOR_API_KEY=KEY,
    )
    assert status == 0
    assert "the server does not answer: is it running" in out
