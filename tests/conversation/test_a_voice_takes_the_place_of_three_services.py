"""`[services] voice`: what stands beside it, what is refused at start, and what its session is told."""

import pytest

from conversation.agents.agent import Agent
from conversation.agents.files import load_agent
from conversation.services import ServiceError, build_voice, check, describe, resolve
from settings import load_settings

HEAD = 'greeting = "Hello."\ninstructions = "Be kind."\n'
FLOW = """
initial_node: start
nodes:
  start:
    task_messages: [{role: developer, content: Ask what they want.}]
    functions: []
"""


def agent_of(tmp_path, text: str) -> Agent:
    (tmp_path / "desk.toml").write_text(HEAD + text)
    return load_agent("desk", tmp_path)


def settings_of(tmp_path, **keys):
    return load_settings(agents_dir=tmp_path, openai_api_key="k", **keys)


def checked(tmp_path, text: str, **keys) -> tuple[str, ...]:
    settings = settings_of(tmp_path, **keys)
    choice = resolve(agent_of(tmp_path, text), settings)
    check(choice, settings)
    return choice.kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", ("voice",)),
        ('tts = "openai"\n', ("voice", "tts")),
        ('llm = "openai"\n[after_call]\nsummary = true\n', ("voice", "llm")),
        ('[transfers.boss]\nnumber = "+12025550112"\nspoken = "the boss"\nwarm = true\n', ("voice", "tts")),
    ],
)
def test_what_stands_beside_it_is_checked_too(tmp_path, text, kinds):
    assert checked(tmp_path, f'[services]\nvoice = "openai-realtime"\n{text}') == kinds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('voice = "openai-realtime"\nstt = "openai"\n', "remove stt"),
        ('voice = "openai-realtime"\nllm = "openai"\n', "remove llm"),
        ('voice = "openai-live"\n', "name another voice, such as"),
        ('voice = "opnai-realtime"\n', 'did you mean "openai-realtime"'),
        ('voice = "grok"\n', "XAI_API_KEY is not set"),
        ('voice = "openai-realtime"\n[services.options.voice]\naudoi = 1\n', 'did you mean "audio"'),
        ('voice = "openai-realtime"\n[services.options.voice]\naudio = 1\n', "is not usable"),
    ],
)
def test_what_cannot_work_is_one_line_at_start(tmp_path, text, said):
    with pytest.raises(ServiceError) as error:
        checked(tmp_path, f"[services]\n{text}")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_flow_is_refused(tmp_path):
    (tmp_path / "desk.flow.yaml").write_text(FLOW)
    with pytest.raises(ServiceError, match=r"cannot follow a call flow: remove desk.flow.yaml"):
        checked(tmp_path, '[services]\nvoice = "openai-realtime"\n')


def test_the_start_line_says_who_talks(tmp_path):
    agent = agent_of(tmp_path, '[services]\nvoice = "openai-realtime"\ntts = "openai"\n')
    (line,) = describe(agent, settings_of(tmp_path))
    assert line.startswith("speech to speech openai-realtime")
    assert "fixed lines by TTS openai" in line


async def test_options_of_its_session_stand_beside_what_a_telephone_needs(tmp_path):
    text = """[services]
voice = "openai-realtime"
[services.options.voice]
model = "gpt-realtime"
audio.output.voice = "marin"
session_properties.max_output_tokens = 500
"""
    settings = settings_of(tmp_path)
    agent = agent_of(tmp_path, text)
    choice = resolve(agent, settings)
    check(choice, settings)
    session = build_voice(choice, agent, settings)._settings.session_properties
    assert session.audio.input.transcription.model
    assert session.audio.output.voice == "marin"
    assert (session.model, session.max_output_tokens) == ("gpt-realtime", 500)
