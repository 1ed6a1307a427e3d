"""Figures in README and docs are those of the code: time-outs, numbers of attempts, and what a call costs."""

import asyncio
import base64
import json
import os
import re
import sys
import time

import httpx
import pytest
import websockets

from calls import reconcile
from calls.clocks import LEEWAY_SECS
from calls.control import ACT_BUDGET_SECS, ANSWER_BUDGET_SECS
from calls.hang_up import HANG_UP_BUDGET_SECS, PAUSES_SECS
from calls.policy import DialPolicy
from calls.recordings import RECORD_BUDGET_SECS
from carriers import breaker
from carriers.carrier import DIAL_TIMEOUT_SECS, REQUEST_TIMEOUT_SECS
from carriers.checks import CHECK_TIMEOUT_SECS
from conversation.agents.agent import Agent
from conversation.handover import POLL_SECS, UNCERTAIN_SECS
from conversation.local.brain import FRAGMENT_SECS
from conversation.local.brain import PATIENCE_SECS as BRAIN_PATIENCE_SECS
from conversation.local.lone_words import LONGEST_SECS
from conversation.playout import OVERDUE_SECS
from conversation.turns.echo import ALIKE, SAME_SHARE, WINDOW_SECS
from conversation.turns.interrupting import (
    ANSWER_SECS,
    EARLY_SECS,
    ECHO_LOOK_SECS,
    LONG_SPEECH_SECS,
    NO_WORDS_SECS,
)
from conversation.turns.pausing import (
    COURTESY_SECS,
    DICTATING_SECS,
    GREETING_SECS,
    MAY_BE_WHOLE_SECS,
    OWN_WORDS_SECS,
    QUESTION_SECS,
    TELLING_SECS,
    UNFINISHED_SECS,
    WHOLE_SECS,
)
from conversation.turns.second_thoughts import LONGEST_SECS as SECOND_THOUGHTS_SECS
from conversation.turns.strategies import INCOMPLETE_TURN_SECS, PATIENCE_SECS
from desk import unknown_calls
from desk.tokens import LIFETIME_SECS
from serializers.handshake import START_SECS
from serializers.kept import KEPT_SECS
from serializers.transport import LEAD_SECS, LONGEST_HOLD_SECS
from server import listen
from settings import ROOT, settings_class
from tests.web_service import write_agents

PAGES = {
    path.name: " ".join(path.read_text(encoding="utf-8").split())
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
}
DEFAULTS = {name: field.get_default() for name, field in settings_class().model_fields.items()}
DEAD_AIR = Agent.model_fields["dead_air"].get_default(call_default_factory=True)
*EARLIER, LAST = PAUSES_SECS
TRIES, LAST_TRY = ", ".join(f"{secs:g}" for secs in breaker.PAUSES_SECS[:-1]), breaker.PAUSES_SECS[-1]


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (
            "call-control.md",
            f"hung up again, after {', '.join(f'{secs:g}' for secs in EARLIER)} and {LAST:g} s,",
        ),
        (
            "call-control.md",
            f"{OVERDUE_SECS:g} s after the time that the words take, the bot hangs up anyway",
        ),
        ("call-control.md", f"A REST request that fails is tried again for {HANG_UP_BUDGET_SECS:g} s;"),
        ("call-control.md", f"the stream ends within {UNCERTAIN_SECS:g} s: then it has worked"),
        ("call-control.md", f"about the colleague's leg every {POLL_SECS:g} s"),
        ("call-control.md", f"It has {DEFAULTS['caller_lookup_budget_ms']} ms (`CALLER_LOOKUP_BUDGET_MS`)"),
        ("call-control.md", f"filler_secs = {DEAD_AIR.filler_secs:g} "),
        ("call-control.md", f"way_on_secs = {DEAD_AIR.way_on_secs:g} "),
        ("call-control.md", f"fallback_secs = {DEAD_AIR.fallback_secs:g} "),
        ("call-control.md", f"`FIRST_AUDIO_SECS` ({DEFAULTS['first_audio_secs']:g})"),
        ("architecture.md", f"| the hang-up request | tried again for {HANG_UP_BUDGET_SECS:g} s,"),
        ("architecture.md", f"when the stream ends within {UNCERTAIN_SECS:g} s, it has worked"),
        ("architecture.md", f"closed after {START_SECS:g} s, one line in the log"),
        ("architecture.md", f"speech that goes on for {LONG_SPEECH_SECS:g} s"),
        ("architecture.md", f"Speech in the first {EARLY_SECS:g} s of an answer"),
        ("architecture.md", f"staying {LEAD_SECS * 1000:g} ms ahead of the playing"),
        ("conversation.md", f"| speech of {LONG_SPEECH_SECS:g} s without a pause"),
        ("conversation.md", f"| nothing, until {NO_WORDS_SECS:g} s after the sound ended"),
        ("conversation.md", f"a question of which at most {ANSWER_SECS:g} s is left"),
        ("conversation.md", f"sent ahead ({LEAD_SECS * 1000:g} ms) and the {KEPT_SECS:g} s before it"),
        ("conversation.md", f"No pause is longer than {LONGEST_HOLD_SECS:g} s,"),
        ("conversation.md", f"the last {WINDOW_SECS:g} s of the caller's sound"),
        ("conversation.md", f"From {ALIKE:g} on it is the bot's own voice"),
        ("conversation.md", f"looked at again every {ECHO_LOOK_SECS * 1000:g} ms"),
        ("conversation.md", f"whose letters are, to {SAME_SHARE * 100:g} %, those"),
        ("conversation.md", f"fewer than 7 digits | after {DICTATING_SECS:g} s of silence |"),
        ("conversation.md", f"| after {UNFINISHED_SECS:g} s | | a street and its number"),
        ("conversation.md", f"(English) | after {MAY_BE_WHOLE_SECS:g} s | | 7 to 9 digits, which"),
        ("conversation.md", f"| after {MAY_BE_WHOLE_SECS:g} s | | a courtesy"),
        ("conversation.md", f"| after {COURTESY_SECS:g} s | | a mere greeting"),
        ("conversation.md", f"| after {GREETING_SECS:g} s | | a short answer"),
        ("conversation.md", f"though the voice does not fall | after {QUESTION_SECS:g} s |"),
        ("conversation.md", f"a whole sentence, the same | after {WHOLE_SECS:g} s |"),
        ("conversation.md", f"in the caller's own words | after {OWN_WORDS_SECS:g} s at the earliest"),
        ("conversation.md", f"(English) | after {TELLING_SECS:g} s at the earliest"),
        ("conversation.md", f"when it was heard is waited for, {SECOND_THOUGHTS_SECS:g} s at most"),
        ("conversation.md", f"a sound of at most {LONGEST_SECS:g} s was understood"),
        ("conversation.md", f"did not understand only after {FRAGMENT_SECS:g} s of silence"),
        ("conversation.md", f"reads a message back after {BRAIN_PATIENCE_SECS:g} s"),
        ("conversation.md", f"after {INCOMPLETE_TURN_SECS:g} s of silence in any case"),
        ("conversation.md", f"give the caller {PATIENCE_SECS:g} s of silence"),
        ("reliability.md", f"| hang up | {REQUEST_TIMEOUT_SECS:g} s | always"),
        ("reliability.md", f"recordings, new documents, commands | {REQUEST_TIMEOUT_SECS:g} s |"),
        ("reliability.md", f"| {ACT_BUDGET_SECS:g} s (a recording's start: {RECORD_BUDGET_SECS:g} s), then"),
        (
            "reliability.md",
            f"`command_id` | {ANSWER_BUDGET_SECS:g} s, in which the caller hears that it rings",
        ),
        ("reliability.md", f"| a new call, or a colleague's | {DIAL_TIMEOUT_SECS:g} s |"),
        ("reliability.md", f"| lists of calls, numbers and applications | {CHECK_TIMEOUT_SECS:g} s |"),
        ("reliability.md", f"| {HANG_UP_BUDGET_SECS:g} s, then the media socket is closed;"),
        ("reliability.md", f"after {breaker.FAILURES} failures in a row within {breaker.WINDOW_SECS:g} s"),
        ("reliability.md", f"as a try, after {TRIES} and then every {LAST_TRY:g} s"),
        ("reliability.md", f"{reconcile.PROMISED_AFTER.total_seconds():g} s after the last one, asks"),
        ("reliability.md", f"{unknown_calls.FIRST_LOOK_SECS:g} s after the start and then every two minutes"),
        ("reliability.md", f"twice in looks {unknown_calls.AGAIN_SECS:g} s apart"),
        ("architecture.md", f"after {breaker.FAILURES} failures in a row requests fail at once"),
        ("deploy.md", f"one call, one socket, {LIFETIME_SECS // 60} minutes"),
        ("deploy.md", f"Their clocks may differ by {LEEWAY_SECS:g} s"),
        ("deploy.md", f"at most so often in 24 hours ({DEFAULTS['dial_max_per_number_per_day']})"),
        ("deploy.md", f"`DIAL_MAX_PER_HOUR` ({DEFAULTS['dial_max_per_hour']})"),
        ("deploy.md", f"`DIAL_MAX_AT_ONCE` ({DEFAULTS['dial_max_at_once']})"),
        ("deploy.md", f"`DIAL_MAX_MINUTES_PER_DAY` ({DEFAULTS['dial_max_minutes_per_day']})"),
    ],
)
def test_a_figure_is_that_of_the_code(page, sentence):
    assert sentence in PAGES[page]


@pytest.mark.parametrize("written", ["+12025550143", "2025550143", "202-555-0143", "(202) 555 0143"])
def test_a_number_may_be_written_as_people_write_it_where_it_is_called_from(written):
    assert DialPolicy().check(written, "+12025550100") == "+12025550143"
    said = "A number is E.164, or written as people write it in the country that is called from; it must be one that"
    assert said in PAGES["call-control.md"]
    assert "must be E.164" not in PAGES["call-control.md"]


CALLS, TALK_SECS = 3, 8
SILENCE = base64.b64encode(b"\xff" * 160).decode()


def cpu_secs(pid: int) -> float:
    fields = (open(f"/proc/{pid}/stat").read()).rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def caller(port: int, number: int, until: float) -> None:
    """A caller who listens, with a line that is never without sound."""
    ids = {"streamSid": f"MZ{number:032d}", "callSid": f"CA{number:032d}", "accountSid": "AC" + "1" * 32}
    start = {**ids, "tracks": ["inbound"], "customParameters": {}}
    start["mediaFormat"] = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    async with websockets.connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as line:

        async def listen_on() -> None:
            async for _ in line:
                pass

        ear = asyncio.create_task(listen_on())
        await line.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await line.send(
            json.dumps(
                {"event": "start", "sequenceNumber": "1", "streamSid": ids["streamSid"], "start": start}
            )
        )
        begun, chunk = time.monotonic(), 0
        while time.monotonic() < until:
            chunk += 1
            media = {
                "track": "inbound",
                "chunk": str(chunk),
                "timestamp": str(chunk * 20),
                "payload": SILENCE,
            }
            await line.send(
                json.dumps(
                    {
                        "event": "media",
                        "sequenceNumber": str(chunk + 1),
                        "streamSid": ids["streamSid"],
                        "media": media,
                    }
                )
            )
            await asyncio.sleep(max(0.0, begun + chunk * 0.02 - time.monotonic()))
        ear.cancel()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the time that a process took is read from /proc"
)
async def test_a_call_takes_about_as_much_of_a_core_as_is_said(tmp_path):
    said = re.search(r"a call takes about (\d+) % of a core.* up to (\d+) calls at once", PAGES["deploy.md"])
    assert said, "docs/deploy.md does not say how much of a core a call takes, and how many there may be"
    percent, calls = int(said[1]), int(said[2])
    assert 80 < percent * calls < 120, "one process uses one core: so many calls fit into it"
    write_agents(tmp_path / "agents")
    (tmp_path / "agents" / "broken.toml").unlink()
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.quick_bot", "--turns"),
        cwd=ROOT,
        env={
            **os.environ,
            "AGENTS_DIR": str(tmp_path / "agents"),
            "DATA_DIR": str(tmp_path / "data"),
            "PORT": str(port),
            "NGROK_API_URL": "http://127.0.0.1:9",
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(90), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    if (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.2)
        end = time.monotonic() + TALK_SECS + 2
        callers = [asyncio.create_task(caller(port, number, end)) for number in range(CALLS)]
        await asyncio.sleep(2)  # what a call takes at its beginning is another matter
        before, at = cpu_secs(process.pid), time.monotonic()
        await asyncio.gather(*callers)
        share = (cpu_secs(process.pid) - before) / (time.monotonic() - at) / CALLS
    finally:
        process.kill()
        await process.wait()
    # Of this machine's core, which may be a slower or a quicker one than that of the figure.
    assert percent / 4 < share * 100 < percent * 3
