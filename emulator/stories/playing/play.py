"""Plays one story on one carrier and judges it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from emulator.account import Account, Application, OwnNumber
from emulator.bot.served import SERVER_LOG, printed_address, printed_document
from emulator.carriers import CARRIERS
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.legs.leg import BY_DIAL
from emulator.legs.lists import AT_ONCE, LAG_SECS
from emulator.line import tonespeech
from emulator.line.caller import Manners
from emulator.line.codecs import Pcm
from emulator.line.impairments import IDEAL, Profile
from emulator.line.speech import write_stereo
from emulator.network import BOT_NUMBER, PhoneNetwork
from emulator.stories.ears import Ears, ToneHearing, VoiceHearing
from emulator.stories.happenings import Board, Happening, of_request
from emulator.stories.judging.evidence import Evidence
from emulator.stories.judging.judge import judge
from emulator.stories.playing.calls_api import CallsApi, waits_for_api
from emulator.stories.playing.casting import Casting
from emulator.stories.playing.document_server import documents_of
from emulator.stories.playing.operator import Operator
from emulator.stories.playing.outcome import Outcome, Speech
from emulator.stories.playing.serving import STORY_VARIABLE, Scene, Server, beside
from emulator.stories.playing.stage import Stage
from emulator.stories.story import BY_COMMANDS, NO_WEBHOOKS, PRINTED, PRINTED_BIN, STORY_HOST, CallPart, Story

PATIENCE = {"beeps": 0.5, "words": 0.9}
AGENT_OF_A_STORY = "story"


async def play(
    story: Story,
    carrier: str,
    server: Server,
    *,
    credentials: Credentials | None = None,
    speech: Speech | None = None,
    keep: Path | None = None,
    line: Profile = IDEAL,
) -> Outcome:
    """Play a story and judge it.

    Args:
        story: The story.
        carrier: One of its carriers, see `emulator.stories.story.CARRIERS`.
        server: Starts the server under test.
        credentials: The emulated account.
        speech: For a story in words.
        keep: A folder for recordings and the server's output; by default they are thrown away.
        line: How the lines behave where the story does not say so itself.

    Raises:
        EmulatorError: The server cannot be started, or the story needs a voice that is not there.
    """
    if story.voice == "words" and speech is None:
        raise EmulatorError(f"{story.file}: the story is told in words: it needs the local voice and ears")
    begin = time.monotonic()
    outcome = Outcome(story, carrier)
    with tempfile.TemporaryDirectory(prefix="story-") as scratch:
        directory = Path(scratch) if keep is None else keep
        directory.mkdir(parents=True, exist_ok=True)
        profile = story.line.profile(line)
        playing = _Playing(
            story, carrier, credentials or Credentials(), speech, directory, Path(scratch), profile
        )
        try:
            async with asyncio.timeout(story.limit_secs + 150):
                evidence = await playing.play(server)
            outcome.happenings, outcome.zero = list(evidence.happenings), evidence.zero
            outcome.seams = list(evidence.seams)
            outcome.verdicts = await asyncio.to_thread(judge, story, evidence)
        except TimeoutError:
            outcome.trouble = "the server did not get ready, or did not stop, in time"
    outcome.secs = time.monotonic() - begin
    return outcome


@dataclass
class _Playing:
    story: Story
    carrier: str
    credentials: Credentials
    speech: Speech | None
    directory: Path
    scratch: Path
    line: Profile
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def network(self) -> str:
        """The carrier's own name."""
        return self.carrier.removesuffix(BY_COMMANDS)

    @property
    def controlled(self) -> bool:
        """Whether the number has an application that commands its calls, instead of documents."""
        return self.carrier.endswith(BY_COMMANDS)

    def _number_at(self, base: str, documents: str | None) -> str:
        """The address to enter for the bot's number: the one that the server prints, if it does."""
        if self.story.number.url is not None:
            return self.story.number.url
        first = next((name for name in self.story.documents if name != self.story.number.fallback), None)
        if first is not None:
            return f"{documents}/{first}"
        if self.controlled:
            return f"{base}/{self.network}/events"
        return self._printed(base, "voice")

    def _printed(self, base: str, purpose: str) -> str:
        log = self.directory / SERVER_LOG
        printed = printed_address(log, base, self.network, purpose) if log.exists() else None
        return printed or f"{base}/{self.network}/{purpose}"

    def _kept(self, base: str) -> dict[str, str]:
        """The document that the carrier keeps, if the number falls back to it: the one that the server has printed."""
        if self.story.number.fallback != PRINTED_BIN:
            return {}
        log = self.directory / SERVER_LOG
        return {PRINTED_BIN: printed_document(log, f"{base}/{self.network}/") or "<Response/>"}

    def _configure(self, account: Account, base: str, documents: str | None) -> None:
        """Enter at the carrier what the story says of the bot's number, and what the server has printed."""
        number, own = self.story.number, account.numbers[0]
        at: OwnNumber | Application = own
        application = CARRIERS[self.network].application(self.credentials, commanded=self.controlled)
        if application is not None:
            own.application = application.id
            at = application
            account.applications.append(application)
        at.method = number.method or at.method
        at.status_method = number.status_method
        if number.fallback == PRINTED:
            at.fallback = self._printed(base, "fallback")
        elif number.fallback is not None:
            at.fallback = (
                f"{documents}/{number.fallback}"
                if number.fallback in (PRINTED_BIN, *self.story.documents)
                else number.fallback
            )

    async def play(self, server: Server) -> Evidence:
        story, board = self.story, Board()
        speak = self.speech.speak if self.speech else tonespeech.speak
        casting = Casting(speak, self.speech.transcribe if self.speech else None, board)
        parts = {one.name: one.steps for one in story.people} | {one.name: one.steps for one in story.calls}
        scripts = await asyncio.to_thread(
            lambda: {name: casting.script(steps, name) for name, steps in parts.items()}
        )
        account = Account([OwnNumber(number) for number in _numbers_of(story)])
        async with AsyncExitStack() as stack:
            network = await stack.enter_async_context(
                PhoneNetwork(
                    self.network,
                    credentials=self.credentials,
                    speak=speak,
                    events=replace(story.events, seed=story.seed),
                    faults=story.faults,
                    seed=story.seed,
                    hold_speed=story.hurry,
                    account=account,
                    list_lag_secs=LAG_SECS if story.lists_lag else AT_ONCE,
                    line=self.line,
                    detection_words=story.detection_words,
                )
            )
            addresses = await stack.enter_async_context(beside(story, self.directory))
            scene = self._scene(network, addresses)
            base = await stack.enter_async_context(server(scene))
            documents = await stack.enter_async_context(
                documents_of(story, base, self.network, self._kept(base))
            )
            self._configure(account, base, documents)
            stage = Stage(network, board, story.people, scripts)
            stage.open()
            clock = network.exchange.clock.now
            network.requests.listeners.append(lambda request: board.note(of_request(request)))
            network.faults.listeners.append(lambda text: board.note(Happening(clock(), "fault", None, text)))
            zero = clock()
            operator = Operator(
                base,
                self.credentials.api_key,
                board,
                partial(self._call_id, stage),
                network.exchange.clock,
                scene.machine,
                self.speech.transcribe if self.speech else None,
                {"carrier": self.network},
            )
            calls_api = CallsApi(base, self.credentials.api_key)
            if waits_for_api(story):
                following = asyncio.create_task(
                    calls_api.follow(partial(self._known, stage, operator), board)
                )
                stack.callback(following.cancel)
            try:
                async with asyncio.timeout(story.limit_secs):
                    await self._act(stage, operator, self._number_at(base, documents), base)
            except TimeoutError:
                self.problems.append(
                    ("", f"the story was not over after its limit of {story.limit_secs:g} s")
                )
            api = await calls_api.in_the_end(self._known(stage, operator))
            extra = [one for one in board.happenings if one.call is None]
            told = calls_api.happenings(api)
            happenings = sorted([*stage.happenings(), *extra, *told], key=lambda one: one.at)
            await asyncio.to_thread(self._keep, stage)
            return Evidence(
                zero,
                happenings,
                stage.ears(),
                self._ears,
                stage.reports,
                frozenset(part.name for part in story.calls),
                stage.attempts(),
                network.requests.entries,
                api,
                [*stage.problems(), *(("operator", text) for text in operator.problems), *self.problems],
                self.scratch / "data",
                stage.seams(),
            )

    async def _act(self, stage: Stage, operator: Operator, voice_url: str, base: str) -> None:
        over = {part.name: asyncio.Event() for part in self.story.calls}

        async def call(part: CallPart) -> None:
            try:
                if part.after is not None:
                    await over[part.after].wait()
                await asyncio.sleep(part.begin_secs)
                url = voice_url + (f"?{urlencode(dict(part.query))}" if part.query else "")
                patience = part.patience if part.patience is not None else PATIENCE[self.story.voice]
                manners = Manners(patience=patience, reply_timeout=8.0, goodbye_timeout=12.0)
                told = not self.controlled and self.story.settings.get(STORY_HOST) != NO_WEBHOOKS
                status_url = f"{base}/{self.network}/status" if told else None
                mode = "call_control" if self.controlled else ""
                await stage.call(part, url, list(stage.scripts[part.name]), manners, status_url, mode)
            except EmulatorError as error:
                self.problems.append((part.name, str(error)))
            finally:
                over[part.name].set()

        async with asyncio.TaskGroup() as group:
            for part in self.story.calls:
                group.create_task(call(part))
            if self.story.operator:
                group.create_task(operator.run(list(self.story.operator)))
        await stage.until_over()

    def _scene(self, network: PhoneNetwork, addresses: dict[str, str]) -> Scene:
        agents = self.scratch / "agents"
        environment = network.environment() | {
            "API_KEY": self.credentials.api_key,
            "DATA_DIR": str(self.scratch / "data"),
            STORY_VARIABLE: str(self.story.file.resolve()),
            "PHONEBOT_ENV_FILE": "",
        }
        if self.controlled:
            environment |= CARRIERS[self.network].command_settings
        if self.story.agent is not None and "=" in self.story.agent:
            agents.mkdir()
            (agents / f"{AGENT_OF_A_STORY}.toml").write_text(self.story.agent, encoding="utf-8")
            environment |= {"AGENT": AGENT_OF_A_STORY, "AGENTS_DIR": str(agents)}
        elif self.story.agent is not None:
            environment["AGENT"] = self.story.agent
        if self.story.agents is not None:
            environment["AGENTS_DIR"] = str(self.story.agents)
        settings = {
            name: value.replace("{rest}", network.rest_url) for name, value in self.story.settings.items()
        }
        return Scene(self.story, self.carrier, environment | addresses | settings, self.directory)

    @staticmethod
    def _call_id(stage: Stage, name: str) -> str | None:
        if name == "call":
            return stage.played[0].call.leg.call_id if stage.played else None
        return next((one.call.leg.call_id for one in stage.played if one.name == name), None)

    @staticmethod
    def _known(stage: Stage, operator: Operator) -> list[tuple[str, str]]:
        """The calls that the server's API is asked about: its own, not the legs that the carrier made for them."""
        own = ((one.name, one.call.leg.call_id) for one in stage.played if one.call.leg.direction != BY_DIAL)
        return [*own, *operator.saved.items()]

    def _ears(self, heard: Pcm) -> Ears:
        if self.speech is None:
            return ToneHearing(heard, self.story.words)
        return VoiceHearing(heard, self.speech.transcribe)

    def _keep(self, stage: Stage) -> None:
        if self.directory == self.scratch:
            return
        for number, one in enumerate(stage.played, start=1):
            if one.call.line.heard:
                write_stereo(
                    self.directory / f"{number}-{one.who}.wav", [stage.said(one)], [stage.heard(one)]
                )


def _numbers_of(story: Story) -> list[str]:
    """The account's own numbers: the emulator's own, and those that the story lets the server call from."""
    named = [story.settings.get("CALLER_ID", ""), *story.settings.get("CALLER_IDS", "").split(",")]
    return list(dict.fromkeys([BOT_NUMBER, *(number.strip() for number in named if number.strip())]))
