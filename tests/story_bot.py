"""The real server with a bot that has a part in a story: `python -m tests.story_bot`, started by the emulator.

With `--forks` it loads everything once and makes a copy of itself for each story. With `--postgres` besides, each story
has a database in a PostgreSQL that is started for them, in the place of an SQLite file.

For a story with `voice: beeps` the bot speaks and hears tones (docs/stories.md) and answers by the story's `bot:`
section in a model's place; everything else is the product. For a story in words it is the product as it is. With
`STORY_HOST=cloud` among the story's settings the bot is on a host without webhooks, `tests.cloud_host`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import yaml
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
)
from pipecat.processors.aggregators import async_tool_messages
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy, TurnAnalyzerUserTurnStopStrategy
from pipecat.utils.errors import ErrorCategory

from tests import tone_speech
from tests.tone_services import BREAKING_OFF, ERRORS, Failing, ToneActivity, ToneEars, ToneVoice

if TYPE_CHECKING:
    from conversation.agents.agent import Agent
    from conversation.services import ServiceChoice
    from settings import Settings

RULE_KEYS = {"hears", "after_tool", "knows", "says", "does", "fails", "pause", "once", "silent"}
PRELOADED = (
    *(
        "server",
        "bot",
        "conversation.pipeline",
        "web.api",
        "web.media",
        "web.routes",
        "deployment.tunnel",
    ),
    *("uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"),
    *("pipecat.services.openai.stt", "pipecat.services.openai.llm", "pipecat.services.openai.tts"),
    *("httpcore", "pipecatcloud"),
)
PARDON = "Pardon?"
POSTGRES = "STORY_POSTGRES"
"""The address of a PostgreSQL that has a database for each story, without a database's name."""

QUIET_TURN_SECS = 0.2


class PartError(Exception):
    """The `bot:` section of a story is not usable."""


@dataclass
class Rule:
    """What the bot does when it hears something.

    Attributes:
        hears: Part of the caller's last words or keys; None for anything.
        after_tool: Instead: the name of the tool whose result the model now sees.
        knows: Besides: part of what was said in the conversation before, by anybody.
        says: Sentences.
        does: Tools to call, with their arguments.
        fails: How the model fails: a name of Pipecat's `ErrorCategory`.
        pause: Seconds before the answer.
        once: Only the first time.
        silent: The model never answers.
    """

    hears: str | None = None
    after_tool: str | None = None
    knows: str | None = None
    says: list[str] = field(default_factory=list)
    does: dict[str, dict[str, Any]] = field(default_factory=dict)
    fails: str | None = None
    pause: float = 0.0
    once: bool = False
    silent: bool = False
    used: bool = False


@dataclass
class Part:
    """The bot's part of a story."""

    rules: list[Rule]
    vocabulary: set[str]
    voice: Failing = field(default_factory=Failing)
    ears: Failing = field(default_factory=Failing)
    listed: dict[tuple[str, str], Failing] = field(default_factory=dict)
    """What those of a list do wrong, by `voice`, `ears` or `model` and their names."""

    def of_list(self, job: str, name: str) -> Failing:
        return self.listed.setdefault((job, name), Failing())

    def answer(self, words: str, tool: str | None, before: str = "", *, uses: bool = True) -> Rule:
        for rule in self.rules:
            if (rule.used and rule.once) or (rule.knows is not None and not _within(rule.knows, before)):
                continue
            fits = (
                rule.after_tool == tool
                if tool is not None or rule.after_tool is not None
                else rule.hears is None or _within(rule.hears, words)
            )
            if fits:
                rule.used = rule.used or uses
                return rule
        return Rule(says=[] if tool is not None else [PARDON])


def _within(part: str, words: str) -> bool:
    plain = " ".join(tone_speech.words(words))
    return part.lower() in words.lower() or f" {' '.join(tone_speech.words(part))} " in f" {plain} "


def read_part(path: Path) -> Part | None:
    """The bot's part; None for a story in words.

    Raises:
        PartError: It has a mistake.
    """
    story = yaml.safe_load(path.read_text(encoding="utf-8"))
    if story.get("voice", "beeps") == "words":
        return None
    rules = []
    for number, entry in enumerate(story.get("bot") or []):
        if not isinstance(entry, dict) or entry.keys() - RULE_KEYS or not entry.keys() - {"hears", "once"}:
            raise PartError(
                f"{path}: bot[{number}]: write keys of {', '.join(sorted(RULE_KEYS))}, and what the bot does"
            )
        says = entry.get("says", [])
        does = {name: dict(arguments or {}) for name, arguments in (entry.get("does") or {}).items()}
        rule = Rule(**{**entry, "says": [says] if isinstance(says, str) else says, "does": does})
        rule.hears = None if rule.hears is None else str(rule.hears)
        rule.pause = secs(rule.pause)
        rules.append(rule)
    part = Part(rules, set(tone_speech.words(path.read_text(encoding="utf-8").replace('"', " "))))
    for job, written in (story.get("failing") or {}).items():
        if "how" in written:
            setattr(part, job, _read_failing(written))
        else:
            part.listed |= {(job, name): _read_failing(one) for name, one in written.items()}
    return part


def _read_failing(written: dict[str, Any]) -> Failing:
    first = int(written.get("from", 1))
    return Failing(**{key: value for key, value in written.items() if key != "from"}, first=first)


def secs(written: str | float) -> float:
    """A length of time as stories write it, in seconds."""
    text = str(written).strip()
    for unit, factor in (("ms", 0.001), ("s", 1), ("m", 60)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)


class PlayedBrain(LLMService):
    """A model that plays a part."""

    def __init__(self, part: Part, failing: Failing | None = None) -> None:
        nothing = dict.fromkeys(
            field.name for field in dataclasses.fields(LLMSettings) if field.name != "extra"
        )
        super().__init__(settings=LLMSettings(**nothing))
        self._part = part
        self._failing = failing or Failing()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        how = self._failing.now()
        messages, begun = _begun(frame.context.get_messages())
        works = how in (None, "repeats")
        rule = self._part.answer(*_last_words(messages), _words_before(messages), uses=works)
        if not works:
            await self._misbehave(how, rule)
            return
        if rule.silent:
            await asyncio.Event().wait()
        if rule.pause:
            await asyncio.sleep(rule.pause)
        await self.push_frame(LLMFullResponseStartFrame())
        for text in rule.says if how == "repeats" else _rest(rule.says, begun):
            await self._push_llm_text(f"{text} ")
        if rule.fails is not None:
            await self.push_error("the model's provider says no", category=ErrorCategory[rule.fails.upper()])
        calls = [
            FunctionCallFromLLM(name, uuid.uuid4().hex, arguments, frame.context)
            for name, arguments in rule.does.items()
        ]
        if calls:
            await self.run_function_calls(calls)
        await self.push_frame(LLMFullResponseEndFrame())

    async def _misbehave(self, how: str | None, rule: Rule) -> None:
        """Begin and end a reply as Pipecat's own services do whose provider fails."""
        await self.push_frame(LLMFullResponseStartFrame())
        try:
            if how in BREAKING_OFF:
                words = " ".join(rule.says).split()
                said, cut = words[: int(self._failing.after)], words[int(self._failing.after) :]
                for word in said:
                    await self._push_llm_text(f"{word} ")
                if cut:
                    await self._push_llm_text(cut[0][:-1])
            if how in ("silent", "stalls"):
                await asyncio.Event().wait()
            elif how in ERRORS:
                await self.push_error("the model's provider is broken", category=ERRORS[how])
        finally:
            await self.push_frame(LLMFullResponseEndFrame())


def _begun(messages: list[Any]) -> tuple[list[Any], str]:
    """The conversation, and what a model before has said of its reply, whose rest is asked for."""
    asks = len(messages) > 2 and [one.get("role") for one in messages[-2:]] == ["assistant", "developer"]
    if (
        asks and async_tool_messages.parse_message(messages[-1]) is None
    ):  # no result of a tool, which comes late
        return messages[:-2], str(messages[-2].get("content"))
    return messages, ""


def _rest(says: list[str], begun: str) -> list[str]:
    count = len(begun.split())
    if not count:
        return says
    words = " ".join(says).split()
    return [" ".join(words[count:])] if words[:count] == begun.split() else says


def _last_words(messages: list[Any]) -> tuple[str, str | None]:
    """The caller's last words, or the tool whose result came last."""
    last = messages[-1]
    late = async_tool_messages.parse_message(last)
    if last.get("role") == "tool" or late is not None:
        used = late.tool_call_id if late is not None else last.get("tool_call_id")
        asked = [call for message in messages for call in message.get("tool_calls") or []]
        return "", next((call["function"]["name"] for call in asked if call["id"] == used), "tool")
    return str(last.get("content", "")) if last.get("role") == "user" else "", None


def _words_before(messages: list[Any]) -> str:
    """What was said in the conversation before the last words."""
    said = (
        message.get("content") for message in messages[:-1] if message.get("role") in ("user", "assistant")
    )
    return "\n".join(text for text in said if isinstance(text, str))


def give_part(part: Part) -> None:
    """Let the product's bot play a part, with a test's voice and ears."""
    from conversation import pipeline
    from conversation.local.models import local_models
    from conversation.services.patience import Patience, with_patience
    from conversation.tools.mcp_servers import learn_all_tools
    from conversation.turns import strategies as turns
    from conversation.turns.ear import Ear
    from conversation.turns.pausing import WordsDecideToo

    class QuietTurn(WordsDecideToo, SpeechTimeoutUserTurnStopStrategy):
        """Ends a turn by silence, in the place of a model that listens to the melody."""

    def build_stt(choice: ServiceChoice, agent: Agent, settings: Settings) -> Any:
        if "stt" not in choice.lists:
            return ToneEars(part.vocabulary, part.ears)
        patient = with_patience(ToneEars, Patience.of(settings))
        return patient(part.vocabulary, part.of_list("ears", choice.stt), agent.language)

    def build_llm(choice: ServiceChoice, _: Agent, settings: Settings, **__: Any) -> Any:
        if "llm" not in choice.lists:
            return PlayedBrain(part)
        return with_patience(PlayedBrain, Patience.of(settings))(part, part.of_list("model", choice.llm))

    def build_tts(choice: ServiceChoice, agent: Agent, settings: Settings) -> Any:
        patient = with_patience(ToneVoice, Patience.of(settings))
        if "tts" not in choice.lists:
            return patient(part.voice)
        return patient(part.of_list("voice", choice.tts), agent.language)

    async def none_to_load(**_: Any) -> None:
        """The local stack is tones, too."""

    strategies = turns.turn_strategies
    # Neither is used in a part: what judges turns is replaced below, and the voice that renders ahead is not the bot's.
    turns.shared_turn_analyzer = lambda **_: None  # type: ignore[assignment,return-value]
    local_models().warm_later = lambda *_, **__: set()  # type: ignore[method-assign]
    local_models().ready = none_to_load  # type: ignore[method-assign]

    def without_a_model(*arguments: Any, **named: Any) -> Any:
        made = strategies(*arguments, **named)
        made.stop = [
            QuietTurn(user_speech_timeout=QUIET_TURN_SECS)
            if isinstance(one, TurnAnalyzerUserTurnStopStrategy)
            else one
            for one in made.stop
        ]
        return made

    async def only_tools_to_learn(agent: Any, settings: Any) -> None:
        await learn_all_tools(agent, settings.agents_dir)

    pipeline.services.build_stt = build_stt
    pipeline.services.build_llm = build_llm
    pipeline.services.build_tts = build_tts
    pipeline.shared_vad = lambda *_, **__: ToneActivity()  # type: ignore[assignment]
    pipeline.open_ear = lambda *_, **__: Ear(ToneActivity())
    pipeline.turn_strategies = without_a_model
    pipeline.warm_up = only_tools_to_learn


def fork_for_stories() -> int:
    """Load everything once, and make a copy for each line of orders: `--forks` of `python -m emulator stories`."""
    for name in PRELOADED:
        importlib.import_module(name)
    from carriers.telnyx.api import TelnyxApi
    from carriers.twilio.api import TwilioApi

    for api in (TwilioApi, TelnyxApi):
        api.import_sdk()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
    gc.collect()
    gc.freeze()  # what is loaded by now is looked at by no copy again
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return _be_copy(order)
        print(pid, flush=True)
    return 0


def _be_copy(order: dict[str, Any]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, nothing), (1, log), (2, log)):
        os.dup2(file, number)
    os.environ.update(order["environment"])
    if (postgres := os.environ.get(POSTGRES)) and "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = asyncio.run(_own_database(postgres, os.environ["DATA_DIR"]))
    return main()


async def _own_database(postgres: str, data_dir: str) -> str:
    """The address of a story's database, which is made unless a process of the story before has made it."""
    import asyncpg

    name = f"story_{hashlib.sha256(data_dir.encode()).hexdigest()[:16]}"
    connection = await asyncpg.connect(f"{postgres}/postgres")
    try:
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f"create database {name} template template0")
    finally:
        await connection.close()
    return f"{postgres}/{name}"


def fork_with_postgres() -> int:
    """The same in another process, and a PostgreSQL meanwhile, which no copy must end."""
    from chaos.database import programs
    from tests.postgres_server import started_postgres

    folder = programs()
    if folder is None:
        print("no PostgreSQL is installed for the stories: apt-get install postgresql", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the emulator's way to say that all are played
    with started_postgres(folder) as address:
        orders = [sys.executable, "-m", "tests.story_bot", "--forks"]
        return subprocess.call(orders, env={**os.environ, POSTGRES: address})


def main() -> int:
    """Serve one story."""
    path = os.environ.get("STORY")
    if not path:
        print("STORY is not set: this bot is started by `python -m emulator stories`", file=sys.stderr)
        return 2
    try:
        part = read_part(Path(path))
    except PartError as error:
        print(error, file=sys.stderr)
        return 2
    import server
    from tests import cloud_host

    if part is not None:
        give_part(part)
    os.environ.setdefault("DRAIN_SECS", "0")  # a story that is over waits for none of its calls
    if os.environ.get("STORY_HOST") == "cloud":
        return cloud_host.serve()
    return server.main([])


if __name__ == "__main__":
    ways = {"--forks": fork_for_stories, "--forks --postgres": fork_with_postgres, "": main}
    sys.exit(ways[" ".join(sys.argv[1:])]())
