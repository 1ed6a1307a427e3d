"""No word of a caller's, no key and no number is in any log, at any level, in any sink: unless one setting says so."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from loguru import logger
from pipecat.utils.errors import ErrorCategory

from conversation.private_log import keep_words_out, masked, printable
from emulator import Digits
from tests.talking_bot import Beeps, talking

PIN = "471182"
FRUIT, PLACE, NAME = "Kumquat", "Zanzibar", "Quetzalcoatl"
SECRETS = (PIN, FRUIT, PLACE, NAME, "2025550143", "2025550100")


@pytest.fixture
def log():
    """All that a host's own sinks get: one of loguru's that prints variables, and one of the standard library's."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level=0, backtrace=True, diagnose=True)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler, root = Handler(0), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(0)
    yield lines
    root.removeHandler(handler)
    root.setLevel(before)
    logger.remove(sink)
    keep_words_out(words_allowed=True)


class Voiceless(Beeps):
    """A voice that fails, with the text in its error."""

    async def run_tts(self, text: str, context_id: str):
        if FRUIT in text:
            raise RuntimeError(f"the voice cannot speak {text!r}")
        async for frame in super().run_tts(text, context_id):
            yield frame


def answers(words: str):
    if PIN in words:
        return [
            f"I have a {FRUIT} for you.",
            ("take_message", {"caller_name": NAME, "message": f"Go to {PLACE}."}),
        ]
    if "9" in words:
        raise ValueError(f"the model's prompt was: {FRUIT} {words}")
    if "8" in words:
        return [ErrorCategory.SERVER]
    return [("end_call", {"farewell": f"Bye, {NAME}."})]


async def a_talk(monkeypatch, tmp_path, carrier, webhooks=True, **environment):
    keys = [Digits(f"{PIN}#"), Digits("9#"), Digits("8#"), Digits("7#")]
    async with talking(
        monkeypatch,
        tmp_path,
        carrier,
        answers,
        webhooks=webhooks,
        voice=Voiceless,
        LOG_LEVEL="TRACE",
        **environment,
    ) as bot:
        await bot.network.call(bot.url if webhooks else f"ws{bot.url[4:]}/ws", keys)
        assert any(PIN in str(context) for context in bot.contexts)
        return [event for call in bot.store.list() for event in call.events]


@pytest.mark.parametrize("webhooks", [True, False], ids=["our server", "a host with its own logger"])
@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_whole_call_with_failing_services(monkeypatch, tmp_path, log, carrier, webhooks):
    await a_talk(monkeypatch, tmp_path, carrier, webhooks)
    assert log
    assert [line for line in log if any(secret in line for secret in SECRETS)] == []
    # And yet whoever runs it sees what failed.
    assert any("TTS failed" in line for line in log) or any("LLM failed" in line for line in log)
    assert any("has a complaint" in line for line in log)


async def test_one_setting_writes_them_down(monkeypatch, tmp_path, log):
    await a_talk(monkeypatch, tmp_path, "twilio", LOG_CALLERS_WORDS="true")
    assert all(any(secret in line for line in log) for secret in (PIN, FRUIT))


def test_warnings_of_others_keep_their_place_and_their_kind(log):
    keep_words_out(words_allowed=False)
    fake = "site-packages/pipecat/services/openai/llm.py"
    code = compile(
        "import logging\n"
        "def answer(logger, text):\n    logger.warning(text)\n    logging.getLogger('openai').error(text)\n"
        "    logger.debug(text)\n    logging.getLogger('httpx').info(text)",
        f"/x/{fake}",
        "exec",
    )
    module = {"__name__": "pipecat.services.openai.llm"}
    exec(code, module)
    module["answer"](logger, f"AuthenticationError: Error code: 401 - {{'message': 'you said {FRUIT} 4711'}}")
    assert len(log) == 2
    for line in log:
        assert "answer" in line and "AuthenticationError, code: 401" in line
        assert FRUIT not in line and "4711" not in line


def test_an_exception_is_told_by_its_kind_and_places(log):
    keep_words_out(words_allowed=False)
    for tell in (logger.opt, None):
        try:
            secret = FRUIT
            raise ValueError(f"cannot understand {secret}")
        except ValueError as error:
            if tell:
                tell(exception=error).error("A call failed")
            else:
                logging.getLogger(__name__).exception("A call failed")
    assert len(log) == 2
    for line in log:
        assert "A call failed [ValueError in test_an_exception_is_told_by_its_kind_and_places" in line
        assert FRUIT not in line


def test_addresses_with_numbers_and_tokens_are_not_logged(log):
    keep_words_out(words_allowed=False)
    logging.getLogger("uvicorn.error").info(
        '%s - "WebSocket %s" [accepted]', "1.2.3.4:5", "/ws/twilio/tSECRET"
    )
    logging.getLogger("uvicorn.access").info('"GET /twilio/voice?From=%2B12025550143"')
    logging.getLogger("httpx").info("HTTP Request: GET https://api.telnyx.com/v2/number_lookup/+12025550143")
    logger.warning("Call call_1 was not dialled: The number +1 (202) 555-0143 is not valid")
    assert not any("SECRET" in line or "0143" in line for line in log)


@pytest.mark.parametrize("words_allowed", [False, True])
def test_a_text_from_outside_cannot_begin_a_line(log, words_allowed):
    keep_words_out(words_allowed=words_allowed)
    logger.error("the agent {} is not there", "x\n12:00 | ERROR | all is lost\r\x1b[2J\u2028")
    assert len(log) == 1
    assert "x\\n12:00" in log[0]
    assert log[0].count("\n") == 1 and "\x1b[2J" not in log[0] and "\u2028" not in log[0]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+12025550143", "…"),
        ("to +44 20 7946 0958 now", "to … now"),
        ("(202) 555-0143", "(…"),
        ("From=%2B12025550143&", "From=…&"),
        ("call_3f9912345678aa on port 7860 after 1200 ms", "call_3f9912345678aa on port 7860 after 1200 ms"),
        ("CA94337a34328234d886e84688a1f82bbd", "CA94337a34328234d886e84688a1f82bbd"),
    ],
)
def test_numbers_are_masked_and_ids_are_not(text, kept):
    assert masked(text) == kept
    assert printable(text) == text


@pytest.mark.parametrize("program", ["server.py", "bot.py"])
def test_the_start_says_that_words_are_logged(tmp_path, program, monkeypatch):
    monkeypatch.setenv("PHONEBOT_ENV_FILE", "")
    monkeypatch.setenv("LOG_CALLERS_WORDS", "true")
    monkeypatch.setenv("AGENT", "nobody")  # so that neither goes on
    ended = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert "LOG_CALLERS_WORDS is true" in ended.stdout + ended.stderr
    assert ended.returncode != 0
