"""The operator's part: requests to the product's own API while a story goes on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from emulator.line.clock import Clock
from emulator.stories.ears import Listening, Transcribe
from emulator.stories.happenings import Board, Happening
from emulator.stories.judging.judge import contains
from emulator.stories.playing.serving import Machine
from emulator.stories.story import OperatorStep

REQUEST_SECS = 40.0
LOOK_AGAIN_SECS = 0.05
PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_-]+)\}")


@dataclass
class Operator:
    """Carries out the operator's steps.

    Attributes:
        base: The server's base URL.
        api_key: Its API key.
        board: What happens in the story.
        clock: The network's.
        call_id: The carrier's id of a call by its name, or None.
        machine: What can be done to the server's process.
        transcribe: The ears for a real voice; None where speech is made of tones.
        places: What other placeholders stand for, by name.
        problems: What did not go as written.
        saved: What was saved of answers, by name.
    """

    base: str
    api_key: str
    board: Board
    call_id: Callable[[str], str | None]
    clock: Clock
    machine: Machine = field(default_factory=Machine)
    transcribe: Transcribe | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    saved: dict[str, str] = field(default_factory=dict)

    async def run(self, steps: list[OperatorStep]) -> None:
        """Do what is written; what goes wrong is a problem, and the next step follows."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECS)
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            for step in steps:
                if step.kind == "wait":
                    await self.clock.sleep(step.secs)
                elif step.kind == "wait_for":
                    await self._wait(step)
                elif step.kind == "kill":
                    await self._kill(step)
                else:
                    await self._request(session, step)

    async def _kill(self, step: OperatorStep) -> None:
        """Kill the server, and let its supervisor start it again; the steps go on meanwhile as the server starts."""
        kill, start = self.machine.kill, self.machine.start
        if kill is None or start is None:
            self.problems.append(f"line {step.line}: the server is not the story's own, and cannot be killed")
            return
        await kill()
        self.board.note(Happening(self.clock.now(), "killed", None, "the server is killed"))
        if step.secs >= 0:
            await asyncio.sleep(step.secs)
            await start()
            self.board.note(Happening(self.clock.now(), "restarted", None, "the server is started again"))

    async def _wait(self, step: OperatorStep) -> None:
        assert step.moment is not None
        until = self.clock.now() + step.secs
        moment, listening = step.moment, Listening(step.moment.text, self.transcribe)

        def happened() -> bool:
            if moment.kind == "hears":
                return self.board.heard_by(moment.who, listening)
            return self.board.happened(moment)

        while not happened():
            if self.clock.now() > until:
                self.problems.append(
                    f"line {step.line}: the operator waited {step.secs:g} s in vain for: {step.moment.written}"
                )
                return
            await asyncio.sleep(LOOK_AGAIN_SECS)

    async def _request(self, session: aiohttp.ClientSession, step: OperatorStep) -> None:
        what = f"line {step.line}: {step.method} {step.path}"
        try:
            path, body = self._filled(step.path), self._filled(step.body)
        except KeyError as error:
            self.problems.append(f"{what}: there is no {error.args[0]!r} yet to put in")
            return
        try:
            async with session.request(
                step.method, self.base + path, json=body if body is not None else None
            ) as response:
                status, text = response.status, await response.text()
        except (TimeoutError, aiohttp.ClientError) as error:
            self.problems.append(f"{what}: {type(error).__name__}")
            return
        told = f"{step.method} {path} -> {status}"
        self.board.note(Happening(self.clock.now(), "operator", None, told, {"status": status}))
        good = status < 300 if step.status is None else status == step.status
        if not good:
            wanted = "success" if step.status is None else step.status
            self.problems.append(f"{what}: HTTP {status}, not {wanted}: {text[:300]}")
            return
        try:
            answer = json.loads(text) if text.strip() else None
        except ValueError:
            answer = None
        if step.answer is not None and (difference := contains(answer, step.answer)) is not None:
            self.problems.append(f"{what}: the answer differs: {difference}")
        for name, at in step.save.items():
            value = answer.get(at) if isinstance(answer, Mapping) else None
            if value is None:
                self.problems.append(f"{what}: the answer has no {at!r} to save as {name!r}")
            else:
                self.saved[name] = str(value)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda match: self._value_of(match[1]), value)
        if isinstance(value, Mapping):
            return {key: self._filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        return value

    def _value_of(self, name: str) -> str:
        value = self.saved.get(name) or self.places.get(name) or self.call_id(name)
        if value is None:
            raise KeyError(name)
        return value
