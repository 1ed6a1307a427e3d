"""docs/services.md, written from the tables of services."""

from __future__ import annotations

from collections.abc import Iterable

from conversation.services.catalogue import services_of, taken_unasked
from conversation.services.service import Kind, Service
from providers import ROWS, Row

TITLES: dict[Kind, str] = {
    "stt": "Speech to text",
    "llm": "Models",
    "tts": "Voices",
    "voice": "Speech to speech",
}

CALLED_IN_TESTS: frozenset[tuple[Kind, str]] = frozenset(
    {
        ("stt", "deepgram"),
        ("stt", "openai"),
        ("llm", "openai"),
        ("tts", "cartesia"),
        ("tts", "deepgram"),
        ("tts", "openai"),
        ("voice", "azure-voice-live"),
        ("voice", "gemini-live"),
        ("voice", "inworld"),
        ("voice", "openai-realtime"),
        ("voice", "ultravox"),
    }
)
"""Services that tests call against a server on this machine that answers, fails and falls silent like a vendor's."""

ASKED_IN_TESTS: frozenset[str] = frozenset(
    "azure baseten cerebras crusoe deepseek fireworks grok groq inception mistral nebius novita nvidia ollama "
    "openrouter qwen sambanova sarvam smallest together".split()
)
"""Models of OpenAI's protocol that a test asks one question of a server on this machine."""

BESIDE = """ takes the place of `stt`, `llm` and `tts`: one service hears, answers and speaks. It is
never chosen unasked.

```toml
[services]
voice = "openai-realtime"
tts = "cartesia"               # says the fixed lines; without it the model says them

[services.options.voice]
audio.output.voice = "marin"
```

Greeting, tools, transfers, goodbyes, silence prompts, voicemail and recordings work as with three services. What is
different:

- **Fixed lines** (greeting, prompts, goodbyes) are said by the model, which is told to say them word for word; so a
  model may change a word; `ultravox` speaks them as they stand. With `tts` they are said by that voice, exactly, and
  sooner. Answers are the model's own.
- **Turns** are the service's: it decides when the caller has finished, and what stops it. Keys do, too.
- **Warm transfers** brief a colleague with `tts`, by default the one that *auto* finds: the model talks with the
  caller.
- **`[after_call]`** needs an `llm` beside it, which only sums calls up.
- **Call flows** are refused, and so is `stt` beside it. A service that can be given no words is refused as well: it
  could neither greet nor be told of keys.
- **A service that is lost** has no voice to apologise with: the fallback is a transfer, or the words of the carrier.

The options that a session of OpenAI's, Azure's and Grok's interface has (`audio`, `max_output_tokens`, `reasoning`,
...) are written as its reference names them. With `ultravox`, `voice` is a voice's name, and `call` is a table of what
else its "Create Call" takes (`vadSettings`, `maxDuration`, ...).

[examples/one_voice](../examples/one_voice) is such an agent:

<!-- not run here: it needs an account; tests/examples/test_an_agent_has_one_service_for_all.py calls it -->
```sh
AGENTS_DIR=examples/one_voice AGENT=frontdesk make call
```"""

HEAD = """# Services

<!-- Written by `make docs` from providers/ and conversation/services/. Change the tables there. -->

An agent hears, thinks and speaks with services, which its file names:

```toml
[services]
stt = "deepgram"
llm = "openai"
tts = "rime"

[services.options.tts]
voice = "cove"
```

`auto`, which is also what a missing name means, takes the first service whose key is set, of those under *auto*
below, and `local` when there is none. `STT`, `LLM` and `TTS` in `.env` name a service for all agents whose file does
not. A name that does not exist, a variable that is not set and a package that is not installed are found at the
start, with the fix.

**Lists.** `tts = ["cartesia", "openai"]` names services that stand in for one another, and so does
`TTS=cartesia,openai` in `.env`: when one fails, the next one goes on in the same turn. Where the local stack is
installed and the agent's language is English, it stands behind each list unnamed.
[conversation.md](conversation.md#providers-that-fail) has the whole of it. With a list, options stand in a table for
each service, and voices in one of their own:

```toml
[services]
tts = ["cartesia", "openai"]

[services.voices]
openai = "nova"

[services.options.tts.cartesia]
model = "sonic-3.6"
```

A list is no choice between services that may be missing: each needs its key and its package. Empty lists, names that
stand twice, `auto` in a list, options for none of its services, and a list beside a `voice` are refused at the start.

**Variables** go into `.env` or the environment. They are named as Pipecat's own examples name them.

**Packages.** Services under *auto* come with `make setup`. For the others, `make setup EXTRAS="rime groq"` adds what
they need; they are in no lock, but keep to the versions of the lock. *Packages* below has the word for `EXTRAS`.

**Options.** `[services.options.stt]`, `.llm`, `.tts` and `.voice` are handed to the service: the fields of its Pipecat
settings, and with services that are not under *auto* also the arguments of its constructor. The agent's `language`
reaches recognisers and voices that can be told one.

**Time-outs** are the same for all, whatever the vendor: `CONNECT_SECS`, `FIRST_TOKEN_SECS`, `STALL_SECS` and
`FIRST_AUDIO_SECS` in `.env.example`, and `FAILOVER_SECS` in the place of any longer one for a service that has another
behind it in a list. Vendors' libraries do not ask again by themselves; the bot does, once, and speaks to the caller
meanwhile.

## What was tried

None of the services was called at its vendor's: that takes accounts. What our tests do with each is in the last
column:

- **calls**: whole calls against a server on this machine that speaks the vendor's protocol, and that fails and falls
  silent in every way that we know.
- **asked**: one question to a server on this machine, answered in words.
- **built**: made with a made-up key, as for a call, and nothing sent.
- **read**: its package is not in our environment. Class, constructor and settings were compared with the table, no
  more.
- **refused**: a call could not be held with it; it is refused at the start.

Pipecat's version is the one of the lock. Services that it calls deprecated are not here.
"""

OWN = """## A class of your own

A name with a colon is `module:Class`, for a service that no table has:

```toml
[services]
tts = "my_voice:MyVoice"

[services.options.tts]
url = "http://127.0.0.1:5002/speak"
voice = "anna"
```

The module is looked for beside the agent's file first, then among installed ones; modules beside it are a package
(`from . import other`). The class is a subclass of Pipecat's `STTService`, `LLMService` (also for `voice`) or
`TTSService`. An option is handed on as a field of its `Settings`, if it has that, else as an argument of its
constructor. A recogniser gets the caller's sound at 16 kHz, or at the 8 kHz of the line if its class says
`hears_hz = 8000`. Time-outs, and words for the caller when it fails, are those of all services. A class reads keys of
its own with `from settings import read_given` and `read_given().values["MY_KEY"]`, which knows `.env` as well.

[examples/own_voice](../examples/own_voice) is an agent with such a voice:

<!-- not run here: it needs the voice's server; tests/examples/test_an_agent_brings_its_own_voice.py calls it -->
```sh
AGENTS_DIR=examples/own_voice AGENT=reception make call
```
"""


def reference() -> str:
    """The text of docs/services.md."""
    parts = [HEAD]
    for kind, title in TITLES.items():
        unasked = [service.name for service in taken_unasked(kind)]
        looks = f"*auto* looks at {', '.join(f'`{name}`' for name in unasked)}, in this order."
        parts.append(
            f"## {title}\n\n"
            f'`{kind} = "..."`{f"; {looks}" if unasked else BESIDE}\n\n'
            "| name | variables | packages | | tried |\n| --- | --- | --- | --- | --- |\n"
            + "\n".join(_line(service, unasked) for service in services_of(kind).values())
            + "\n"
        )
    return "\n".join([*parts, OWN])


def _line(service: Service, unasked: Iterable[str]) -> str:
    row = next((row for row in ROWS if (row.kind, row.name) == (service.kind, service.name)), None)
    packages = "auto" if row is None else f"`{row.brought_by.replace(',', ' ')}`"
    cells = [
        f"`{service.name}`",
        _variables_of_tuned(service) if row is None else _variables(row),
        packages,
        "" if row is None else _notes(row),
        _tried(service),
    ]
    return f"| {' | '.join(cells)} |"


def _variables_of_tuned(service: Service) -> str:
    either = [f"`{name.upper()}`" for name in (service.key, service.stand_in) if name]
    return " or ".join(either)


def _variables(row: Row) -> str:
    needed = [f"`{name}`" for name in row.needs.values()]
    either = " or ".join(f"`{name}`" for name in row.either)
    may = [f"`{name}`" for name in row.may.values() if name not in row.either]
    return ", ".join([*needed, *([either] if either else []), *([f"also {', '.join(may)}"] if may else [])])


def _notes(row: Row) -> str:
    notes = [row.note] if row.note else []
    if row.choose:
        notes.append(f"Name a {' and a '.join(f'`{name}`' for name in row.choose)}.")
    if row.speaks is not None:
        option = "`model`" if row.kind == "stt" else "`voice`"
        notes.append(f"English, unless a {option} is named.")
    return " ".join(notes)


def _tried(service: Service) -> str:
    if not service.takes_messages:
        return "refused"
    if service.is_local or (service.kind, service.name) in CALLED_IN_TESTS:
        return "calls"
    if service.kind == "llm" and service.name in ASKED_IN_TESTS:
        return "asked"
    return "read" if service.name in READ[service.kind] else "built"


READ: dict[Kind, frozenset[str]] = {
    "stt": frozenset(
        "aws azure deepgram-flux-sagemaker deepgram-sagemaker funasr mistral nvidia nvidia-sagemaker nvidia-segmented "
        "sarvam sarvam-realtime speechmatics whisper whisper-mlx".split()
    ),
    "llm": frozenset({"aws"}),
    "voice": frozenset({"aws-nova-sonic"}),
    "tts": frozenset(
        "aws azure azure-http camb deepgram-flux-sagemaker deepgram-sagemaker fish groq hume kokoro mistral nvidia "
        "nvidia-sagemaker nvidia-sagemaker-http pocket-tts rime-v1 speechmatics".split()
    ),
}
"""Services whose packages our environment has not."""
