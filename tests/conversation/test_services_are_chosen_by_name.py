"""Which STT, LLM and TTS a call uses: the agent's, else the environment's, else the first key's, else the local."""

import pytest

from conversation.agents.agent import Agent
from conversation.services import ServiceError, check, describe, resolve
from conversation.services.catalogue import KINDS, SERVICES, services_of
from settings import Settings, load_settings

KEYS = {
    "openai_api_key": "k",
    "anthropic_api_key": "k",
    "google_api_key": "k",
    "deepgram_api_key": "k",
    "assemblyai_api_key": "k",
    "cartesia_api_key": "k",
    "elevenlabs_api_key": "k",
}

NO_PACKAGE = {"stt": "assemblyai", "llm": "openai", "tts": "cartesia"}
"""Services that Pipecat alone can run."""


def agent(*, language: str = "en", **services: object) -> Agent:
    return Agent.model_validate(
        {
            "name": "desk",
            "language": language,
            "greeting": "Hello.",
            "instructions": "Be kind.",
            "services": services,
        }
    )


def chosen(settings: Settings, **services: object) -> tuple[str, str, str]:
    choice = resolve(agent(**services), settings)
    return choice.stt, choice.llm, choice.tts


def test_without_any_key_this_machine_does_it_all():
    assert chosen(load_settings()) == ("local", "local", "local")


@pytest.mark.parametrize(
    ("keys", "services"),
    [
        (["deepgram_api_key"], ("deepgram", "local", "deepgram")),
        (["openai_api_key"], ("openai", "openai", "openai")),
        (["anthropic_api_key"], ("local", "anthropic", "local")),
        (["deepgram_api_key", "openai_api_key", "cartesia_api_key"], ("deepgram", "openai", "cartesia")),
        (
            ["assemblyai_api_key", "google_api_key", "elevenlabs_api_key"],
            ("assemblyai", "google", "elevenlabs"),
        ),
        (list(KEYS), ("deepgram", "openai", "cartesia")),
    ],
)
def test_auto_takes_the_first_service_whose_key_is_set(keys, services):
    assert chosen(load_settings(**{key: "k" for key in keys})) == services


def test_the_environment_wins_over_auto():
    assert chosen(load_settings(**KEYS, stt="assemblyai", llm="Anthropic ", tts="local")) == (
        "assemblyai",
        "anthropic",
        "local",
    )


def test_the_agent_wins_over_the_environment():
    settings = load_settings(**KEYS, stt="assemblyai", llm="anthropic")
    assert chosen(settings, stt="openai", llm="google", tts="elevenlabs") == (
        "openai",
        "google",
        "elevenlabs",
    )


def test_an_agent_that_says_auto_leaves_it_to_the_environment():
    assert chosen(load_settings(**KEYS, stt="assemblyai"), stt="auto")[0] == "assemblyai"


def test_an_endpoint_of_ones_own_answers_but_does_not_hear_or_speak_by_itself():
    settings = load_settings(openai_base_url="http://127.0.0.1:8000/v1", openai_api_key="k")
    assert chosen(settings) == ("local", "openai", "local")
    assert chosen(settings, stt="openai", tts="openai") == ("openai", "openai", "openai")


def test_an_endpoint_of_ones_own_needs_no_key():
    settings = load_settings(openai_base_url="http://127.0.0.1:8000/v1")
    choice = resolve(agent(stt="openai", tts="openai"), settings)
    check(choice, settings)
    assert choice.llm == "openai"


@pytest.mark.parametrize(
    "named", [{"ollama_model": "qwen3"}, {"ollama_base_url": "http://127.0.0.1:11434/v1"}]
)
def test_ollama_is_taken_when_it_is_named_in_any_way(named):
    assert chosen(load_settings(**named))[1] == "ollama"


def test_ollama_is_never_taken_unasked():
    assert chosen(load_settings())[1] == "local"
    settings = load_settings(**KEYS | NO_PACKAGE)
    check(resolve(agent(llm="ollama"), settings), settings)


def test_an_unknown_name_is_told_with_the_closest_one_and_the_list():
    with pytest.raises(ServiceError) as caught:
        resolve(agent(stt="deepgrm"), load_settings())
    assert str(caught.value) == (
        'services: no stt is called "deepgrm" (agent desk, [services] stt): did you mean "deepgram"? '
        "Known are auto, deepgram, assemblyai, openai, local; docs/services.md has all others."
    )


def test_an_unknown_name_in_the_environment_is_told_with_its_variable():
    with pytest.raises(ServiceError, match=r"LLM in \.env or the environment.*Known are auto, openai"):
        resolve(agent(), load_settings(llm="hal"))


@pytest.mark.parametrize(
    "service", [service for service in SERVICES if service.key], ids=lambda s: f"{s.kind}-{s.name}"
)
def test_a_missing_key_is_told_with_its_variable_and_the_way_out(service):
    settings = load_settings()
    with pytest.raises(ServiceError) as caught:
        check(resolve(agent(**{service.kind: service.name}), settings), settings)
    assert str(caught.value) == (
        f"services: {service.kind} is {service.name}, but {service.key.upper()} is not set: "
        f'set it in .env, or choose {service.kind} = "local".'
    )


def test_a_missing_package_is_told_with_the_extra_that_brings_it(monkeypatch):
    monkeypatch.setattr("conversation.services.chosen._is_installed", lambda package: package != "deepgram")
    settings = load_settings(**KEYS)
    with pytest.raises(ServiceError, match=r"deepgram is not installed: `make setup` brings it$"):
        check(resolve(agent(), settings), settings)


def test_the_local_voice_and_ear_know_english_only():
    settings = load_settings(openai_api_key="k", stt="local")
    with pytest.raises(ServiceError, match="stt is local, which knows English only, but agent desk"):
        check(resolve(agent(language="de"), settings), settings)
    check(resolve(agent(language="en-GB"), settings), settings)


def test_an_unknown_language_is_told():
    settings = load_settings(**KEYS | NO_PACKAGE)
    with pytest.raises(ServiceError, match='language = "german", which is no language tag'):
        check(resolve(agent(language="german"), settings), settings)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_option_is_told_with_the_list(kind):
    settings = load_settings(**KEYS | NO_PACKAGE)
    with pytest.raises(
        ServiceError, match=rf"has no option modell \(agent desk, \[services\.options\.{kind}\]\): did"
    ):
        check(resolve(agent(options={kind: {"modell": "x"}}), settings), settings)


def test_the_instructions_are_no_option():
    settings = load_settings(**KEYS | NO_PACKAGE)
    with pytest.raises(ServiceError, match="has no option system_instruction"):
        check(resolve(agent(options={"llm": {"system_instruction": "x"}}), settings), settings)


def test_the_start_line_of_a_keyless_bot():
    assert describe(agent(), load_settings()) == [
        "no key set: the local brain answers (STT Moonshine, TTS Piper, English only)"
    ]


def test_the_start_line_names_services_and_models():
    assert describe(agent(options={"llm": {"model": "gpt-5"}}), load_settings(**KEYS)) == [
        "STT deepgram (nova-3-general), LLM openai (gpt-5), TTS cartesia (sonic-3.6)"
    ]


def test_the_start_lines_say_what_is_missing_for_a_conversation():
    first, second = describe(agent(), load_settings(deepgram_api_key="k"))
    assert first == "STT deepgram (nova-3-general), LLM local, TTS deepgram"
    assert "OPENAI_API_KEY" in second


def test_every_kind_has_a_local_service_and_unique_names():
    for kind in KINDS:
        names = [service.name for service in SERVICES if service.kind == kind]
        assert len(names) == len(set(names))
        assert list(services_of(kind))[-1] == "local"
