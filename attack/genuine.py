"""Requests as the carriers send them, signed as they sign."""

from __future__ import annotations

import base64
import json
import time
import uuid
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from attack.knowledge import Seen
from attack.raw_requests import FORM, JSON
from emulator.carriers.credentials import Credentials


def genuine_form(url: str, path: str, credentials: Credentials) -> Seen:
    """A webhook of Twilio's."""
    fields = {
        "CallSid": f"CA{uuid.uuid4().hex}",
        "AccountSid": credentials.twilio_account_sid,
        "From": "+12025550143",
        "To": "+12025550100",
        "CallStatus": "ringing",
        "Direction": "inbound",
        "ApiVersion": "2010-04-01",
    }
    signature = RequestValidator(credentials.twilio_auth_token).compute_signature(url + path, fields)
    return Seen(path, {"X-Twilio-Signature": signature}, urlencode(fields), FORM)


def genuine_event(credentials: Credentials) -> Seen:
    """A Call Control event of Telnyx's."""
    payload = {"call_control_id": "v3:genuine", "call_leg_id": str(uuid.uuid4()), "direction": "incoming"}
    event = {"data": {"event_type": "call.initiated", "id": str(uuid.uuid4()), "payload": payload}}
    body, stamp = json.dumps(event), str(int(time.time()))
    proof = base64.b64encode(credentials.telnyx_key.sign(f"{stamp}|{body}".encode())).decode()
    return Seen("/telnyx/events", {"Telnyx-Signature-Ed25519": proof, "Telnyx-Timestamp": stamp}, body, JSON)
