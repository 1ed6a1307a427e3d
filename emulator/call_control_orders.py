"""What Call Control commands order, read from their JSON without I/O.

Sources: Telnyx docs, call commands (dial, answer, transfer, streaming_start, gather, send_dtmf) and the parameters
of the published client library (types/call_dial_params, types/calls/action_*_params, 4.189); error codes as in
`emulator.call_control_errors`. What Telnyx does with parameters that a command does not have is not documented:
here they are left out with a warning, so that nobody relies on them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.call_control_errors import CommandRefused
from emulator.call_control_events import WebhookAddress, retry_policies
from emulator.codecs import FRAME_MS, SAMPLE_RATE

G711 = ("PCMU", "PCMA")
CODECS = (*G711, "G722", "OPUS", "AMR-WB", "L16")
TRACKS = ("inbound_track", "outbound_track", "both_tracks")
MODES = ("mp3", "rtp")
LEGS = ("self", "opposite", "both")
RATES = (8000, 16000, 22050, 24000, 48000)
DETECTIONS = (
    "premium",
    "premium_ios_call_screening_detection",
    "detect",
    "detect_beep",
    "detect_words",
    "greeting_end",
    "disabled",
)
LONGEST_TOKEN = 4000
RING_SECS = 30.0
LEAST_LIMIT_SECS = 60
MOST_LIMIT_SECS = 14000
"""By the page of error 90029; the pages of the commands say 14400."""
LIMIT_SECS = 14400.0
"""If none is given."""
DIGITS = re.compile(r"[0-9A-D*#wW]+")
ADDRESS = re.compile(r"\+[1-9]\d{5,14}|sips?:[^@\s]+@[^@\s]+", re.IGNORECASE)

_ALL = frozenset({"client_state", "command_id"})
_STREAM = frozenset(
    "stream_url stream_track stream_codec stream_bidirectional_mode stream_bidirectional_codec "
    "stream_bidirectional_target_legs".split()
)
_STREAM_IN_FULL = _STREAM | {"stream_auth_token", "stream_bidirectional_sampling_rate"}
_WEBHOOK = frozenset({"webhook_url", "webhook_urls", "webhook_retries_policies"})
_RECORD = frozenset(
    "record record_channels record_format record_max_length record_timeout_secs record_track record_trim "
    "record_custom_file_name".split()
)
PARAMETERS: Mapping[str, frozenset[str]] = {
    "answer": _ALL | _STREAM | _WEBHOOK | _RECORD | {"send_silence_when_idle"},
    "dial": _ALL
    | _STREAM_IN_FULL
    | _WEBHOOK
    | _RECORD
    | {
        *("connection_id", "to", "from", "timeout_secs", "time_limit_secs", "link_to"),
        *("bridge_on_answer", "bridge_intent", "answering_machine_detection", "send_silence_when_idle"),
        *("answering_machine_detection_config", "from_display_name", "send_digits_on_answer"),
    },
    "transfer": _ALL
    | _WEBHOOK
    | _RECORD
    | {
        *("to", "from", "timeout_secs", "time_limit_secs", "target_leg_client_state", "from_display_name"),
        *("answering_machine_detection", "answering_machine_detection_config", "send_digits_on_answer"),
    },
    "bridge": _ALL | {"call_control_id", "prevent_double_bridge"},
    "hangup": _ALL | {"reason"},
    "reject": _ALL | {"cause"},
    "refer": _ALL | {"sip_address"},
    "streaming_start": _ALL | _STREAM_IN_FULL | {"custom_parameters"},
    "streaming_stop": _ALL | {"stream_id"},
    "send_dtmf": _ALL | {"digits", "duration_millis"},
    "speak": _ALL | {"payload", "voice", "language", "payload_type", "service_level"},
    "playback_start": _ALL | {"audio_url", "audio_type", "loop", "cache_audio"},
    "playback_stop": _ALL | {"stop", "overlay"},
    "client_state_update": _ALL,
    "gather": _ALL
    | {
        *("gather_id", "initial_timeout_millis", "inter_digit_timeout_millis", "maximum_digits"),
        *("minimum_digits", "terminating_digit", "timeout_millis", "valid_digits"),
    },
    "gather_stop": _ALL,
    "record_start": _ALL | {"channels", "format", "max_length", "play_beep", "recording_track"},
    "record_stop": _ALL | {"recording_id"},
    "record_pause": _ALL | {"recording_id"},
    "record_resume": _ALL | {"recording_id"},
}
"""The commands that are emulated, and their parameters that have an effect here (or none that could be noticed)."""


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
        detection: Whether it is found out who has answered, or None.
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


def misplaced_parameters(command: str, body: Mapping[str, Any]) -> list[str]:
    """Parameters that other commands have and this one has not: whoever gives them relies on what is not there."""
    elsewhere = frozenset[str]().union(*PARAMETERS.values())
    return sorted((set(body) & elsewhere) - PARAMETERS[command])


def ignored_parameters(body: Mapping[str, Any]) -> list[str]:
    """Parameters that are not emulated."""
    return sorted(set(body) - frozenset[str]().union(*PARAMETERS.values()))


def client_state_of(body: Mapping[str, Any], name: str = "client_state") -> str | None:
    """The state, or None if none is given.

    Raises:
        CommandRefused: 90017, not base64.
    """
    state = body.get(name)
    if state is None:
        return None
    try:
        base64.b64decode(state, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise CommandRefused("90017", pointer=f"/{name}") from None
    return str(state)


def stream_of(body: Mapping[str, Any], *, required: bool = False) -> StreamOrder | None:
    """The stream that a command asks for, or None.

    Raises:
        CommandRefused: A value that is not one of those documented, or no `stream_url` where one is needed.
    """
    url = body.get("stream_url")
    if not url:
        if required:
            raise CommandRefused("10004", pointer="/stream_url")
        return None
    codec = _one_of(body, "stream_codec", (*CODECS, "default"), "default")
    mode = _one_of(body, "stream_bidirectional_mode", MODES, "mp3")
    bot_codec = _one_of(body, "stream_bidirectional_codec", CODECS, "PCMU")
    track = _one_of(body, "stream_track", TRACKS, "inbound_track")
    target_legs = _one_of(body, "stream_bidirectional_target_legs", LEGS, "opposite")
    _one_of(body, "stream_bidirectional_sampling_rate", RATES, SAMPLE_RATE)
    token = body.get("stream_auth_token")
    if token is not None and not (isinstance(token, str) and len(token) <= LONGEST_TOKEN):
        raise CommandRefused("10026", "stream_auth_token is a string of at most 4000 characters")
    return StreamOrder(str(url), codec, mode, bot_codec, token, _custom_parameters(body), track, target_legs)


def _custom_parameters(body: Mapping[str, Any]) -> dict[str, str]:
    given = body.get("custom_parameters") or []
    if not isinstance(given, list) or not all(isinstance(one, Mapping) and "name" in one for one in given):
        raise CommandRefused("10026", "custom_parameters is a list of {name, value}")
    return {str(one["name"]): str(one.get("value", "")) for one in given}


def dial_of(body: Mapping[str, Any], *, default_from: str | None = None, transfer: bool = False) -> DialOut:
    """The leg that `dial` or `transfer` asks for.

    Args:
        body: The command.
        default_from: Shown when there is no `from`; None where it is required.
        transfer: Whether the new leg's state is `target_leg_client_state`.

    Raises:
        CommandRefused: Something is missing or not usable.
    """
    to, keys = _destinations(body)
    from_number = body.get("from", default_from)
    if not isinstance(from_number, str) or not from_number:
        raise CommandRefused("10004", pointer="/from")
    if not ADDRESS.fullmatch(from_number):
        raise CommandRefused("10016", pointer="/from")
    keys = str(body.get("send_digits_on_answer") or keys)
    if keys and not DIGITS.fullmatch(keys):
        raise CommandRefused("90014", pointer="/send_digits_on_answer")
    return DialOut(
        to,
        from_number,
        _secs(body, "timeout_secs", RING_SECS, 5, 600, "90028"),
        time_limit_of(body),
        _detection(body),
        client_state_of(body, "target_leg_client_state" if transfer else "client_state"),
        None if transfer else stream_of(body),
        keys,
    )


def time_limit_of(body: Mapping[str, Any]) -> float:
    """How long a leg may last.

    Raises:
        CommandRefused: 90029.
    """
    if "time_limit_secs" not in body:
        return LIMIT_SECS
    return _secs(body, "time_limit_secs", LIMIT_SECS, LEAST_LIMIT_SECS, MOST_LIMIT_SECS, "90029")


def _detection(body: Mapping[str, Any]) -> Detection | None:
    kind = _one_of(body, "answering_machine_detection", DETECTIONS, "disabled")
    if kind == "disabled":
        return None
    config = body.get("answering_machine_detection_config") or {}
    if not isinstance(config, Mapping):
        raise CommandRefused("10026", pointer="/answering_machine_detection_config")
    timeout_ms = _secs(config, "total_analysis_time_millis", 30_000, 1, 600_000, "10026")
    greeting_ms = _secs(config, "greeting_duration_millis", 3_500, 1, 600_000, "10026")
    return Detection(kind, timeout_ms / 1000, int(greeting_ms))


def _destinations(body: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    given = body.get("to")
    keys = ""
    if isinstance(given, str):
        number, _, keys = given.partition(",")
        given = [number]
    if not isinstance(given, Sequence) or not given:
        raise CommandRefused("10004", pointer="/to")
    for one in given:
        if not isinstance(one, str) or not ADDRESS.fullmatch(one):
            raise CommandRefused("10016", pointer="/to")
    return tuple(given), keys


def address_of(body: Mapping[str, Any], before: WebhookAddress) -> WebhookAddress:
    """Where events go after a command: as before, unless the command says otherwise.

    Raises:
        CommandRefused: 90057 or 10026, not of the documented shape.
    """
    urls = body.get("webhook_urls", before.by_event)
    if not isinstance(urls, Mapping) or not all(isinstance(one, list) for one in urls.values()):
        raise CommandRefused("90057", pointer="/webhook_urls")
    retries = before.retries
    if "webhook_retries_policies" in body:
        try:
            retries = retry_policies(body["webhook_retries_policies"])
        except ValueError as error:
            raise CommandRefused("10026", str(error), "/webhook_retries_policies") from None
    return WebhookAddress(body.get("webhook_url") or before.url, urls, retries)


def gather_of(body: Mapping[str, Any]) -> GatherOrder:
    """The keys that `gather` collects. Defaults are Telnyx's: up to 128 keys, 5 s each, 60 s together, `#` ends.

    Raises:
        CommandRefused: A value out of range.
    """
    timeout = _secs(body, "timeout_millis", 60_000, 1, 600_000, "90025") / 1000
    between = _secs(body, "inter_digit_timeout_millis", 5_000, 1, 120_000, "90025") / 1000
    first = _secs(body, "initial_timeout_millis", 5_000, 1, 600_000, "90025") / 1000
    terminator = body.get("terminating_digit", "#")
    valid = body.get("valid_digits", "0123456789#*")
    if not isinstance(terminator, str) or not isinstance(valid, str):
        raise CommandRefused("10026")
    return GatherOrder(
        int(_secs(body, "minimum_digits", 1, 1, 128, "90022")),
        int(_secs(body, "maximum_digits", 128, 1, 128, "90023")),
        first,
        between,
        timeout,
        terminator,
        valid,
    )


def digits_of(body: Mapping[str, Any]) -> tuple[str, int]:
    """The keys of `send_dtmf` and how long each is held, in ms (whole frames).

    Raises:
        CommandRefused: 90014 or 90027.
    """
    digits = body.get("digits")
    if not isinstance(digits, str) or not DIGITS.fullmatch(digits):
        raise CommandRefused("90014", pointer="/digits")
    return digits, int(_secs(body, "duration_millis", 250, 100, 500, "90027")) // FRAME_MS * FRAME_MS


def text_of(body: Mapping[str, Any], name: str, longest: int = 4000) -> str:
    """A parameter that must be there.

    Raises:
        CommandRefused: 10004 or 10026.
    """
    value = body.get(name)
    if value is None or value == "":
        raise CommandRefused("10004", pointer=f"/{name}")
    if not isinstance(value, str) or len(value) > longest:
        raise CommandRefused("10026", pointer=f"/{name}")
    return value


def _one_of(body: Mapping[str, Any], name: str, allowed: Sequence[Any], default: Any) -> Any:
    value = body.get(name, default)
    if value not in allowed:
        known = ", ".join(str(one) for one in allowed)
        raise CommandRefused("10032", f"{name} must be one of {known}", f"/{name}")
    return value


def _secs(body: Mapping[str, Any], name: str, default: float, least: float, most: float, code: str) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise CommandRefused(code, pointer=f"/{name}")
    return float(value)
