"""`phonebot agent voice` tells which lines of a hosted voice are kept, has it speak the rest, and throws all away."""

import asyncio

import pytest

from commands.voice import show_voice
from tests import fake_services as fake
from tests.fake_services import endpoint

AGENT = """
greeting = "Hello, this is {{ business }}."
instructions = "Be kind."
[variables]
business = "the workshop"
[services]
tts = "{tts}"
"""


@pytest.fixture
def desk(monkeypatch, tmp_path):
    monkeypatch.setenv("AGENTS_DIR", str(tmp_path))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VOICE_CACHE_MB", "4")
    monkeypatch.setenv("FIRST_AUDIO_SECS", "6")

    def write(tts):
        (tmp_path / "desk.toml").write_text(AGENT.replace("{tts}", tts))

    write("openai")
    return write


async def shown(**how):
    return await asyncio.to_thread(lambda: show_voice("desk", **{"fill": False, "clear": False} | how))


async def test_what_is_missing_is_spoken_once_and_thrown_away_on_request(monkeypatch, desk, capsys):
    async with endpoint(fake.audio(0.3)) as service:
        monkeypatch.setenv("OPENAI_BASE_URL", service.url)
        assert await shown() == 1
        before = capsys.readouterr().out.splitlines()
        assert before[0] == " missing  Hello, this is the workshop."
        assert all(line.startswith(" missing") for line in before)
        assert await shown(fill=True) == 0
        after = capsys.readouterr().out.splitlines()
        assert after[0] == "   0.3 s  Hello, this is the workshop."
        assert len(service.requests) == len(after) == len(before)
        assert await shown() == 0
        assert len(service.requests) == len(before), "looking asks nobody"
        capsys.readouterr()
        assert await shown(clear=True) == 1
        assert capsys.readouterr().out.splitlines()[0] == f"{len(before)} lines are thrown away"


async def test_a_voice_that_fails_is_told_in_one_line(monkeypatch, desk, capsys):
    async with endpoint(fake.status(401)) as service:
        monkeypatch.setenv("OPENAI_BASE_URL", service.url)
        assert await shown(fill=True) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_what_keeps_nothing_says_why(desk, monkeypatch, capsys):
    desk("local")
    assert await shown() == 2
    assert "local voice" in capsys.readouterr().err
    desk("openai")
    assert await shown() == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("VOICE_CACHE_MB", "0")
    assert await shown() == 2
    assert "VOICE_CACHE_MB" in capsys.readouterr().err
