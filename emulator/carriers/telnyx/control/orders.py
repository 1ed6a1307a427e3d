"""What Call Control commands order, read from their JSON without I/O.

What they may have is in the table `telnyx_call_control` of `emulator.facts`, and is checked before an order is read.
What Telnyx does with parameters that a command does not have is not documented: here they are left out, which is an
error of the call, so that no bot relies on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.carriers.telnyx.control.command_errors import CommandRefused
from emulator.carriers.telnyx.control.events import WebhookAddress, retry_policies
from emulator.facts import requests
from emulator.line.codecs import FRAME_MS

G711 = ("PCMU", "PCMA")
COMMANDS = requests("telnyx_call_control")
"""What is documented of each command."""

RING_SECS = 30.0
LIMIT_SECS = 14400.0
"""If none is given."""

EMULATED = frozenset(
    "answering_machine_detection answering_machine_detection_config audio_type audio_url bridge_intent "
    "bridge_on_answer cache_audio call_control_id cause channels client_state command_id connection_id "
    "custom_parameters digits duration_millis format from from_display_name gather_id initial_timeout_millis "
    "inter_digit_timeout_millis language link_to loop max_length maximum_digits minimum_digits overlay payload "
    "payload_type play_beep prevent_double_bridge reason record record_channels record_custom_file_name "
    "record_format record_max_length record_timeout_secs record_track record_trim recording_id recording_track "
    "send_digits_on_answer send_silence_when_idle service_level sip_address stop stream_auth_token "
    "stream_bidirectional_codec stream_bidirectional_mode stream_bidirectional_sampling_rate "
    "stream_bidirectional_target_legs stream_codec stream_id stream_track stream_url target_leg_client_state "
    "terminating_digit time_limit_secs timeout_millis timeout_secs to valid_digits voice webhook_retries_policies "
    "webhook_url webhook_urls".split()
)
"""The documented parameters that have an effect here, or none that could be noticed."""


@dataclass(frozen=True)
class StreamOrder:
    """A media stream to be opened.

    Attributes:
        url: The WebSocket's address.
        codec: What the application is to be sent: a codec, or `default` for the leg's own.
        mode: `mp3` (the default) or `rtp`.
        bot_codec: What the application sends in `rtp` mode.
        auth_token: For the upgrade's header and the first frame, or None.
        parameters: `custom_parameters` by name.
        track: Which side is streamed.
        target_legs: Who hears what the application sends: this leg (`self`), the one that it is bridged with
            (`opposite`, the documented default), or `both`.
    """

    url: str
    codec: str = "default"
    mode: str = "mp3"
    bot_codec: str = "PCMU"
    auth_token: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    track: str = "inbound_track"
    target_legs: str = "opposite"

    @property
    def heard_here(self) -> bool:
        """Whether the person on this leg hears the application."""
        return self.target_legs in ("self", "both")

    @property
    def heard_there(self) -> bool:
        """Whether the person on a leg that is bridged with this one does."""
        return self.target_legs in ("opposite", "both")


@dataclass(frozen=True)
class Detection:
    """Answering machine detection.

    Attributes:
        kind: `premium`, `detect`, `detect_beep`, `detect_words` or `greeting_end`, or the premium one for iOS.
        timeout_secs: After so long there is a result in any case (`total_analysis_time_millis`).
        greeting_ms: A greeting longer than this is a machine's (`greeting_duration_millis`).
    """

    kind: str
    timeout_secs: float = 30.0
    greeting_ms: int = 3500

    @property
    def premium(self) -> bool:
        """Whether its events are those of the premium detection."""
        return self.kind.startswith("premium")


@dataclass(frozen=True)
class DialOut:
    """A leg to be made, by `dial` or by `transfer`.

    Attributes:
        to: Numbers or SIP URIs; with several all ring and the first to answer has the call.
        from_number: What is shown to them.
        ring_secs: How long it may ring.
        limit_secs: How long it may last after the answer.
        detection: Answering machine detection, or None.
        client_state: The new leg's.
        stream: To be opened at the answer, or None.
        keys: Pressed for the new leg after the answer; empty for none.
    """

    to: tuple[str, ...]
    from_number: str
    ring_secs: float = RING_SECS
    limit_secs: float = LIMIT_SECS
    detection: Detection | None = None
    client_state: str | None = None
    stream: StreamOrder | None = None
    keys: str = ""


@dataclass(frozen=True)
class GatherOrder:
    """Keys to be collected. Times are in seconds."""

    least: int
    most: int
    first_secs: float
    between_secs: float
    all_secs: float
    terminator: str
    valid: str


def check(command: str, body: Mapping[str, Any]) -> None:
    """See that a command has what it must have, and nothing that is not as documented.

    Raises:
        CommandRefused: With the code of the first thing that is not.
    """
    found = COMMANDS[command].violation(body, as_text=False)
    if found is not None:
        raise CommandRefused(found.code, str(found), f"/{found.parameter}")


def client_state_of(body: Mapping[str, Any], name: str = "client_state") -> str | None:
    """The state, or None if none is given."""
    state = body.get(name)
    return None if state is None else str(state)


def stream_of(body: Mapping[str, Any]) -> StreamOrder | None:
    """The stream that a command asks for, or None."""
    if "stream_url" not in body:
        return None
    return StreamOrder(
        body["stream_url"],
        body.get("stream_codec", "default"),
        body.get("stream_bidirectional_mode", "mp3"),
        body.get("stream_bidirectional_codec", "PCMU"),
        body.get("stream_auth_token"),
        {one.get("name", ""): one.get("value", "") for one in body.get("custom_parameters", ())},
        body.get("stream_track", "inbound_track"),
        body.get("stream_bidirectional_target_legs", "opposite"),
    )


def dial_of(body: Mapping[str, Any], *, default_from: str = "", transfer: bool = False) -> DialOut:
    """The leg that `dial` or `transfer` asks for.

    Args:
        body: The command.
        default_from: Shown when there is no `from`.
        transfer: Whether the new leg's state is `target_leg_client_state`.
    """
    given = body["to"] if isinstance(body["to"], list) else [body["to"]]
    numbers = [one.partition(",") for one in given]
    return DialOut(
        tuple(number for number, _, _ in numbers),
        body.get("from", default_from),
        body.get("timeout_secs", RING_SECS),
        body.get("time_limit_secs", LIMIT_SECS),
        _detection(body),
        client_state_of(body, "target_leg_client_state" if transfer else "client_state"),
        None if transfer else stream_of(body),
        body.get("send_digits_on_answer", numbers[0][2]),
    )


def _detection(body: Mapping[str, Any]) -> Detection | None:
    kind = body.get("answering_machine_detection", "disabled")
    if kind == "disabled":
        return None
    config = body.get("answering_machine_detection_config", {})
    timeout_ms = config.get("total_analysis_time_millis", 30_000)
    return Detection(kind, timeout_ms / 1000, config.get("greeting_duration_millis", 3_500))


def address_of(body: Mapping[str, Any], before: WebhookAddress) -> WebhookAddress:
    """Where events go after a command: as before, unless the command says otherwise.

    Raises:
        CommandRefused: 90057 or 10026, not of the documented shape.
    """
    urls = body.get("webhook_urls", before.by_event)
    if not all(isinstance(one, list) for one in urls.values()):
        raise CommandRefused("90057", pointer="/webhook_urls")
    retries = before.retries
    if "webhook_retries_policies" in body:
        try:
            retries = retry_policies(body["webhook_retries_policies"])
        except ValueError as error:
            raise CommandRefused("10026", str(error), "/webhook_retries_policies") from None
    failover = None if "webhook_url" in body else before.failover  # it is the application's
    return WebhookAddress(body.get("webhook_url", before.url), urls, retries, failover)


def gather_of(body: Mapping[str, Any]) -> GatherOrder:
    """The keys that `gather` collects. Defaults are Telnyx's: up to 128 keys, 5 s each, 60 s together, `#` ends."""
    return GatherOrder(
        body.get("minimum_digits", 1),
        body.get("maximum_digits", 128),
        body.get("initial_timeout_millis", 5_000) / 1000,
        body.get("inter_digit_timeout_millis", 5_000) / 1000,
        body.get("timeout_millis", 60_000) / 1000,
        body.get("terminating_digit", "#"),
        body.get("valid_digits", "0123456789#*"),
    )


def digits_of(body: Mapping[str, Any]) -> tuple[str, int]:
    """The keys of `send_dtmf` and how long each is held, in ms (whole frames)."""
    return body["digits"], body.get("duration_millis", 250) // FRAME_MS * FRAME_MS
