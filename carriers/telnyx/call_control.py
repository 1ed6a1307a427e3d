"""Telnyx calls that we run by commands, and that Telnyx reports on by events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carriers.carrier import CALL_CONTROL
from carriers.dialling import DialledCall, DialOut
from carriers.documents import Meeting, TransferDocument, speakable
from carriers.errors import (
    CallEnded,
    CallNotFound,
    CarrierError,
    CarrierRejected,
    DialUncertain,
    OtherCallEnded,
)
from carriers.markup import let_go
from carriers.reports import CarrierEvent, LineState
from carriers.saying import voice_of
from carriers.streams import StreamDocument
from carriers.telnyx import events as telnyx_events
from carriers.telnyx.account import TelnyxAccount
from carriers.telnyx.calls import (
    TRANSFER_OF,
    call_control_dial_options,
    call_control_stream_options,
    client_state,
    retries_of_stream_ends,
)
from carriers.telnyx.commands import checked, new_id

NOT_LIVE = frozenset({"90015", "90018"})
"""Error codes of a call that is not there (any more). Source: Telnyx docs, API error codes."""

ENGLISH_VOICE = "Polly.Joanna"
"""Amazon Polly's, for sentences in English. Source: telnyx SDK, `types/calls/action_speak_params.py`."""

MAX_SPOKEN_CHARS = 3000


class TelnyxCallControl(TelnyxAccount):
    """Calls at Telnyx that run no TeXML.

    Parameters:
        name: `telnyx`.
        mode: `CALL_CONTROL`.
    """

    mode = CALL_CONTROL
    keeps_stream_while_transferring = True
    # For 60 s. Source: Telnyx docs, receiving webhooks for programmable voice.
    ignores_repeated_commands = True

    def parse_event(self, body: bytes) -> CarrierEvent:
        """Read a Call Control event.

        Raises:
            WebhookError: The body is no event of Call Control.
        """
        return telnyx_events.parse_event(body)

    async def dial(self, dial_out: DialOut) -> DialledCall:
        """Make a call whose media stream begins with the answer.

        Events, also those about an answering machine, go to `status_url`, else to the application's webhook. Telnyx
        ignores a repeated `command_id` for 60 s, but does not say that this holds for dialling: so an uncertain dial
        is uncertain here too.

        Raises:
            DialUncertain: The call may have been made, or not.
            CarrierError: The call was not made.
        """
        options = call_control_dial_options(dial_out, self._connection("Voice API application"), self._codec)
        answer = await self._dial(lambda client: client.calls.dial(**options))
        if answer.data is None or not answer.data.call_control_id:
            raise DialUncertain(
                "Telnyx took the call, but did not say under which id: look before dialling again"
            )
        return DialledCall(id=answer.data.call_control_id)

    async def reject(self, call_id: str, *, command_id: str | None = None) -> None:
        """Let the caller hear a busy tone: Telnyx answers 486 Busy Here.

        Source: telnyx SDK, `types/calls/action_reject_params.py`.

        Raises:
            CallEnded: The caller has given up.
            CarrierError: It may still ring.
        """
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.reject(
                id_, cause="USER_BUSY", command_id=new_id(command_id)
            ),
        )

    async def speak(
        self, call_id: str, text: str, language: str | None = None, *, command_id: str | None = None
    ) -> None:
        """Say a sentence; `call.speak.ended` tells when it is over.

        The voices are those of `<Say>`, which this command knows as `AWS.Polly.NAME`.

        Source: telnyx SDK, `types/calls/action_speak_params.py` (at most 3,000 characters).

        Raises:
            CallEnded: The call is over.
            CarrierError: It may not be said.
        """
        voice = voice_of(language)
        name = voice.get("voice", ENGLISH_VOICE).removeprefix("Polly.")
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.speak(
                id_,
                payload=speakable(text, MAX_SPOKEN_CHARS),
                voice=f"AWS.Polly.{name}",
                command_id=new_id(command_id),
            ),
        )

    async def record_message(
        self,
        call_id: str,
        *,
        longest_secs: int,
        silence_secs: int,
        state: Mapping[str, str],
        command_id: str | None = None,
    ) -> None:
        """Record the caller after a beep; Telnyx detects silence by a transcription, which it charges for.

        Source: telnyx SDK, `types/calls/action_start_recording_params.py`; `types/call_recording_saved.py` (the event
        has no call control id, but the client state).

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.start_recording(
                id_,
                channels="single",
                format="wav",
                recording_track="inbound",
                play_beep=True,
                max_length=longest_secs,
                timeout_secs=silence_secs,
                trim="trim-silence",
                client_state=client_state(state),
                command_id=new_id(command_id),
            ),
        )

    async def answer(
        self, call_id: str, stream: StreamDocument | None, *, command_id: str | None = None
    ) -> None:
        """Take a call that rings, and connect it with the bot's media socket; without a stream, only take it.

        There is no token for the socket besides the one in its address. The parameters come as `client_state`.

        Source: telnyx SDK, `types/calls/action_answer_params.py`.

        Raises:
            CallEnded: The caller has given up.
            CarrierError: It may still ring.
        """
        options: dict[str, Any] = {}
        if stream is not None:
            options = {**call_control_stream_options(stream, self._codec), **retries_of_stream_ends()}
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.answer(id_, command_id=new_id(command_id), **options),
        )

    async def transfer(
        self, call_id: str, document: TransferDocument, *, command_id: str | None = None
    ) -> None:
        """Connect the caller with the document's destination, or let the caller's side call it by REFER.

        The stream goes on, also once the two talk. A destination that is not reached leaves the call as it was. When
        the two have talked and one hangs up, the other leg is hung up too: that is what Telnyx does unless
        `park_after_unbridge` is asked for. `action_url` and `fallback` are not used.

        Source: telnyx SDK, `types/calls/action_transfer_params.py` and `action_refer_params.py`.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierUnavailable: The destination's phone may be ringing.
            CarrierError: The call goes on as it was.
        """
        if document.refer:
            await self._command(
                call_id,
                lambda client, id_: client.calls.actions.refer(
                    id_, sip_address=document.destination, command_id=new_id(command_id)
                ),
            )
            return
        options: dict[str, Any] = {} if document.caller_id is None else {"from_": document.caller_id}
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.transfer(
                id_,
                to=document.destination,
                timeout_secs=document.ring_timeout_secs,
                target_leg_client_state=client_state({TRANSFER_OF: id_}),
                command_id=new_id(command_id),
                **options,
            ),
        )

    async def connect_calls(
        self, call_id: str, other_id: str, meeting: Meeting, *, command_id: str | None = None
    ) -> None:
        """Bridge two live calls; their streams go on. `meeting` is not needed.

        When one of them hangs up, the other one is hung up too: that is what Telnyx does unless `park_after_unbridge`
        is asked for.

        Source: telnyx SDK, `types/calls/action_bridge_params.py`.

        Raises:
            OtherCallEnded: The colleague is gone; the caller's call goes on as it was.
            CallEnded: The caller is gone, and the colleague's call is hung up.
            CarrierUnavailable: The two may be talking.
            CarrierError: Both calls go on as they were.
        """
        other = checked(other_id)
        try:
            await self._command(
                call_id,
                lambda client, id_: client.calls.actions.bridge(
                    id_, call_control_id_to_bridge_with=other, command_id=new_id(command_id)
                ),
            )
        except CarrierRejected as error:
            if not isinstance(error, CallEnded) and error.code not in NOT_LIVE:
                raise
            # Telnyx does not say which of the two it means.
            if await self._is_over(call_id):
                await let_go(self, other_id)
                raise CallEnded(str(error), status=error.status, code=error.code) from None
            raise OtherCallEnded(f"the other one: {error}", status=error.status, code=error.code) from None

    async def start_stream(
        self, call_id: str, stream: StreamDocument, *, command_id: str | None = None
    ) -> None:
        """Connect a live call with the bot's media socket again.

        Source: telnyx SDK, `types/calls/action_start_streaming_params.py`.

        Raises:
            CallEnded: The call is over.
            CarrierError: There is no stream, as far as we know.
        """
        options = call_control_stream_options(stream, self._codec)
        if self._codec == "L16":
            options["stream_bidirectional_sampling_rate"] = 16000
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.start_streaming(
                id_, command_id=new_id(command_id), **options
            ),
        )

    async def stop_stream(self, call_id: str, *, command_id: str | None = None) -> None:
        """End the media streams of a call that goes on without the bot.

        Raises:
            CallEnded: The call is over, and its streams with it.
            CarrierError: The bot may still hear the call.
        """
        await self._command(
            call_id,
            lambda client, id_: client.calls.actions.stop_streaming(id_, command_id=new_id(command_id)),
        )

    async def _is_over(self, call_id: str) -> bool:
        try:
            return (await self.fetch_call(call_id)).state is LineState.COMPLETED
        except CallNotFound:
            return True
        except CarrierError:
            # If it is over, its media stream ends too, and that is noticed in any case.
            return False
