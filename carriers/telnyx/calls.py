"""How Telnyx writes calls: what to send for a new one, and how to read one. No I/O."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from carriers.callbacks import LINE_STATES
from carriers.carrier import CarrierCall, LineState
from carriers.dialling import DialOut, MachineDetection
from carriers.errors import CarrierRejected
from carriers.forms import moment
from carriers.numbers import phone_number
from carriers.streams import StreamDocument
from carriers.telnyx.addresses import telnyx_address

if TYPE_CHECKING:
    from telnyx.types.texml.accounts.call_resource import CallResource

CALL_CONTROL_ID = re.compile(r"[A-Za-z0-9_:.~+=@-]{1,256}")

TEXML_STATES = {**LINE_STATES, "answered": LineState.IN_PROGRESS}
"""Words of TeXML callbacks. Source: Telnyx docs, API reference, TeXML callbacks."""

TEXML_MACHINE_DETECTION = {
    MachineDetection.DETECT: "Enable",
    MachineDetection.END_OF_GREETING: "DetectMessageEnd",
}
"""TeXML's words for each. Source: telnyx SDK, `types/texml/accounts/call_calls_params.py`."""

CALL_CONTROL_MACHINE_DETECTION = "premium"
"""The detection that Telnyx recommends. It reports a beep unasked, but not a greeting that ends without one, which
the bot hears itself. Sources: telnyx SDK, `types/call_dial_params.py`; Telnyx docs, answering machine detection."""

TRANSFER_OF = "phonebot_transfer_of"
"""In the `client_state` of a leg that a transfer makes: the call that is transferred. The two legs have nothing else in
common but their session, which they share with every leg that is bridged later."""

MAX_STATE_CHARS = 4000
"""No length is documented; this is what the longest field that has one may have (`stream_auth_token`)."""

STREAM_ENDS = ("streaming.failed", "streaming.stopped")
"""The events after which a caller hears nothing until we have the stream begin again."""

RETRIES_MS = (1000, 1500, 2000, 3000, 20000)
"""When they are delivered again, each so long after the attempt before: a process that died needs some seconds until
it can answer, and a caller stays some seconds. Five at most, and 60 s together. Source: telnyx SDK,
`types/calls/action_answer_params.py`."""

CLOCKS_DIFFER = timedelta(seconds=10)


def texml_dial_body(dial_out: DialOut, application_id: str, document: str) -> dict[str, Any]:
    """What makes a call that runs TeXML.

    Args:
        dial_out: The call.
        application_id: The TeXML application.
        document: Connects the call with the bot.

    Source: telnyx SDK, `types/texml/accounts/call_calls_params.py`.
    """
    # In the API's own spelling: for this request the SDK (4.189) does not translate its own.
    body: dict[str, Any] = {
        "ApplicationSid": application_id,
        "To": dial_out.to,
        "From": dial_out.from_number,
        "Texml": document,
        "Timeout": dial_out.ring_timeout_secs,
    }
    if dial_out.status_url:
        body |= {
            "StatusCallback": telnyx_address(dial_out.status_url),
            "StatusCallbackEvent": "initiated ringing answered completed",
            "StatusCallbackMethod": "POST",
        }
    if dial_out.machine_detection:
        body |= {
            "MachineDetection": TEXML_MACHINE_DETECTION[dial_out.machine_detection],
            "DetectionMode": "Premium",
            "AsyncAmd": True,
            "AsyncAmdStatusCallback": dial_out.amd_url and telnyx_address(dial_out.amd_url),
            "AsyncAmdStatusCallbackMethod": "POST",
        }
    if dial_out.time_limit_secs is not None:
        body["TimeLimit"] = dial_out.time_limit_secs
    return body


def call_control_dial_options(dial_out: DialOut, application_id: str, codec: str) -> dict[str, Any]:
    """What makes a Call Control call with a media stream, as the SDK's `calls.dial` takes it.

    Args:
        dial_out: The call.
        application_id: The Voice API application.
        codec: What we send: PCMU, PCMA or L16.

    Source: telnyx SDK, `types/call_dial_params.py`.
    """
    options: dict[str, Any] = {
        "connection_id": application_id,
        "to": dial_out.to,
        "from_": dial_out.from_number,
        "timeout_secs": dial_out.ring_timeout_secs,
        "command_id": dial_out.command_id,
        **call_control_stream_options(dial_out.stream, codec),
        **retries_of_stream_ends(),
    }
    if codec == "L16":
        options["stream_bidirectional_sampling_rate"] = 16000
    if dial_out.status_url:
        options |= {"webhook_url": telnyx_address(dial_out.status_url), "webhook_url_method": "POST"}
    if dial_out.machine_detection:
        options["answering_machine_detection"] = CALL_CONTROL_MACHINE_DETECTION
    if dial_out.time_limit_secs is not None:
        options["time_limit_secs"] = dial_out.time_limit_secs
    return options


def retries_of_stream_ends() -> dict[str, Any]:
    """How the events about the end of a call's media stream are delivered again, for commands that begin a call."""
    return {"webhook_retries_policies": {kind: {"retries_ms": list(RETRIES_MS)} for kind in STREAM_ENDS}}


def call_control_stream_options(stream: StreamDocument, codec: str) -> dict[str, Any]:
    """What connects a call with the bot when it is answered, for commands that dial or answer.

    Args:
        stream: Where to stream to, and with what.
        codec: What we send: PCMU, PCMA or L16.

    These commands have no custom parameters, so `client_state` carries them, which comes with the stream's first
    message and with each event. For answering there is no sampling rate either; L16 is documented for 16 kHz only.

    Source: telnyx SDK, `types/call_dial_params.py` and `types/calls/action_answer_params.py`.
    """
    options: dict[str, Any] = {
        "stream_url": telnyx_address(stream.stream_url),
        "stream_track": "inbound_track",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": codec,
        # By default only a leg that is bridged with this one would hear the bot.
        "stream_bidirectional_target_legs": "self",
    }
    if codec == "L16":
        options["stream_codec"] = "L16"
    parameters = {name: value for name, value in stream.parameters.items() if name != TRANSFER_OF}
    if parameters:
        options["client_state"] = client_state(parameters)
    return options


def client_state(values: Mapping[str, Any]) -> str:
    """Values for a leg to carry, as Telnyx takes them. Source: telnyx SDK: valid base64, any content.

    Raises:
        CarrierRejected: It is longer than we rely on.
    """
    state = base64.b64encode(json.dumps(dict(values)).encode()).decode()
    if len(state) > MAX_STATE_CHARS:
        raise CarrierRejected(
            f"the call's parameters have {len(state)} characters as Telnyx's client_state, {MAX_STATE_CHARS} are "
            "allowed: shorten them"
        )
    return state


def read_client_state(text: object) -> dict[str, Any]:
    """The values that `client_state` wrote; empty when another program wrote the text."""
    try:
        values = json.loads(base64.b64decode(str(text or ""), validate=True))
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def recent_calls(calls: Iterable[CallResource], since: datetime) -> list[CarrierCall]:
    """The calls made since a moment, the newest first, then those that do not say when they were made."""
    earliest = since.astimezone(UTC) - CLOCKS_DIFFER
    never = datetime.min.replace(tzinfo=UTC)
    recent = []
    for call in calls:
        made_at = moment(call.date_created) or moment(call.start_time)
        if call.sid and (made_at is None or made_at >= earliest):
            found = CarrierCall(
                id=call.sid,
                state=TEXML_STATES.get(str(call.status)),
                from_number=phone_number(call.from_),
                to_number=phone_number(call.to),
                ended_at=moment(call.end_time),
            )
            recent.append((made_at or never, found))
    return [found for _, found in sorted(recent, key=lambda made: made[0], reverse=True)]


def undocumented_id(fields: dict[str, Any]) -> str | None:
    """The id of a new TeXML call, if the answer has it against its documentation."""
    for name in ("sid", "call_sid", "call_control_id"):
        value = fields.get(name)
        if isinstance(value, str) and CALL_CONTROL_ID.fullmatch(value):
            return value
    return None
