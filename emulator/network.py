"""The phone network: REST servers of both carriers on localhost, and calls through one of them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from emulator.addressing import parse_target
from emulator.call import Call
from emulator.caller import Audio, Digits, HangUp, Manners, Say, ScriptItem, Wait
from emulator.codecs import Pcm
from emulator.colleague import Colleague, ColleagueCall
from emulator.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.faults import Fault, Faults
from emulator.leg import Dialect
from emulator.plan import CallPlan
from emulator.report import Report, make_report
from emulator.requests import RequestLog
from emulator.rest import RestServer
from emulator.server_api import ServerApi, ServerEvent
from emulator.telnyx import Telnyx
from emulator.timeline import Timeline
from emulator.twilio import Twilio

CARRIERS: dict[str, Callable[[Credentials], Dialect]] = {"twilio": Twilio, "telnyx": Telnyx}
# Numbers reserved for fiction
CALLER_NUMBER = "+12025550143"
BOT_NUMBER = "+12025550100"
KEPT_CALLS = 1000
SERVER_SETTLES_SECS = 3.0

Speak = Callable[[str], Pcm]
Transcribe = Callable[[Pcm], str]
OnCall = Callable[[Call], None]
OnServerEvent = Callable[[ServerEvent], None]


@dataclass
class CallResult:
    """A call that is over.

    Attributes:
        report: The outcome.
        timeline: What happened when.
        said: The caller's side, 8 kHz samples.
        heard: What the caller heard, 8 kHz samples.
        colleagues: Every attempt to reach a colleague, in the order of the calls.
    """

    report: Report
    timeline: Timeline
    said: Pcm = field(repr=False)
    heard: Pcm = field(repr=False)
    colleagues: list[ColleagueCall] = field(default_factory=list)


class PhoneNetwork:
    """One carrier on localhost. Use as an async context manager.

    Args:
        carrier: `twilio` or `telnyx`.
        rest_port: Port of the REST server on 127.0.0.1; 0 picks a free one.
        credentials: The account that signs and is let in.
        speak: The local voice, for `Say` in scripts and documents; None for calls without words.
        transcribe: The local ears, for `heard_by_caller`; None for none.
        faults: What is to go wrong with REST, webhooks and media sockets.
        seed: Decides those faults that are left to chance.

    Raises:
        EmulatorError: No such carrier.
    """

    def __init__(
        self,
        carrier: str = "twilio",
        *,
        rest_port: int = 0,
        credentials: Credentials | None = None,
        speak: Speak | None = None,
        transcribe: Transcribe | None = None,
        faults: Iterable[Fault] = (),
        seed: int = 0,
    ) -> None:
        """Prepare; entering the context starts the REST server."""
        if carrier not in CARRIERS:
            raise EmulatorError(f"--carrier {carrier!r} is not one of {', '.join(CARRIERS)}")
        self.credentials = credentials or Credentials()
        self.dialect = CARRIERS[carrier](self.credentials)
        self.speak = speak
        self.transcribe = transcribe
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self.requests = RequestLog()
        self.faults = Faults(faults, self.requests, seed=seed)
        self._rest = RestServer(self.credentials, self._calls.get, port=rest_port, faults=self.faults)

    async def __aenter__(self) -> Self:
        """Start the REST server.

        Raises:
            EmulatorError: Its port is taken.
        """
        try:
            await self._rest.start()
        except OSError:
            raise EmulatorError(
                f"port {self._rest.port} is in use: choose another --rest-port, or 0 for a free one"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the REST server."""
        await self._rest.stop()

    @property
    def rest_url(self) -> str:
        """Base URL of the carriers' REST servers."""
        return self._rest.url

    def environment(self) -> dict[str, str]:
        """The variables that point a server at this network."""
        return self.credentials.environment(self.rest_url)

    async def prepare(self, script: Sequence[ScriptItem]) -> list[Audio | Digits | Wait | HangUp]:
        """Turn the script's sentences into audio, so that no time of a call is spent on it.

        Raises:
            EmulatorError: A sentence, and no voice.
        """
        prepared: list[Audio | Digits | Wait | HangUp] = []
        for item in script:
            if not isinstance(item, Say):
                prepared.append(item)
                continue
            if self.speak is None:
                raise EmulatorError(
                    "the script has sentences but the network has no voice: pass speak=Voice().speak"
                )
            prepared.append(
                Audio(await asyncio.to_thread(self.speak, item.text), item.text, item.after_reply)
            )
        return prepared

    async def call(
        self,
        url: str,
        script: Sequence[ScriptItem] = (),
        *,
        from_number: str = CALLER_NUMBER,
        to_number: str = BOT_NUMBER,
        codec: str = "PCMU",
        parameters: dict[str, str] | None = None,
        status_callback: str | None = None,
        noise_db: float | None = None,
        manners: Manners | None = None,
        colleagues: Sequence[Colleague] = (),
        api_key: str | None = None,
        recording: str | None = None,
        on_call: OnCall | None = None,
        on_server_event: OnServerEvent | None = None,
    ) -> CallResult:
        """Place one call and stay on it to its end.

        Args:
            url: See `parse_target`.
            script: What the caller does; with an empty script the caller waits for the bot to hang up.
            from_number: The caller's number, E.164.
            to_number: The bot's number, E.164.
            codec: The leg's encoding on Telnyx, `PCMU` or `PCMA`.
            parameters: Custom parameters, only for a `ws(s)://` URL.
            status_callback: Where the call's end is reported; by default `/{carrier}/status` of a server
                given by its base.
            noise_db: Constant noise on the caller's side, dB relative to full scale.
            manners: How patient the caller is.
            colleagues: Who can be dialled by the bot's documents; a number of nobody fails.
            api_key: Key of the server's own call API; None to leave it alone.
            recording: Name of the recording for the report; writing it is the caller's business.
            on_call: Called with the call before it is placed, to listen to its timeline.
            on_server_event: Called with each live event of the server.

        Raises:
            CannotReach: Nothing listens at the URL.
            EmulatorError: The URL or the script cannot be used.
        """
        target = parse_target(url, self.dialect.name)
        if parameters and target.socket is None:
            raise EmulatorError(
                "--param needs a ws:// or wss:// URL: with a webhook the document sets the parameters"
            )
        if status_callback is None and target.ours:
            status_callback = f"{target.base}/{self.dialect.name}/status"
        plan = CallPlan(
            target,
            await self.prepare(script),
            manners or Manners(),
            parameters or {},
            status_callback,
            noise_db,
            self.speak,
            colleagues,
            {one.number: await self.prepare(one.script) for one in colleagues},
            self.faults,
        )
        call = Call(self.dialect, self.dialect.new_leg(from_number, to_number, codec), plan)
        self._calls[call.leg.call_id] = call
        while len(self._calls) > KEPT_CALLS:
            self._calls.popitem(last=False)
        if on_call is not None:
            on_call(call)
        api = ServerApi(target.base, api_key) if api_key else None
        events = await self._run(call, api, on_server_event)
        report = await asyncio.to_thread(
            make_report, call, transcribe=self.transcribe, server_events=events, recording=recording
        )
        if api is not None and api.trouble:
            report.errors.append(api.trouble)
        said, heard = (
            np.concatenate(side or [np.zeros(0, dtype=np.int16)])
            for side in (call.line.said, call.line.heard)
        )
        return CallResult(report, call.timeline, said, heard, call.colleagues)

    @staticmethod
    async def _run(
        call: Call, api: ServerApi | None, on_server_event: OnServerEvent | None
    ) -> list[ServerEvent] | None:
        if api is None:
            await call.run()
            return None
        follower = asyncio.create_task(api.follow(call.leg.call_id, on_server_event or (lambda event: None)))
        try:
            await call.run()
            # The server writes down the end after the carrier told it.
            await asyncio.wait({follower}, timeout=SERVER_SETTLES_SECS if api.available else 0)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        return await api.events(call.leg.call_id)
