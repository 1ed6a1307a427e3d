"""Plays talks as phone calls, several at a time, and gathers what is known of each afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import numpy as np

from bench.serving import API_KEY
from emulator import Audio, Colleague, Digits, EmulatorError, HangUp, ScriptItem, Wait
from emulator.legs.call import Call
from emulator.legs.leg import INBOUND
from emulator.line.codecs import Pcm
from emulator.line.line import PhoneLine
from emulator.line.speech import write_stereo
from emulator.network import BOT_NUMBER, CALLER_NUMBER
from talks.agent_facts import AgentFacts
from talks.caller import TalkingCaller, TalkingColleague
from talks.evidence import Event, Evidence, Message
from talks.format import Play
from talks.mouth import Mouth
from talks.parts import Prepared, Sounds, about_secs
from talks.stage import Stage

LONGEST_SECS = 240.0
"""How long a call may last before it is given up."""

APART_SECS = 0.7
"""From one call to the next: people do not call at the same moment."""

SETTLES_SECS = 5.0
"""How long after a call's end the server may take to write it down."""

PERSON = "+12025559{:03d}"
"""Numbers of those whom the bot calls."""


COLLEAGUE_SAYS = ("piper/joe", "Hello, how can I help you?")
"""Voice and words of those to whom the bot puts its callers through."""


@dataclass
class Recording:
    """A talk that was played, before it is listened to.

    Attributes:
        evidence: All but what was heard.
        said: What the caller's phone sent.
        heard: What was heard at the caller's ear.
        timeline: What happened when, as text.
    """

    evidence: Evidence
    said: Pcm = field(repr=False)
    heard: Pcm = field(repr=False)
    timeline: str = field(default="", repr=False)


@dataclass
class _Seat:
    """Where a call's parts meet while it is placed."""

    call: Call | None = None
    caller: TalkingCaller | None = None


@dataclass
class Player:
    """Plays talks on networks of both carriers.

    Attributes:
        stages: The server of each brain, and its networks; they run.
        sounds: Where speech comes from.
        facts: Of each agent that is called.
        folder: Where recordings are kept; None for nowhere.
        tell: Takes a line about each talk that is over.
    """

    stages: Mapping[str, Stage]
    sounds: Sounds
    facts: Mapping[str, AgentFacts]
    folder: Path | None
    tell: Callable[[str], None]

    async def play_all(self, talks: Sequence[Prepared], jobs: int) -> list[Recording]:
        """Play all of them, so many at a time; returns them in their order."""
        free = asyncio.Semaphore(jobs)
        begin = asyncio.Lock()

        async def one(number: int, talk: Prepared) -> Recording:
            async with free:
                async with begin:
                    await asyncio.sleep(APART_SECS)
                recording = await self._play(number, talk)
            if self.folder is not None:
                await asyncio.to_thread(self._keep, recording)
            self.tell(f"  {talk.play.label}: {recording.evidence.ended_ms / 1000:.0f} s")
            return recording

        # The longest ones begin first, so that none is left over at the end.
        order = sorted(range(len(talks)), key=lambda number: -about_secs(talks[number].parts))
        async with asyncio.TaskGroup() as group:
            tasks = {number: group.create_task(one(number, talks[number])) for number in order}
        return [tasks[number].result() for number in range(len(talks))]

    async def _play(self, number: int, talk: Prepared) -> Recording:
        play, seat = talk.play, _Seat()
        problems: list[str] = []
        try:
            async with asyncio.timeout(LONGEST_SECS):
                if play.talk.placed_by == "bot":
                    await self._be_called(number, talk, seat)
                else:
                    await self._call(talk, seat)
        except TimeoutError:
            problems.append(f"the call was not over after {LONGEST_SECS:.0f} s")
            if seat.call is not None:
                seat.call.hang_up("error", "the talk is given up")
        except (EmulatorError, aiohttp.ClientError) as error:
            problems.append(str(error))
        if seat.call is None or seat.caller is None:
            nothing = np.zeros(0, dtype=np.int16)
            lost = Evidence(
                play, (), play.talk.turns, ended_by="nobody", problems=problems or ["no call was placed"]
            )
            return Recording(lost, nothing, nothing)
        return await self._gather(play, seat.call, seat.caller, problems)

    async def _call(self, talk: Prepared, seat: _Seat) -> None:
        play = talk.play
        stage = self.stages[play.brain]
        network = stage.networks[play.carrier]
        url = f"{stage.voice_urls[play.carrier]}?{urlencode({'agent': play.talk.agent})}"
        await network.call(
            url,
            from_number=CALLER_NUMBER,
            status_callback=f"{stage.base}/{play.carrier}/status",
            colleagues=self._colleagues(play),
            on_call=lambda call: self._sit_down(talk, call, seat, TalkingCaller),
        )

    async def _be_called(self, number: int, talk: Prepared, seat: _Seat) -> None:
        play = talk.play
        stage = self.stages[play.brain]
        network = stage.networks[play.carrier]
        address = PERSON.format(number)
        network.add_person(Colleague(address))

        def seen(call: Call) -> None:
            if call.leg.direction != INBOUND and call.leg.to_number == address and seat.call is None:
                self._sit_down(talk, call, seat, TalkingColleague)

        network.exchange.on_new_call.append(seen)
        try:
            order = {
                "carrier": play.carrier,
                "to": address,
                "from": BOT_NUMBER,
                "agent": play.talk.agent,
                "parameters": dict(play.talk.parameters),
            }
            timeout = aiohttp.ClientTimeout(total=15)
            async with (
                aiohttp.ClientSession(headers=_key(), timeout=timeout) as session,
                session.post(f"{stage.base}/calls", json=order) as answer,
            ):
                if answer.status not in (200, 201, 202):
                    text = (await answer.text())[:200]
                    raise EmulatorError(f"the server places no call (HTTP {answer.status}: {text})")
            await network.next_result(address, timeout_secs=LONGEST_SECS)
        finally:
            network.exchange.on_new_call.remove(seen)

    @staticmethod
    def _sit_down(talk: Prepared, call: Call, seat: _Seat, kind: type[TalkingCaller]) -> None:
        call.line.mouthpiece = Mouth(call.line, talk.background, talk.play.talk.line.echo)
        seat.call, seat.caller = call, kind.take_over(call, talk.parts)

    def _colleagues(self, play: Play) -> list[Colleague]:
        """The people to whom the agent can put its callers through: they take the call, and say a word or two."""
        facts = self.facts[play.talk.agent]
        people = []
        for name, number in facts.numbers.items():
            hello = Audio(self.sounds.speech(*COLLEAGUE_SAYS), "hello")
            takes_it: list[ScriptItem] = [Digits("1"), Wait(3.0)] if name in facts.warm else [Wait(1.5)]
            people.append(Colleague(number, 1.0, script=[hello, *takes_it, HangUp()]))
        return people

    async def _gather(self, play: Play, call: Call, caller: TalkingCaller, problems: list[str]) -> Recording:
        line: PhoneLine = call.line
        said, heard = (
            np.concatenate([np.zeros(0, dtype=np.int16), *side]) for side in (line.said, line.heard)
        )
        stage = self.stages[play.brain]
        shown = await _shown(stage.base, call.leg.call_id)
        events = _events_of(shown, call.answered_wall)
        people = list(line.people)
        by_people = [(burst.start_ms, burst.end_ms) for burst in line.hearing.bursts]
        evidence = Evidence(
            play,
            caller.done,
            [part.turn for part in caller.left],
            bot=[
                (start, end) for start, end in by_people if not any(one <= start < two for one, two in people)
            ],
            events=events,
            messages=await asyncio.to_thread(_messages, stage.data, str(shown.get("id", ""))),
            ended_by=call.ended_by,
            ended_ms=line.now_ms,
            people=people,
            destinations=[
                str(one.data.get("destination")) for one in events if one.kind == "transfer_started"
            ],
            lost_ms=sum(loss.audible_ms for loss in call.losses if not loss.taken_back),
            lag_ms=line.worst_lag_ms,
            problems=[*problems, *([] if shown else ["the server does not know the call"])],
        )
        notes = [text for text in call.errors if "was not heard" in text or "emulator itself" in text]
        evidence.problems += notes
        return Recording(evidence, said, heard, str(call.timeline))

    def _keep(self, recording: Recording) -> None:
        assert self.folder is not None
        path = self.folder / recording.evidence.play.label
        write_stereo(path.with_suffix(".wav"), [recording.said], [recording.heard])
        path.with_suffix(".txt").write_text(recording.timeline + "\n", encoding="utf-8")


async def _shown(base: str, call_id: str) -> dict[str, Any]:
    """What the server shows of a call, once it has written down its end; empty when it knows nothing."""
    shown: dict[str, Any] = {}
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(headers=_key(), timeout=timeout) as session:
        for _ in range(round(SETTLES_SECS / 0.25)):
            try:
                async with session.get(f"{base}/calls/{quote(call_id, safe='')}") as answer:
                    if answer.status == 200:
                        shown = await answer.json()
            except (TimeoutError, aiohttp.ClientError):
                continue
            if any(one.get("kind") == "ended" for one in shown.get("events", ())):
                break
            await asyncio.sleep(0.25)
    return shown


def _key() -> dict[str, str]:
    return {"Authorization": f"Bearer {API_KEY}"}


def _events_of(shown: Mapping[str, Any], answered: datetime | None) -> list[Event]:
    if answered is None:
        return []
    events = []
    for one in shown.get("events", ()):
        data = {name: value for name, value in one.items() if name not in ("kind", "at")}
        at = datetime.fromisoformat(one["at"])
        events.append(Event(one["kind"], round((at - answered).total_seconds() * 1000), data))
    return events


def _messages(data: Path, call_id: str) -> list[Message]:
    """The messages of a call, as they are in the owner's file."""
    path = data / "messages.jsonl"
    if not path.exists() or not call_id:
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["call_id"] == call_id:
            found.append(Message(row["caller_name"], row["callback_number"], row["text"]))
    return found
