"""What every phone company must be able to do to calls, as requests over the network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from carriers.dialling import DialledCall, DialOut
from carriers.documents import Meeting, TransferDocument
from carriers.recording import RecordingFile, RecordingFormat
from carriers.reports import CarrierCall, HangUp
from carriers.streams import StreamDocument


class CallActions(Protocol):
    """The part of every `Carrier` that needs credentials.

    Each method sends its request once; retries are decided above the carriers. Where a method takes a `command_id`, a
    retry with the same one has no second effect at a carrier that knows such ids.
    """

    async def load(self) -> None:
        """Load the carrier's SDK, in a thread: it takes seconds, and other calls are talking.

        Every request loads it if it must. Code that puts a time limit on a request loads it before, so that the time
        is not spent on loading.
        """
        ...

    async def prepare(self) -> None:
        """Load the SDK and learn what every request needs, at start-up, so that the first call need not wait."""
        ...

    async def dial(self, dial_out: DialOut) -> DialledCall:
        """Make a call.

        Raises:
            DialUncertain: The call may have been made, or not: look with `find_recent_call` before trying
                again.
            CarrierError: The call was not made.
        """
        ...

    async def hang_up(self, call_id: str) -> HangUp:
        """End a call.

        Raises:
            CarrierError: It may still be up.
        """
        ...

    async def fetch_call(self, call_id: str) -> CarrierCall:
        """Ask what became of a call.

        Raises:
            CarrierError: The carrier did not say.
        """
        ...

    async def transfer(
        self, call_id: str, document: TransferDocument, *, command_id: str | None = None
    ) -> None:
        """Connect the caller with the document's destination.

        The carrier reports how the transfer went to the document's `action_url`; without one, `dialled_from` finds it
        out. For a call run by commands, events report it: those of the leg whose `transfer_of` is this call. Once that
        leg, or this call, is `bridged`, the two people talk; if the leg ends before that, the caller is still here.

        Raises:
            CallEnded: The call is over, nothing was done.
            CarrierUnavailable: The destination's phone may be ringing.
            CarrierError: The call goes on as it was.
        """
        ...

    async def connect_calls(
        self, call_id: str, other_id: str, meeting: Meeting, *, command_id: str | None = None
    ) -> None:
        """Let two live calls of the same mode hear each other. When one hangs up, the other one ends too.

        The media streams of both end, except where commands run the calls: there `stop_stream` ends them.

        Args:
            call_id: The caller's.
            other_id: The colleague's. After an error it may be hung up already; hanging it up again does no harm.
            meeting: Where they meet.
            command_id: See above.

        Raises:
            OtherCallEnded: The colleague is gone; the caller's call goes on as it was.
            CallEnded: The caller is gone, and the colleague's call is hung up.
            CarrierUnavailable: The caller's call may go on as it was, or wait alone in the meeting: where documents
                run it, give it another one.
            CarrierError: The caller's call goes on as it was.
        """
        ...

    async def start_recording(
        self,
        call_id: str,
        *,
        status_url: str | None = None,
        file_format: RecordingFormat = RecordingFormat.WAV,
        command_id: str | None = None,
    ) -> str | None:
        """Record a live call from now on, each side in its own channel.

        Args:
            call_id: The carrier's id of the call.
            status_url: Absolute URL to which the carrier reports on the recording, where it can be chosen by recording.
            file_format: What file to make, where that must be chosen beforehand.
            command_id: See above.

        Returns:
            The carrier's id of the recording, when it gives one.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        ...

    async def pause_recording(
        self,
        call_id: str,
        *,
        recording_id: str | None = None,
        command_id: str | None = None,
    ) -> None:
        """Stop recording for a while, for example while the caller says a card number.

        Args:
            call_id: The carrier's id of the call.
            recording_id: What `start_recording` returned; None for the recording under way.
            command_id: See above.

        Raises:
            CallEnded: The call is over.
            NotRecording: It is not recorded.
            CarrierError: It may still be recorded.
        """
        ...

    async def resume_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """Go on with a paused recording.

        Raises:
            CallEnded: The call is over.
            NotRecording: It is not recorded.
            CarrierError: It may still be paused.
        """
        ...

    async def stop_recording(
        self, call_id: str, *, recording_id: str | None = None, command_id: str | None = None
    ) -> None:
        """End the recording; the call goes on.

        Raises:
            CallEnded: The call is over, and the recording with it.
            NotRecording: It is not recorded.
            CarrierError: It may still be recorded.
        """
        ...

    async def delete_recording(self, recording_id: str) -> None:
        """Delete a recording with its file.

        Args:
            recording_id: The carrier's id of it.

        Raises:
            CallNotFound: There is no such recording (any more).
            CarrierError: It may still be there.
        """
        ...

    async def recording_file(self, recording_id: str) -> RecordingFile:
        """Where the file of a recording is, for the next minutes: as WAV where there is one, else as MP3.

        Args:
            recording_id: The carrier's id of it.

        Raises:
            CallNotFound: There is no such recording (any more), or it has no file.
            CarrierError: The carrier did not say.
        """
        ...


class DocumentActions(Protocol):
    """What needs credentials, of a `DocumentCarrier` only."""

    async def find_recent_call(self, to: str, from_number: str, since: datetime) -> list[CarrierCall]:
        """The calls between two numbers that were made since a moment, the newest first, at most 20.

        Ask this after a `dial` that raised `DialUncertain`. Carriers list a new call with some delay, so an empty
        answer within seconds proves nothing.

        Args:
            to: The number or SIP address that was dialled.
            from_number: Our own number that it was dialled from.
            since: A time with its time zone. Calls that began up to 10 s before count too, as clocks differ.

        Raises:
            CarrierError: The carrier did not say.
        """
        ...

    async def dialled_from(self, call_id: str, destination: str, since: datetime) -> list[CarrierCall]:
        """The legs that a `transfer` of a call has made, the newest first.

        A host without webhooks asks this when the caller is back, to learn how the transfer went. Carriers list calls
        with some delay, so an empty answer within seconds proves nothing.

        Args:
            call_id: The call that was transferred.
            destination: The number or SIP address that the call was transferred to.
            since: A time with its time zone. Legs that began up to 10 s before count too, as clocks differ.

        Raises:
            CarrierError: The carrier did not say.
        """
        ...

    async def update_document(self, call_id: str, document: str) -> None:
        """Make a live call do something else: the document replaces what runs, a media stream included.

        Raises:
            CallEnded: The call is over, nothing was done. An exception, because transferring a caller who has hung up
                is no success.
            CarrierUnavailable: The document may run or not.
            CarrierError: The call goes on as it was.
        """
        ...


class CommandActions(Protocol):
    """What needs credentials, of a `CommandCarrier` only."""

    async def reject(self, call_id: str, *, command_id: str | None = None) -> None:
        """Let the caller of a call that rings hear a busy tone.

        Raises:
            CallEnded: The caller has given up.
            CarrierError: It may still ring.
        """
        ...

    async def speak(
        self, call_id: str, text: str, language: str | None = None, *, command_id: str | None = None
    ) -> None:
        """Say a sentence in the carrier's own voice, on a call without a media stream; an event tells when it is over.

        Args:
            call_id: The carrier's id of the call.
            text: The sentence.
            language: As in BCP 47; English when not given.
            command_id: See above.

        Raises:
            CallEnded: The call is over.
            CarrierError: It may not be said.
        """
        ...

    async def record_message(
        self,
        call_id: str,
        *,
        longest_secs: int,
        silence_secs: int,
        state: Mapping[str, str],
        command_id: str | None = None,
    ) -> None:
        """Record what the caller says after a tone, and not what they hear; an event tells when the file is there.

        Args:
            call_id: The carrier's id of the call.
            longest_secs: How long the recording may be.
            silence_secs: It is over after so much silence behind something that was said.
            state: What its events carry along (`CarrierEvent.client_state`), as they may not name the call.
            command_id: See above.

        Raises:
            CallEnded: The call is over.
            CarrierError: It is not recorded, as far as we know.
        """
        ...

    async def answer(
        self, call_id: str, stream: StreamDocument | None, *, command_id: str | None = None
    ) -> None:
        """Take a call that rings, and connect it with the bot's media socket.

        Args:
            call_id: The carrier's id of the call.
            stream: Where to stream to; `ended_url` is not used. None takes the call without the bot.
            command_id: See above.

        Raises:
            CallEnded: The caller has given up.
            CarrierError: It may still ring.
        """
        ...

    async def start_stream(
        self, call_id: str, stream: StreamDocument, *, command_id: str | None = None
    ) -> None:
        """Connect a live call with the bot's media socket again.

        Args:
            call_id: The carrier's id of the call.
            stream: Where to stream to; `ended_url` is not used.
            command_id: See above.

        Raises:
            CallEnded: The call is over.
            CarrierError: There is no stream, as far as we know.
        """
        ...

    async def stop_stream(self, call_id: str, *, command_id: str | None = None) -> None:
        """End the media streams of a call that goes on without the bot.

        Raises:
            CallEnded: The call is over, and its streams with it.
            CarrierError: The bot may still hear the call.
        """
        ...


class KeyActions(Protocol):
    """What needs credentials, of a carrier that `sends_digits_by_rest`."""

    async def send_digits(self, call_id: str, digits: str, *, command_id: str | None = None) -> None:
        """Press keys for the other side: 0-9, A-D, * and #, with pauses of `w` (0.5 s) and `W` (1 s).

        Raises:
            CallEnded: The call is over.
            CarrierError: They were not sent.
        """
        ...
