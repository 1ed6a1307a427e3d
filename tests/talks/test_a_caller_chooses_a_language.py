"""A caller goes on in another of the agent's languages: what hears them, and the voice, change with it."""

from __future__ import annotations

import asyncio

import pytest
from pipecat.services.settings import STTSettings, TTSSettings

from emulator import Digits
from tests.talking_bot import Beeps, Deaf, talking

SPEAKS_BOTH = """
greeting = "Hello."
instructions = "Answer in one word."
language_keys = {2 = "es"}
[services]
stt = "deepgram"
llm = "openai"
tts = "cartesia"
[services.options.tts]
voice = "Jack"
[languages.en]
[languages.es]
voice = "Juana"
"""

KEYS = {"DEEPGRAM_API_KEY": "k", "OPENAI_API_KEY": "k", "CARTESIA_API_KEY": "k"}
HOSTED = {"agent": SPEAKS_BOTH, **KEYS}
GOODBYE = "Gracias por llamar. Hasta luego."
CHANGED = "Claro que sí, hablemos en español. ¿En qué puedo ayudarle?"


class Voice(Beeps):
    """Notes with which voice, in which language each sentence is said."""

    said: list[tuple[str, str | None, str | None]]

    def __init__(self) -> None:
        super().__init__()
        self._settings.apply_update(TTSSettings(model=None, voice="Jack", language="en"))

    async def run_tts(self, text: str, context_id: str):
        Voice.said.append((text, self._settings.voice, self._settings.language))
        async for frame in super().run_tts(text, context_id):
            yield frame


class Ears(Deaf):
    """Notes which language it is to hear."""

    latest: Ears

    def __init__(self) -> None:
        super().__init__()
        self._settings.apply_update(STTSettings(model=None, language="en"))
        Ears.latest = self

    @property
    def language(self):
        return self._settings.language


@pytest.fixture(autouse=True)
def nothing_said_yet():
    Voice.said = []


def changes(call):
    return [(event.language, event.why) for event in call.events if event.kind == "language"]


def texts(call, kind):
    return [event.data["text"] for event in call.events if event.kind == kind]


def ends(words):
    return [("end_call", {})]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_the_key_of_a_language_changes_voice_ears_and_fixed_lines(monkeypatch, tmp_path, carrier):
    script = [Digits("2"), Digits("1#")]
    async with talking(monkeypatch, tmp_path, carrier, ends, voice=Voice, ears=Ears, **HOSTED) as bot:
        await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert changes(call) == [("es", "key")]
    assert Voice.said == [("Hello.", "Jack", "en"), (CHANGED, "Juana", "es"), (GOODBYE, "Juana", "es")]
    assert str(Ears.latest.language) == "multi", "it hears both at once"
    assert texts(call, "caller_said") == ["DTMF: 1#"], "the key is no word of the caller's"
    system, *others = bot.contexts[0]
    assert "The conversation is in Spanish now" in system["content"]
    (told,) = [message["content"] for message in others if message["role"] == "developer"]
    assert "from now on speak Spanish only" in told
    assert others[-1] == {"role": "user", "content": "DTMF: 1#"}


async def test_a_recogniser_of_one_language_is_told_the_new_one(monkeypatch, tmp_path):
    polish = SPEAKS_BOTH.replace("languages.es", "languages.pl").replace('"es"', '"pl"')
    polish = polish.replace('stt = "deepgram"', 'stt = "openai"')
    script = [Digits("2"), Digits("1#")]
    async with talking(
        monkeypatch, tmp_path, "twilio", ends, voice=Voice, ears=Ears, **{**HOSTED, "agent": polish}
    ) as bot:
        await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert changes(call) == [("pl", "key")]
    assert str(Ears.latest.language) == "pl"
    assert Voice.said[-1] == ("Dziękuję za telefon. Do usłyszenia.", "Juana", "pl")


async def test_a_model_changes_the_language_by_its_tool_and_learns_which_ones_there_are(
    monkeypatch, tmp_path
):
    def answers(words):
        if "1#" in words:
            return [("change_language", {"language": "fr"})]
        if "2#" in words:
            return [("change_language", {"language": "es"})]
        if "3#" in words:
            return [("end_call", {})]
        return ["Good."]

    script = [Digits("1#"), Digits("2#"), Digits("3#")]
    async with talking(monkeypatch, tmp_path, "telnyx", answers, voice=Voice, ears=Ears, **HOSTED) as bot:
        await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert changes(call) == [("es", "tool")]
    results = [event.result for event in call.events if event.kind == "tool"]
    assert "you speak English and Spanish" in str(results[0])
    assert "Speak it from now on" in str(results[1])
    assert [(text, voice) for text, voice, _ in Voice.said] == [
        ("Hello.", "Jack"),
        ("Good.", "Jack"),
        ("Good.", "Juana"),
        (GOODBYE, "Juana"),
    ]


async def test_the_voice_follows_a_model_that_answers_in_another_of_its_languages(monkeypatch, tmp_path):
    spanish = "Estamos abiertos de lunes a viernes por la mañana y los sábados no."
    french = "Nous sommes ouverts du lundi au vendredi et le samedi dans la matinée."

    def answers(words):
        return {"DTMF: 1#": [french], "DTMF: 3#": [spanish]}.get(words, [("end_call", {})])

    script = [Digits("1#"), Digits("3#"), Digits("4#")]
    async with talking(monkeypatch, tmp_path, "twilio", answers, voice=Voice, ears=Ears, **HOSTED) as bot:
        await bot.network.call(bot.url, script)
    (call,) = bot.store.list()
    assert changes(call) == [("es", "answered")]
    assert (french, "Jack", "en") in Voice.said, "what it does not speak is said all the same"
    assert (spanish, "Juana", "es") in Voice.said
    assert "You have answered in French. Speak English only." in str(bot.contexts[1])


async def test_the_call_keeps_its_language_on_its_next_stream(monkeypatch, tmp_path):
    script = [Digits("2"), Digits("1#", after_reply=True)]

    def answers(words):
        return ["Bien."] if "1#" in words else [("end_call", {})]

    async with talking(monkeypatch, tmp_path, "twilio", answers, voice=Voice, ears=Ears, **HOSTED) as bot:
        calling = asyncio.create_task(bot.network.call(bot.url, [*script, Digits("WWWWWW3#")]))
        while not bot.store.list() or "Bien." not in texts(bot.store.list()[0], "bot_heard"):
            await asyncio.sleep(0.05)
        (call,) = bot.store.list()
        await bot.lose_streams(call)
        await calling
    assert changes(call) == [("es", "key")]
    assert "Disculpe, se cortó un momento. Continúe, por favor." in texts(call, "bot_heard")
    assert texts(call, "bot_heard")[-1] == GOODBYE


async def test_the_local_stack_says_that_it_knows_english_only(monkeypatch, tmp_path):
    local = 'greeting = "Hello."\ninstructions = "x"\nlanguages = ["en", "es"]\nlanguage_keys = {2 = "es"}\n'
    async with talking(monkeypatch, tmp_path, "twilio", ends, agent=local, voice=Voice, ears=Ears) as bot:
        await bot.network.call(bot.url, [Digits("2"), Digits("1#")])
    (call,) = bot.store.list()
    assert changes(call) == []
    heard = texts(call, "bot_heard")
    assert heard == ["Hello.", "I'm sorry, I only speak English.", "Thank you for calling. Goodbye."]
