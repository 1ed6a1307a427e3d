"""Lists of services: what is taken, in which order, with which options and voices, and what is refused with words."""

import pytest

from conversation import services
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.failover import build
from conversation.failover.health import Health
from conversation.services import ServiceError
from settings import load_settings

KEYS = {
    f"{name}_api_key": "k" for name in ("deepgram", "openai", "anthropic", "cartesia", "elevenlabs", "google")
}
AGENT = 'greeting = "Hello."\ninstructions = "Answer."\n'


def agent_of(tmp_path, text):
    (tmp_path / "quick.toml").write_text(AGENT + text)
    return load_agent("quick", tmp_path)


def chosen(tmp_path, text, **settings):
    given = load_settings(**{**KEYS, "agents_dir": tmp_path, **settings})
    choice = services.resolve(agent_of(tmp_path, text), given)
    services.check(choice, given)
    return choice


def test_the_first_is_what_it_would_be_alone(tmp_path):
    choice = chosen(tmp_path, '[services]\nstt = ["deepgram", "openai"]\ntts = "openai"\n')
    assert (choice.stt, choice.tts) == ("deepgram", "openai")
    assert [service.name for service in choice.each("stt")] == ["deepgram", "openai"]
    assert [service.name for service in choice.each("tts")] == ["openai"]
    assert choice.behind("tts") is None


def test_the_environment_takes_lists_with_commas(tmp_path):
    choice = chosen(tmp_path, "", stt="deepgram, openai")
    assert [service.name for service in choice.each("stt")] == ["deepgram", "openai"]


def test_the_local_stack_stands_behind_where_it_can(tmp_path):
    assert chosen(tmp_path, '[services]\nstt = ["deepgram"]\n').behind("stt").name == "local"
    german = 'language = "de"\n[services]\nstt = ["deepgram"]\n'
    assert chosen(tmp_path, german, tts="openai").behind("stt") is None


def test_a_list_is_told_at_the_start(tmp_path):
    agent = agent_of(tmp_path, '[services]\nllm = ["openai", "anthropic"]\n')
    (line, *_) = services.describe(agent, load_settings(**KEYS))
    assert "LLM openai (gpt-4.1), else anthropic (claude-haiku-4-5), else local" in line


def test_each_has_options_of_its_own(tmp_path):
    text = """[services]
llm = ["openai", "anthropic"]
[services.options.llm.openai]
temperature = 0.2
[services.options.llm.anthropic]
model = "claude-sonnet-5"
"""
    choice = chosen(tmp_path, text)
    agent, given = choice.agent, load_settings(**KEYS)
    openai = services.build_llm(choice, agent, given)
    anthropic = services.build_llm(choice.only("llm", "anthropic"), agent, given)
    assert (openai.settings.model, openai.settings.temperature) == ("gpt-4.1", 0.2)
    assert anthropic.settings.model == "claude-sonnet-5"


@pytest.mark.parametrize(
    "text, voice",
    [
        ("", "nova"),
        ('[services.voices]\nopenai = "sage"\n', "sage"),
        ('[services.options.tts.openai]\nvoice = "coral"\n', "coral"),
        ('[services.voices]\ndeepgram = "aura-2-apollo-en"\n', "onyx"),
    ],
)
def test_the_next_voice_is_as_high_as_the_first(tmp_path, text, voice):
    choice = chosen(tmp_path, f'[services]\ntts = ["deepgram", "openai"]\n{text}')
    built = services.build_tts(choice.only("tts", "openai"), choice.agent, load_settings(**KEYS))
    assert built.settings.voice == voice


def test_the_next_voice_speaks_the_agents_language(tmp_path):
    choice = chosen(tmp_path, 'language = "es"\n[services]\ntts = ["openai", "deepgram"]\n', stt="deepgram")
    built = services.build_tts(choice.only("tts", "deepgram"), choice.agent, load_settings(**KEYS))
    assert built.settings.voice == "aura-2-celeste-es"


@pytest.mark.parametrize(
    "text, told",
    [
        ("stt = []", "quick.toml line 4: 'services.stt' is not usable: an empty list names no service"),
        ('stt = ["deepgram", "Deepgram"]', '"deepgram" stands in it twice: name each service once'),
        ('stt = ["deepgram", 5]', 'a list of services has names only: write it like ["deepgram", "openai"]'),
        ('stt = ["auto", "openai"]', '"auto" is no name for a list, as it takes what has a key'),
        ('voice = ["openai-realtime", "gemini-live"]', "a speech-to-speech service has no list behind it"),
    ],
)
def test_a_list_that_is_none_is_refused_with_file_and_line(tmp_path, text, told):
    with pytest.raises(AgentError) as refused:
        agent_of(tmp_path, f"[services]\n{text}\n")
    assert "quick.toml line 4" in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "text, told",
    [
        (
            'stt = ["deepgram", "opena"]',
            'no stt is called "opena" (agent quick, [services] stt): did you mean "openai"?',
        ),
        (
            'voice = "openai-realtime"\ntts = ["openai", "cartesia"]',
            "agent quick has voice = openai-realtime, which has no list behind it: tts is a list",
        ),
        (
            'tts = ["cartesia", "openai"]\n[services.options.tts]\nvoice = "x"',
            "tts of agent quick is a list, so voice in [services.options.tts] is for none of it: write it under "
            "[services.options.tts.cartesia]",
        ),
        (
            'tts = ["cartesia", "openai"]\n[services.options.tts.deepgram]\nvoice = "x"',
            "has options for deepgram, which is not in its list: The list is cartesia, openai.",
        ),
        (
            'tts = ["cartesia", "openai"]\n[services.options.tts]\nopenai = "nova"',
            "openai in [services.options.tts] of agent quick is no table",
        ),
        (
            'tts = ["cartesia", "openai"]\n[services.options.tts.openai]\nvoise = "nova"',
            'openai has no option voise (agent quick, [services.options.tts.openai]): did you mean "voice"?',
        ),
        (
            'tts = ["cartesia", "openai"]\n[services.voices]\nopenay = "nova"',
            'has a voice for openay, which does not speak for it: did you mean "openai"?',
        ),
    ],
)
def test_what_is_for_none_of_a_list_is_refused_with_cause_and_fix(tmp_path, text, told):
    with pytest.raises(ServiceError) as refused:
        chosen(tmp_path, f"[services]\n{text}\n")
    assert told in str(refused.value)


def test_each_of_a_list_needs_its_key(tmp_path):
    with pytest.raises(
        ServiceError, match=r"llm is anthropic, but ANTHROPIC_API_KEY is not set: set it in \.env"
    ):
        chosen(tmp_path, '[services]\nllm = ["openai", "anthropic"]\n', anthropic_api_key=None)


@pytest.mark.parametrize("given", ["deepgram,,openai", "deepgram,deepgram", "auto,openai"])
def test_a_list_in_the_environment_is_refused_as_one_in_a_file(tmp_path, given):
    with pytest.raises(
        ServiceError, match=r"STT=.* in \.env or the environment is not usable: .*; correct it\."
    ):
        chosen(tmp_path, "", stt=given)


def test_the_local_brain_takes_over_in_no_call_flow(tmp_path):
    (tmp_path / "quick.flow.yaml").write_text(
        "initial: hello\nnodes:\n  hello:\n    task: Greet.\n    functions: []\n"
    )
    with pytest.raises((ServiceError, AgentError)) as refused:
        chosen(tmp_path, '[services]\nllm = ["openai", "local"]\n')
    assert "flow" in str(refused.value)


def test_a_service_with_another_behind_it_is_waited_for_less():
    given = load_settings()
    hasty = build.hastened(given)
    assert hasty.first_token_secs == hasty.first_audio_secs == hasty.stall_secs == given.failover_secs
    patient = build.hastened(load_settings(failover_secs=5))
    assert patient.first_token_secs == given.first_token_secs


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_service_that_failed_is_passed_over_longer_each_time():
    clock = Clock()
    health = Health(clock)
    names = ["deepgram", "openai"]
    assert health.in_order("stt", names) == names
    for rest in (30, 60, 120, 240, 300, 300):
        health.failed("stt", "deepgram")
        health.failed("stt", "deepgram")  # another call, with the same failure
        assert health.in_order("stt", names) == ["openai", "deepgram"]
        assert health.in_order("stt", names, "local") == ["openai", "local", "deepgram"]
        clock.now += rest - 0.1
        assert health.in_order("stt", names) == ["openai", "deepgram"]
        clock.now += 0.2
        assert health.in_order("stt", names) == names, "one call tries it"
        assert health.in_order("stt", names) == ["openai", "deepgram"], "and others do not meanwhile"
    assert health.in_order("tts", names) == names, "of the same vendor, another job"


def test_a_service_that_works_again_is_as_good_as_before():
    clock = Clock()
    health = Health(clock)
    health.failed("llm", "openai")
    clock.now += 31
    assert health.in_order("llm", ["openai", "google"])[0] == "openai"
    health.works("llm", "openai")
    assert health.in_order("llm", ["openai", "google"])[0] == "openai"
    health.failed("llm", "openai")
    clock.now += 31
    assert not health.rests("llm", "openai")


def test_a_call_that_began_before_does_not_end_a_rest():
    clock = Clock()
    health = Health(clock)
    health.failed("llm", "openai")
    health.works("llm", "openai")
    assert health.rests("llm", "openai")


def test_all_of_a_list_rest():
    health = Health(Clock())
    for name in ("deepgram", "openai"):
        health.failed("stt", name)
    assert health.in_order("stt", ["deepgram", "openai"], "local") == ["local", "deepgram", "openai"]
    assert health.in_order("stt", ["deepgram", "openai"]) == ["deepgram", "openai"]


async def test_the_next_one_is_woken_in_the_language_that_the_conversation_is_in(tmp_path):
    text = (
        'languages = ["en", "es"]\n[services]\nstt = ["deepgram", "openai"]\ntts = ["openai", "deepgram"]\n'
    )
    choice = chosen(tmp_path, text)
    speaks = [choice.agent]
    lists = build.Lists(choice, load_settings(**KEYS), lambda *_: None, lambda: speaks[-1])
    voices, ears = lists.voices(), lists.ears()
    speaks.append(choice.agent.in_language("es"))
    for switch in (voices, ears):
        switch._spares[1].wake()
    assert voices._spares[1].inner.settings.voice == "aura-2-celeste-es"
    assert str(ears._spares[1].inner.settings.language) == "es"
