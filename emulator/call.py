"""One dialled-in call: obeys documents, opens streams, and can be interrupted by REST.

Sources: Twilio docs, voice/twiml/{connect,stream,dial,redirect,hangup,reject} and
voice/api/call-resource (an update interrupts what runs); Telnyx docs, TeXML verbs. Whether `<Dial action>` is
still asked for when the caller hangs up is not documented (here: no).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urljoin

from emulator.addressing import socket_address
from emulator.caller import ScriptedCaller
from emulator.colleague import ColleagueCall
from emulator.dial import read_dial
from emulator.errors import CannotReach
from emulator.leg import Dialect, Leg
from emulator.line import PhoneLine
from emulator.line_verbs import LineVerbs
from emulator.markup import Document, MarkupError, Verb, parse_document, stream_parameters
from emulator.plan import CallPlan, Loss
from emulator.second_leg import SecondLeg
from emulator.stream import MediaStream, StreamEnded, StreamRefused
from emulator.timeline import Timeline
from emulator.webhooks import WebhookFailed, Webhooks

RECONNECT_ATTEMPTS = 3
RECONNECT_PAUSE_SECS = 1.0
MAX_DOCUMENTS = 50

Step = Callable[[], Awaitable["Step | None"]]
"""A piece of the call's life; returns the next one, or None at the end of the call."""


class Call:
    """A call in progress and what is known of it afterwards."""

    def __init__(self, dialect: Dialect, leg: Leg, plan: CallPlan) -> None:
        """Prepare the call; `run` places it."""
        self.dialect = dialect
        self.leg = leg
        self.plan = plan
        self.timeline = Timeline()
        self.line = PhoneLine(self.timeline, noise_db=plan.noise_db)
        self.webhooks = Webhooks(dialect, self.timeline, plan.faults)
        self.caller = ScriptedCaller(
            plan.script, self.line, self._press, self.timeline, self.fail, plan.manners
        )
        self.errors: list[str] = []
        self.colleagues: list[ColleagueCall] = []
        """Every attempt to reach a colleague, in the order of the calls."""
        self.handed_over = False
        """Whether the call ended with a colleague: while they talked, or because the colleague hung up."""
        self.losses: list[Loss] = []
        self.marks_sent = 0
        self.marks_returned = 0
        self.answered_wall: datetime | None = None
        self.ended_by = "error"
        self.bot_left_ms: int | None = None
        """When the bot's side last acted to end the call: its hang-up request or the closing of its socket."""
        self._stream: MediaStream | None = None
        self._second_leg: SecondLeg | None = None
        self._line_verbs = LineVerbs(self.line, self.timeline, self.fail, plan.voice, dialect.play_keys)
        self._last_stream_end: str | None = None
        self._interruption: asyncio.Future[Step | None] = asyncio.get_running_loop().create_future()
        self._background: set[asyncio.Task[None]] = set()
        self._clock: asyncio.Task[None] | None = None
        self._caller_task: asyncio.Task[None] | None = None
        self._documents = 0
        self._over = False

    # The outside of the call

    def fail(self, text: str) -> None:
        """Write down something that went wrong; it is in the report's `errors`."""
        self.errors.append(text)
        self.timeline.note("warning", text)

    def hang_up(self, ended_by: str, text: str) -> None:
        """End the call now. `ended_by` is `bot`, `caller` or `error`."""
        if self._over or self._interruption.done():
            return
        if ended_by == "bot":
            self.bot_left_ms = self.timeline.now_ms()
        self._end(ended_by, text)
        self._interruption.set_result(None)

    def update(self, url: str | None = None, method: str = "POST", markup: str | None = None) -> None:
        """Replace what the call does, as a REST update with a URL or an inline document."""
        if self._over or self._interruption.done():
            return
        self._last_stream_end = "bot"
        self.bot_left_ms = self.timeline.now_ms()
        step: Step = partial(self._fetch, url or "", method)
        self._interruption.set_result(step if markup is None else partial(self._read, markup))

    async def run(self) -> None:
        """Place the call and stay on it to its end.

        Raises:
            CannotReach: Nothing listens at the URL.
        """
        step: Step | None = self._ring
        try:
            while step is not None:
                step = await self._one(step)
        except CannotReach:
            self._over = True  # there was no call, so there is no end to tell of
            self.leg.ended_at = datetime.now(UTC)
            raise
        finally:
            self._end("error", "the emulator stops the call")
            await self._finish()

    async def _one(self, step: Step) -> Step | None:
        work = asyncio.ensure_future(step())
        try:
            await asyncio.wait({work, self._interruption}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise
        if not self._interruption.done():
            return work.result()
        following = self._interruption.result()
        self._interruption = asyncio.get_running_loop().create_future()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return following

    # The life of the call

    async def _ring(self) -> Step | None:
        target = self.plan.target
        self.timeline.note(
            "ringing", f"{self.dialect.name} call {self.leg.call_id[:12]}… from {self.leg.from_number}"
        )
        if target.socket is not None:
            return partial(self._dial_socket, target.socket)
        assert target.webhook is not None
        if self.dialect.answers_before_webhook:
            self._answer()
        return partial(self._fetch, target.webhook, "POST", first=True)

    async def _dial_socket(self, url: str) -> None:
        """Without a webhook the socket is dialled at once, as if a document had said so."""
        self._answer()
        attributes = {"url": url, "bidirectionalMode": "rtp", "enableReconnect": "false"}
        parameters = tuple(
            Verb("Parameter", {"name": k, "value": v}) for k, v in self.plan.parameters.items()
        )
        try:
            await self._stream_once(Verb("Stream", attributes, children=parameters), None)
        except StreamRefused as error:
            if str(error).startswith("31902"):
                raise CannotReach(f"nothing listens at {url}: start the bot or change --url") from None
            self.fail(str(error))
            self._last_stream_end = "error"
        self._end(self._last_stream_end or "error", "the stream is over")

    async def _fetch(
        self, url: str, method: str = "POST", *, first: bool = False, extra: dict[str, str] | None = None
    ) -> Step | None:
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            self._application_error(f"more than {MAX_DOCUMENTS} documents in one call: a <Redirect> loop?")
            return None
        try:
            document = await self.webhooks.document(url, self.leg, method, extra=extra)
        except WebhookFailed as error:
            if first and error.unreachable:
                raise CannotReach(
                    f"nothing listens at {self.plan.target.base}: start the server or change --url"
                ) from None
            self._application_error(str(error))
            return None
        return partial(self._obey, document)

    async def _read(self, markup: str) -> Step | None:
        """An inline document is looked at when it is carried out, so a bad one ends the call."""
        self.timeline.note("document", "a new document by REST replaces the old one")
        try:
            return partial(self._obey, parse_document(markup.encode(), self.dialect.known_verbs))
        except MarkupError as error:
            self._application_error(f"12100 {error}")
            return None

    async def _obey(self, document: Document) -> Step | None:
        verbs: dict[str, Callable[[Verb, Document], Coroutine[Any, Any, Step | None]]] = {
            "Connect": self._connect,
            "Dial": self._dial,
        }
        for index, verb in enumerate(document.verbs):
            if verb.name == "Reject" and index == 0 and self._last_stream_end is None:
                reason = verb.attributes.get("reason", "rejected")
                self._end("rejected", f"the document rejects the call ({reason})")
                return None
            self._answer()
            if verb.name in ("Hangup", "Reject"):
                self._end(self._last_stream_end or "document", f"the document says <{verb.name}>")
                return None
            if verb.name == "Redirect":
                method = verb.attributes.get("method", "POST")
                return partial(self._fetch, urljoin(document.url or "", verb.text), method)
            if verb.name in verbs:
                following = await verbs[verb.name](verb, document)
                if following is not None:
                    return following
            elif not await self._line_verbs.obey(verb):
                self.fail(f"<{verb.name}> is not emulated; the call goes on with the next verb")
        self._end(self._last_stream_end or "document", "the document is at its end")
        return None

    async def _connect(self, verb: Verb, document: Document) -> Step | None:
        stream = verb.child("Stream")
        if stream is None:
            nouns = ", ".join(f"<{child.name}>" for child in verb.children) or "nothing"
            self.fail(f"<Connect> with {nouns} is not emulated; the call goes on with the next verb")
            return None
        try:
            await self._stream_with_reconnects(stream, document.url)
        except StreamRefused as error:
            self.fail(str(error))
            self._last_stream_end = "error"
        action = verb.attributes.get("action")
        if action and not self.dialect.connect_action:
            self.fail(
                "<Connect action> is not documented for TeXML: the next verb runs; use <Redirect> after </Connect>"
            )
        elif action is not None:
            return partial(
                self._fetch, urljoin(document.url or "", action), verb.attributes.get("method", "POST")
            )
        return None

    async def _stream_with_reconnects(self, stream: Verb, document_url: str | None) -> None:
        # Only Telnyx dials again. Its default is to do so; whether also after a clean close is not documented
        # (here: no).
        reconnects = not self.dialect.connect_action and stream.flag("enableReconnect", True)
        ended = await self._stream_once(stream, document_url)
        attempt = 0
        while reconnects and not ended.clean and attempt < RECONNECT_ATTEMPTS:
            attempt += 1
            self.timeline.note("note", f"enableReconnect: dialling the socket again (attempt {attempt})")
            await asyncio.sleep(RECONNECT_PAUSE_SECS)
            try:
                ended = await self._stream_once(stream, document_url)
                attempt = 0
            except StreamRefused as error:
                self.fail(str(error))

    async def _stream_once(self, stream: Verb, document_url: str | None) -> StreamEnded:
        url, warnings = self.dialect.stream_url(stream.attributes.get("url", ""))
        dialect, more = self.dialect.open_stream(self.leg, stream, stream_parameters(stream))
        for warning in (*warnings, *more):
            self.fail(warning)
        media = MediaStream(
            dialect, self.line, self.timeline, self.fail, self._lose, self.plan.faults.media()
        )
        try:
            target = self.plan.target
            address = socket_address(
                url, document_url=document_url, server_url=target.webhook or target.socket
            )
            if address.note:
                self.timeline.note("note", address.note)
            headers = self.dialect.socket_headers(address.signed)
            await media.open(address.dial, headers, self.dialect.user_agent())
        except StreamRefused as error:
            self._stream_callback(stream, dialect.stream_id, "error", str(error))
            raise
        self.timeline.note(
            "stream_open", f"media socket open, stream {dialect.stream_id}", stream_id=dialect.stream_id
        )
        self._stream_callback(stream, dialect.stream_id, "started", None)
        self._stream = media
        try:
            ended = await media.run()
        except asyncio.CancelledError:
            self.timeline.note("socket_closed", "the carrier sends `stop` and closes the socket")
            raise
        finally:
            self._stream = None
            self.marks_sent += media.marks_sent
            self.marks_returned += media.marks_returned
            self._drop_unplayed()
            self._stream_callback(stream, dialect.stream_id, "stopped", None)
        self.bot_left_ms = self.timeline.now_ms()
        self._last_stream_end = "bot" if ended.clean else "error"
        self.timeline.note("socket_closed", f"the bot closes its socket (code {ended.code})", code=ended.code)
        if not ended.clean:
            self.fail(f"the media socket broke (close code {ended.code})")
        return ended

    async def _dial(self, verb: Verb, document: Document) -> Step | None:
        order, warnings = read_dial(verb, self.dialect.dial_rules, self.leg.from_number)
        for warning in warnings:
            self.fail(warning)
        if not order.addresses:
            self.fail("<Dial> has nobody to call; the call goes on with the next verb")
            return None
        self._second_leg = second_leg = SecondLeg(
            order,
            self.plan.colleagues,
            self.plan.colleague_scripts,
            self.line,
            self.timeline,
            partial(self._second_call_id, order.caller_id),
            self.fail,
            # A second leg outlives neither the call nor the document.
            lambda: self.ended_by if self._over else "document",
        )
        self.colleagues += second_leg.calls
        try:
            dialled = await second_leg.run()
        finally:
            self._second_leg = None
        if dialled.bridged:
            self._last_stream_end = "colleague"
        if order.action is None:
            return None
        parameters = self.dialect.dial_parameters(self.leg, dialled)
        url = urljoin(document.url or "", order.action)
        return partial(self._fetch, url, order.method, extra=parameters)

    def _second_call_id(self, caller_id: str, address: str) -> str:
        return self.dialect.new_leg(caller_id, address, self.leg.codec).call_id

    # Small parts

    def _answer(self) -> None:
        if self.leg.answered_at is not None:
            return
        self.leg.status = "in-progress"
        self.leg.answered_at = self.answered_wall = datetime.now(UTC)
        self.timeline.answered()
        self.timeline.note("answered", "the call is answered")
        self._clock = asyncio.create_task(self.line.run())
        self._caller_task = asyncio.create_task(self._be_the_caller())
        for task in (self._clock, self._caller_task):
            task.add_done_callback(self._watch)

    async def _be_the_caller(self) -> None:
        await self.caller.run()
        self.hang_up("caller", "the caller hangs up")

    def _watch(self, task: asyncio.Task[None]) -> None:
        # A call whose clock or caller has failed would never end; `_finish` raises what happened.
        if not task.cancelled() and task.exception() is not None:
            self.hang_up("error", "the emulator itself failed")

    def _application_error(self, reason: str) -> None:
        self.fail(reason)
        self._end("error", "the carrier says that an application error has occurred and ends the call")

    def _end(self, ended_by: str, text: str) -> None:
        if self._over:
            return
        self._over = True
        self.ended_by = ended_by
        bridged = self._second_leg is not None and self._second_leg.bridged
        self.handed_over = bridged or ended_by == "colleague"
        if not bridged:
            self._lose(self.line.earpiece.audible_ms)
        self.line.hang()
        self.leg.ended_at = datetime.now(UTC)
        self.leg.status = "completed" if self.leg.answered_at else "failed" if ended_by == "error" else "busy"
        self.leg.hangup_source = "caller" if ended_by == "caller" else "callee"
        self.timeline.note("hang_up", text, by=ended_by)

    async def _finish(self) -> None:
        tasks = [task for task in (self._clock, self._caller_task) if task is not None]
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        if self.plan.status_callback:
            parameters = self.dialect.status_parameters(self.leg)
            await self.webhooks.notify(
                self.plan.status_callback, parameters, f"status callback {self.leg.status}"
            )
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.webhooks.aclose()
        if self.caller.unspoken and self.leg.answered_at:
            self.fail(f"unfinished script: {self.caller.unspoken} line(s) of the caller were never said")
        for result in results:
            if isinstance(result, Exception):
                raise result

    def _drop_unplayed(self) -> None:
        # What a stream has queued goes with it; at the call's end this was counted already.
        if not self._over and (audible_ms := self.line.earpiece.audible_ms):
            self.timeline.note("note", f"{audible_ms} ms of speech were not played when the stream ended")
            self._lose(audible_ms)
        self.line.earpiece.clear()

    def _lose(self, audible_ms: int) -> None:
        if audible_ms:
            self.losses.append(Loss(self.timeline.now_ms(), audible_ms))

    def _press(self, digit: str) -> None:
        if self._stream is not None:
            self._stream.press(digit)
        elif self._second_leg is not None:
            self._second_leg.press(digit)
        else:
            self.fail(f"key {digit} was pressed while no media stream was open")

    def _stream_callback(self, stream: Verb, stream_id: str, event: str, error: str | None) -> None:
        url = stream.attributes.get("statusCallback")
        if not url:
            return
        parameters = self.dialect.stream_event(
            self.leg, stream_id, stream.attributes.get("name"), event, error
        )
        task = asyncio.create_task(self.webhooks.notify(url, parameters, f"stream-{event} callback"))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
