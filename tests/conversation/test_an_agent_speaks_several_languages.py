"""`languages` of an agent's file: what it means, and what is wrong with it, found before a call."""

from __future__ import annotations

from datetime import datetime

import pytest

from calls.events.talk import LanguageChanged
from calls.store import CallStore
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.on_call import agent_on
from conversation.agents.speaking import said_in_english
from conversation.handover import Handover
from conversation.multilingual.changing import languages_told
from conversation.services import (
    ServiceError,
    beyond_the_local_stack,
    check,
    resolve,
    settings_in,
    spoken_languages,
)
from conversation.services.catalogue import services_of
from deployment.checkup import findings_of_agent
from settings import load_settings

HEAD = 'greeting = "Hello."\ninstructions = "Be short."\n'
HOSTED = {"deepgram_api_key": "k", "openai_api_key": "k", "cartesia_api_key": "k"}

SHOP = """
greeting = "Hello."
instructions = "Be short."
[languages.en]
[languages.es]
voice = "Juana"
greeting = "Hola."
announcement = "Grabamos esta llamada."
monitoring_announcement = "Escuchamos esta llamada."
[languages.es.lines]
goodbye = "Chao."
[languages.es.transfers.desk]
spoken = "la recepción"
[languages.es.options.llm]
temperature = 0.1
[transfers.desk]
number = "+12025550111"
spoken = "the front desk"
announcement = "I put you through."
[dead_air]
filler = ""
filler_secs = 1
[services.options.tts]
voice = "Jack"
"""


def written(tmp_path, text: str):
    (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
    return load_agent("shop", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("languages = []", ["languages names none", 'such as ["en", "es"], or remove it']),
        ("[languages]", ["languages names none"]),
        ('languages = "en"', ["write a list of tags", "[languages.es]"]),
        ("languages = [1]", ['write tags such as ["en", "es"]']),
        ('languages = ["en", "en"]', ["'en' is there twice; remove one"]),
        ('languages = ["es", "es-MX"]', ["'es' and 'es-MX' are one language to callers; keep one"]),
        ('languages = ["en", "xx"]', ["'xx' is no language tag; use one such as"]),
        ('languages = ["en", "spanish"]', ["'spanish' is no language tag; use one such as es"]),
        ('language = "de"\nlanguages = ["en", "es"]', ["languages begins with 'en', but language is 'de'"]),
        (
            'languages = ["en", "es"]\nlanguage_keys = {2 = "fr"}',
            ["language_keys.2: 'fr' is not among languages"],
        ),
        (
            'languages = ["en", "es"]\nlanguage_keys = {12 = "es"}',
            ["language_keys.12: a key is a digit, * or #"],
        ),
        (
            'languages = ["en", "es"]\nlanguage_keys = {2 = "es"}\n[menu.2]\nlabel = "x"\nsay = "y"',
            ["language_keys.2: the menu has that key, too"],
        ),
        ('[languages.en]\n[languages.es]\nvoise = "x"', ["unknown key", "voise", "did you mean 'voice'?"]),
        ('[languages.en]\n[languages.es.lines]\ngoodby = "x"', ["unknown key 'goodby'", "'goodbye'?"]),
        ('[languages.en]\n[languages.es.transfers.x]\nspoken = "x"', ["there is no transfer 'x'"]),
        ("[languages.en]\n[languages.es.dead_air]\nfiller_secs = 99", ["languages.es.dead_air.filler_secs"]),
    ],
)
def test_what_is_wrong_with_languages_is_one_line_with_the_fix(tmp_path, text, words):
    with pytest.raises(AgentError) as error:
        written(tmp_path, HEAD + text)
    line = str(error.value)
    assert "\n" not in line and line.startswith("shop.toml")
    assert [word for word in words if word not in line] == [], line


def test_the_first_is_the_language_of_the_agent(tmp_path):
    agent = written(tmp_path, HEAD + 'languages = ["es-MX", "en"]')
    assert agent.language == "es-MX"
    assert agent.lines.goodbye == "Gracias por llamar. Hasta luego."
    assert agent.in_language("en-GB").lines.goodbye == "Thank you for calling. Goodbye."
    assert agent.in_language("es") is agent and agent.in_language("fr") is agent
    assert agent.named_languages(agent.languages) == "español e inglés"


def test_an_agent_in_another_language_has_its_texts_and_ours(tmp_path):
    agent = written(tmp_path, SHOP)
    spanish = agent.in_language("es")
    assert (spanish.greeting, spanish.instructions) == ("Hola.", "Be short.")
    assert spanish.lines.goodbye == "Chao."
    assert spanish.lines.time_notice == "Nos queda más o menos un minuto."
    assert spanish.recording.announcement == "Grabamos esta llamada."
    assert spanish.monitoring.announcement == "Escuchamos esta llamada."
    assert spanish.transfers["desk"].spoken == "la recepción"
    assert spanish.transfers["desk"].announcement is None, "the owner's is English"
    assert spanish.dead_air.filler == "" and spanish.dead_air.filler_secs == 1
    assert spanish.service_options("tts") == {"voice": "Juana"}
    assert spanish.service_options("llm") == {"temperature": 0.1}
    assert agent.service_options("tts") == {"voice": "Jack"} and agent.service_options("llm") == {}
    assert spanish.home is agent and spanish.in_language("en") is agent
    assert spanish.folder == agent.folder
    friday = datetime(2026, 11, 27, 12)
    assert spanish.call_variables(now=friday)["today"] == "viernes, 27 de noviembre"
    assert agent.call_variables(now=friday)["today"] == "Friday, November 27"


def test_an_agent_of_one_language_is_as_it_was(tmp_path):
    agent = written(tmp_path, HEAD)
    assert languages_told(agent, ()) == ""
    assert agent.languages == {}


def test_a_call_has_the_language_that_it_changed_to_last(tmp_path):
    agent = written(tmp_path, SHOP)
    call = CallStore().open(carrier="twilio", carrier_call_id="CA1", direction="inbound", agent="shop")
    assert agent_on(agent, call) is agent and agent_on(agent, None) is agent
    call.record(LanguageChanged(language="es", why="key"))
    assert agent_on(agent, call).language == "es"
    call.record(LanguageChanged(language="xx", why="key"))
    assert agent_on(agent, call) is agent, "a language that the file has no more"


def test_a_colleague_is_told_in_the_agents_first_language(tmp_path):
    from types import SimpleNamespace

    agent = written(tmp_path, SHOP)
    call = SimpleNamespace(other_number=None, events=[])
    session = SimpleNamespace(agent=agent.in_language("es"), call=call, variables={})
    session.render = lambda template, **more: agent.render(template, more)
    about = Handover(session, SimpleNamespace(name="desk"), "")._about()
    assert about.startswith("A call from a caller about something that I could not settle.")


# What services are told


def test_what_a_recogniser_is_told_is_all_languages_where_it_can_hear_several():
    settings = load_settings(**HOSTED, assemblyai_api_key="k")
    agent = two("en", "es")
    told = {
        name: settings_in("stt", services_of("stt")[name], agent, settings)
        for name in ("deepgram", "assemblyai", "openai")
    }
    assert str(told["deepgram"].language) == "multi"
    assert [str(one) for one in told["assemblyai"].language_codes] == ["en", "es"]
    assert str(told["openai"].language) == "en"
    strange = settings_in("stt", services_of("stt")["deepgram"], two("en", "sv"), settings)
    assert str(strange.language) == "en", "Swedish is not among those that it hears at once"


def two(*tags: str, **more):
    from conversation.agents.agent import Agent

    return Agent.model_validate(
        {"name": "shop", "greeting": "g", "instructions": "i", "languages": list(tags), **more}
    )


def test_a_voice_of_one_language_needs_one_for_each():
    settings = load_settings(**HOSTED)
    services = {"stt": "deepgram", "llm": "openai", "tts": "deepgram"}
    english = {**services, "options": {"tts": {"voice": "aura-2-thalia-en"}}}
    for agent in (two("en", "es", services=services), two("en", "es", services=english)):
        with pytest.raises(
            ServiceError, match=r"no default voice for language = \"es\": name one as voice in \[lang"
        ):
            check(resolve(agent, settings), settings)
    spanish = two(**{"services": services, "languages": {"en": {}, "es": {"voice": "aura-2-celeste-es"}}})
    check(resolve(spanish, settings), settings)


def test_a_voice_that_would_stay_when_the_call_changes_back_is_refused():
    settings = load_settings(**HOSTED)
    services = {"stt": "deepgram", "llm": "openai", "tts": "openai"}
    some = two(**{"services": services, "languages": {"en": {}, "es": {"voice": "nova"}}})
    with pytest.raises(
        ServiceError, match=r"for some of its languages: name one as voice in \[languages.en\]"
    ):
        check(resolve(some, settings), settings)
    each = two(**{"services": services, "languages": {"en": {"voice": "ash"}, "es": {"voice": "nova"}}})
    check(resolve(each, settings), settings)
    check(resolve(two("en", "es", services=services), settings), settings)


def test_a_language_without_fixed_lines_of_ours_is_told_at_the_start(tmp_path):
    swedish = written(tmp_path, HEAD + 'language = "sv"\n[lines]\ngoodbye = "Hej då."')
    (line,) = said_in_english(swedish)
    assert "Swedish has no fixed lines of ours" in line and "[lines]" in line and " goodbye" not in line
    (line,) = said_in_english(two("en", "sv"))
    assert "[languages.sv.lines]" in line
    assert said_in_english(two("en", "es")) == []


# The local stack


def test_the_local_stack_speaks_english_only_and_the_start_says_so():
    settings, agent = load_settings(), two("en", "es", "fr")
    check(resolve(agent, settings), settings)
    assert spoken_languages(resolve(agent, settings)) == ("en",)
    (line,) = beyond_the_local_stack(agent, settings)
    for part in (
        "shop.toml",
        "es, fr",
        "stt, llm, and tts are local",
        "knows English only",
        "Set a key",
        "told so",
    ):
        assert part in line
    assert "You speak English only" in languages_told(agent, ("en",))


def test_with_hosted_services_nothing_is_said():
    settings, agent = load_settings(**HOSTED), two("en", "es")
    assert beyond_the_local_stack(agent, settings) == []
    assert spoken_languages(resolve(agent, settings)) == ("en", "es")
    assert spoken_languages(resolve(agent, load_settings()), own=("stt", "llm", "tts")) == ("en", "es")


def test_a_first_language_that_the_local_stack_does_not_know_is_refused():
    settings, agent = load_settings(), two("es", "en")
    with pytest.raises(ServiceError, match="stt is local, which knows English only"):
        check(resolve(agent, settings), settings)


def test_the_doctor_says_so_too(tmp_path):
    (tmp_path / "shop.toml").write_text(HEAD + 'languages = ["en", "es"]')
    found = findings_of_agent("shop", load_settings(agents_dir=tmp_path))
    assert any("knows English only" in str(one) for one in found)
