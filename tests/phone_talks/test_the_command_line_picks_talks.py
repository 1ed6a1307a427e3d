"""What stands on the command line decides which talks are played; what cannot be played is one line with a fix."""

import pytest

from talks.__main__ import main

TALKS = """
- {name: one, quick: true, carrier: both, turns: [{say: Hello}]}
- {name: two, brain: both, turns: [{say: "Hi, <0.5> hello"}]}
- {name: three, quick: true, brain: both, turns: [{say: Hello}]}
"""


@pytest.fixture
def data(tmp_path):
    (tmp_path / "some.yaml").write_text(TALKS, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "options, calls",
    [
        ([], 6),
        (["--quick"], 3),
        (["--brain", "model"], 2),
        (["--carrier", "telnyx"], 3),
        (["--only", "two"], 2),
        (["--only", "some"], 6),
        (["--only", "TWILIO"], 3),
    ],
)
def test_talks_are_picked(data, capsys, options, calls):
    assert main(["--check", "--data", str(data), *options]) == 0
    assert capsys.readouterr().out.startswith(f"3 talks, {calls} calls, 3 lines to be spoken")


@pytest.mark.parametrize(
    "text, options, said",
    [
        (TALKS, ["--only", "four"], "no talk is like that"),
        (TALKS.replace("Hello", "Nobody said this yet"), ["--only", "one"], "make talks-voices"),
        (TALKS.replace("quick", "quik"), [], "did you mean 'quick'?"),
        (TALKS.replace("brain: both", "agent: nobody"), [], "there is no agent 'nobody'"),
    ],
)
def test_what_cannot_be_played_is_told(data, capsys, monkeypatch, text, options, said):
    monkeypatch.setattr("talks.stage.staged", None)  # no server is started for it
    (data / "some.yaml").write_text(text, encoding="utf-8")
    assert main(["--data", str(data), *options]) == 2
    assert said in capsys.readouterr().err
