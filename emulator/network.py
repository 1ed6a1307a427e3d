"""The phone network: REST servers of all carriers on localhost, and calls through one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Self

import numpy as np
from aiohttp import web

from emulator.account import Account, OwnNumber
from emulator.bot.server_api import ServerApi, ServerEvent
from emulator.carriers import CARRIERS, COMMANDED, DEFAULT
from emulator.carriers.carrier import Control, Readings
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.faults import Fault, Faults
from emulator.legs.addressing import parse_target
from emulator.legs.call import Call
from emulator.legs.delivery import EventHabits
from emulator.legs.dialect import Dialect
from emulator.legs.exchange import Exchange
from emulator.legs.leg import INBOUND, Leg
from emulator.legs.lists import LAG_SECS, Listed
from emulator.legs.plan import CallPlan, Fallback, Handset, Prepared, Reporting, Speak
from emulator.legs.recordings import SILENT_SECS, Recordings
from emulator.line.caller import Manners, ScriptItem
from emulator.line.clock import Clock
from emulator.line.codecs import Pcm
from emulator.line.colleague import Colleague, ColleagueCall
from emulator.line.impairments import IDEAL, Impairments, Profile
from emulator.markup.dial_in import dial_in
from emulator.markup.second_leg import message_of
from emulator.markup.verbs import handlers
from emulator.report import Report, make_report
from emulator.requests import RequestLog
from emulator.rest.rest_server import RestServer
from emulator.timeline import Timeline
from emulator.wire import Wire

# Numbers reserved for fiction
CALLER_NUMBER = "+12025550143"
BOT_NUMBER = "+12025550100"
SERVER_SETTLES_SECS = 3.0
GIVES_UP_SECS = 30.0
"""How long a caller lets the number of an application that sends commands ring."""

MODES = ("", "call_control")
RESULT_SECS = 30.0

Transcribe = Callable[[Pcm], str]
OnCall = Callable[[Call], None]
OnServerEvent = Callable[[ServerEvent], None]


@dataclass
class CallResult:
    """A call that is over.

    Attributes:
        report: The outcome.
        timeline: What happened when.
        said: What the person at the phone said, 8 kHz samples.
        heard: What the person at the phone heard, 8 kHz samples.
        colleagues: Every attempt to reach a colleague by `<Dial>`, in the order of the calls.
        leg: The carrier's record: ids, numbers, direction, status, `ending` and `answered_by`.
        message: What a voicemail box recorded after its beep; None for people.
    """

    report: Report
    timeline: Timeline
    said: Pcm = field(repr=False)
    heard: Pcm = field(repr=False)
    colleagues: list[ColleagueCall] = field(default_factory=list)
    leg: Leg | None = None
    message: Pcm | None = field(default=None, repr=False)


class PhoneNetwork:
    """One carrier on localhost. Use as an async context manager.

    Args:
        carrier: One of `emulator.carriers.CARRIERS`.
        rest_port: Port of the REST server on 127.0.0.1; 0 picks a free one.
        credentials: The account whose keys sign the webhooks and whose REST requests are accepted.
        speak: The local voice, for `Say` in scripts and documents; None for calls without words.
        transcribe: The local speech recognition, for `heard_by_caller`; None for none.
        people: Who can be reached by `<Dial>` and by calls that a server creates by REST; see `add_person`.
        hold_speed: How many seconds pass in one second of real time while nothing outside can tell: every live leg only
            talks to people, no media stream is open and no request is under way. `Wait(180)` of a caller who talks to
            a colleague takes three seconds with 60; see `emulator.line.clock`.
        texml_call_ids: Whether the answer to a request for a new TeXML call has the call's id. None is documented.
        signs_instructions: Whether requests for TeXML are signed. No signature is documented.
        detection_words: The one of the sets of words that Telnyx documents in which TeXML callbacks report who has
            answered: `guide`, the smaller one, or `reference`.
        extra_routes: More routes of the REST server, which come before its own.
        events: How the events of Telnyx's Call Control are delivered: at once and once, or worse.
        faults: What is to go wrong with REST, webhooks and media sockets.
        seed: Decides those faults that are left to chance, and what the line does.
        line: How its lines behave.
        account: What the account owns, for REST requests about it; the bot's number when not given. Calls go where
            `call` sends them, whatever is configured here.
        list_lag_secs: How late lists of calls are, at least and at most; `emulator.legs.lists.AT_ONCE` for never.
        silent_secs: How long after the answer Telnyx refuses to record, at least and at most.

    Raises:
        EmulatorError: No such carrier, or a person has sentences and there is no voice.
    """

    def __init__(
        self,
        carrier: str = DEFAULT,
        *,
        rest_port: int = 0,
        credentials: Credentials | None = None,
        speak: Speak | None = None,
        transcribe: Transcribe | None = None,
        people: Sequence[Colleague] = (),
        hold_speed: float = 1.0,
        texml_call_ids: bool = False,
        signs_instructions: bool = False,
        detection_words: str = "guide",
        extra_routes: Sequence[web.RouteDef] = (),
        events: EventHabits | None = None,
        faults: Iterable[Fault] = (),
        seed: int = 0,
        account: Account | None = None,
        list_lag_secs: tuple[float, float] = LAG_SECS,
        silent_secs: tuple[float, float] = SILENT_SECS,
        line: Profile = IDEAL,
    ) -> None:
        """Prepare; entering the context starts the REST server."""
        if carrier not in CARRIERS:
            raise EmulatorError(f"--carrier {carrier!r} is not one of {', '.join(CARRIERS)}")
        self.credentials = credentials or Credentials()
        self.account = account or Account([OwnNumber(BOT_NUMBER)])
        clock = Clock(hold_speed)
        self.wire = Wire(clock.now)
        """Passes on what goes over the wire: requests both ways, and the messages of media sockets."""
        self.requests = RequestLog(clock.now, list(CARRIERS.values()), wire=self.wire)
        self.faults = Faults(faults, self.requests, seed=seed, impairments=Impairments(line, seed))
        readings = Readings(texml_call_ids, signs_instructions, detection_words)
        dialect = CARRIERS[carrier].dialect(self.credentials, readings)
        listed = Listed(clock, list_lag_secs, seed=seed)
        recordings = Recordings(silent_secs, seed=seed)
        self.exchange = Exchange(
            dialect, clock, handlers(), self.faults, listed, recordings, self.account, self.wire
        )
        self.exchange.speak = speak
        self.transcribe = transcribe
        self._control = CARRIERS[carrier].control(self.exchange, self.credentials, events)
        for person in people:
            self.add_person(person)
        interfaces = (
            one.routes(self.exchange, self.credentials, self.account, readings, self._control)
            for one in CARRIERS.values()
        )
        self._rest = RestServer(self.exchange, chain(extra_routes, *interfaces), port=rest_port)

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
        """Hang up the calls that servers have created, and stop the REST server."""
        if self._control is not None:
            self._control.shut_down()
        await self.exchange.stop()
        if self._control is not None:
            await self._control.aclose()
        await self._rest.stop()

    @property
    def call_control(self) -> Control:
        """The legs that an application commands, and the application's address.

        Raises:
            EmulatorError: The carrier takes no commands.
        """
        if self._control is None:
            raise EmulatorError(
                f'only {COMMANDED[0].title} has Call Control: PhoneNetwork("{COMMANDED[0].name}")'
            )
        return self._control

    @property
    def dialect(self) -> Dialect:
        """The carrier's side of the wire."""
        return self.exchange.dialect

    @property
    def speak(self) -> Speak | None:
        """The local voice."""
        return self.exchange.speak

    @speak.setter
    def speak(self, speak: Speak | None) -> None:
        self.exchange.speak = speak

    @property
    def rest_url(self) -> str:
        """Base URL of the carriers' REST servers."""
        return self._rest.url

    def environment(self) -> dict[str, str]:
        """The variables that point a server at this network."""
        return self.credentials.environment(self.rest_url)

    def add_person(self, person: Colleague) -> None:
        """Let a person be reached from now on, in place of an earlier one at the same number.

        Raises:
            EmulatorError: The person has sentences to say, and the network has no voice.
        """
        self.exchange.add_person(person)

    async def prepare(self, script: Sequence[ScriptItem]) -> Prepared:
        """Turn the script's sentences into audio, so that no time of a call is spent on it.

        Raises:
            EmulatorError: A sentence, and no voice.
        """
        return await self.exchange.prepare(script)

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
        mode: str = "",
        gives_up_secs: float = GIVES_UP_SECS,
        method: str | None = None,
        fallback_url: str | None = None,
        handset: Handset | None = None,
    ) -> CallResult:
        """Place one call and stay on it to its end.

        Args:
            url: See `parse_target`.
            script: What the caller does; with an empty script the caller waits for the bot to hang up.
            from_number: The caller's number, E.164, or SIP address.
            to_number: The bot's number, E.164.
            codec: The leg's encoding on Telnyx, `PCMU` or `PCMA`.
            parameters: Custom parameters, only for a `ws(s)://` URL.
            status_callback: Where the call's end is reported; by default `/{carrier}/status` of a server
                given by its base.
            noise_db: Constant noise on the caller's side, dB relative to full scale.
            manners: How patient the caller is.
            colleagues: Who else can be reached while this call lasts; any other number fails.
            api_key: Key of the server's own call API; None to leave it alone.
            recording: Name of the recording for the report; this method does not write the file.
            on_call: Called with the call before it is placed, to listen to its timeline.
            on_server_event: Called with each live event of the server.
            mode: Empty where the number's application has documents, `call_control` where it takes events and
                sends commands (Telnyx only; the events go to `/telnyx/events` of a server given by its base).
            gives_up_secs: How long the caller lets a `call_control` application's number ring.
            method: `GET` or `POST`, for requests to the webhook; as configured at the account when not given.
            fallback_url: The URL to ask when the webhook has no document, or does not take an event; as configured at
                the account when not given.
            handset: Who is at the caller's phone, in the place of a person who follows the script.

        Raises:
            CannotReach: Nothing listens at the URL.
            EmulatorError: The URL or the script cannot be used, or the carrier has no such mode.
        """
        controlled = self._is_controlled(mode)
        target = parse_target(url, self.dialect.name, "events" if controlled else "voice")
        if controlled and target.webhook is None:
            raise EmulatorError("--mode call-control needs an http:// URL: a socket is named by a command")
        if parameters and target.socket is None:
            raise EmulatorError(
                "--param needs a ws:// or wss:// URL: with a webhook the document sets the parameters"
            )
        if status_callback is None and target.ours and not controlled:
            status_callback = f"{target.base}/{self.dialect.name}/status"
        for one in colleagues:
            await self.exchange.script_of(one)
        self.exchange.server_url = target.webhook or target.socket
        answering = self.account.answering(
            to_number,
            "call_control" if controlled else self.dialect.language,
            by_itself=self.dialect.numbers_have_addresses and not controlled,
        )
        method = method or answering.method
        fallback_url = fallback_url or answering.fallback
        fallback_method = answering.fallback_method if self.dialect.fallback_has_method else method
        plan = CallPlan(
            self.exchange.server_url,
            await self.prepare(script),
            manners or Manners(),
            Reporting(status_callback, method=answering.status_method) if status_callback else None,
            noise_db,
            self.speak,
            colleagues,
            method=method,
            fallback=Fallback(fallback_url, fallback_method) if fallback_url else None,
            handset=handset,
        )
        leg = self.dialect.new_leg(from_number, to_number, codec, direction=INBOUND)
        opening = partial(dial_in, target=target, parameters=parameters or {})
        if controlled:
            call: Call = self.call_control.dial_in(leg, plan, target, gives_up_secs)
        else:
            call = self.exchange.new_call(leg, plan, opening)
        if on_call is not None:
            on_call(call)
        api = ServerApi(target.base, api_key) if api_key else None
        events = await self._run(call, api, on_server_event)
        result = await self._result(call, events, recording)
        if api is not None and api.trouble:
            result.report.errors.append(api.trouble)
        return result

    def _is_controlled(self, mode: str) -> bool:
        if mode not in MODES or (mode and self._control is None):
            raise EmulatorError(
                f"mode {mode!r} is not usable: {self.dialect.name}'s numbers have "
                + (
                    f"documents only (give --carrier {COMMANDED[0].name})"
                    if self._control is None
                    else "call_control"
                )
            )
        return mode == "call_control"

    async def next_result(self, number: str, *, timeout_secs: float = RESULT_SECS) -> CallResult:
        """Wait for the end of a call that a server placed to this number by REST, and return how it went.

        Calls are returned in the order of their ends, each once. In the report, `caller` is the callee: `ended_by` is
        `caller` if the callee hung up or rejected the call, and `nobody` if there was no answer.

        Args:
            number: E.164 number or SIP address, with a person of the network at it or not.
            timeout_secs: How long to wait at most.

        Raises:
            TimeoutError: No such call is over in time.
        """
        return await self._result(await self.exchange.next_over(number, timeout_secs), None, None)

    async def result_of(self, call: Call) -> CallResult:
        """Wait for the end of this call, which a server has placed by REST, and return how it went."""
        await self.exchange.until_over(call)
        return await self._result(call, None, None)

    async def _result(
        self, call: Call, events: list[ServerEvent] | None, recording: str | None
    ) -> CallResult:
        report = await asyncio.to_thread(
            make_report, call, transcribe=self.transcribe, server_events=events, recording=recording
        )
        said, heard = (
            np.concatenate(side or [np.zeros(0, dtype=np.int16)])
            for side in (call.line.said, call.line.heard)
        )
        return CallResult(report, call.timeline, said, heard, call.colleagues, call.leg, message_of(call))

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
            # The server writes down the end after the carrier has reported it.
            await asyncio.wait({follower}, timeout=SERVER_SETTLES_SECS if api.available else 0)
        finally:
            follower.cancel()
            await asyncio.gather(follower, return_exceptions=True)
        return await api.events(call.leg.call_id)
