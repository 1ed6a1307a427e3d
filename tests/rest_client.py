"""A bot's own REST requests to the emulated carriers, for the emulator's tests: aiohttp, and nothing of the product."""

from __future__ import annotations

from typing import Any

import aiohttp

from emulator import Credentials
from tests.fake_bot import only_for

ACCOUNT = Credentials()
TWILIO = f"/2010-04-01/Accounts/{ACCOUNT.twilio_account_sid}/Calls"
TEXML = f"/v2/texml/Accounts/{ACCOUNT.telnyx_account_id}/Calls"
MARKUP = {"twilio": "Twiml", "telnyx": "Texml"}
EVENTS = ("initiated", "ringing", "answered", "completed")


async def request(
    carrier: str, method: str, url: str, fields: Any = None, *, json: Any = None
) -> tuple[int, dict[str, Any]]:
    """One request with the account's credentials, a form or JSON; returns status and body."""
    key = aiohttp.encode_basic_auth(ACCOUNT.twilio_account_sid, ACCOUNT.twilio_auth_token)
    headers = {"Authorization": key if carrier == "twilio" else f"Bearer {ACCOUNT.telnyx_api_key}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url, data=fields, json=json) as response,
    ):
        return response.status, await response.json()


async def create(
    carrier: str, rest_url: str, to: str, *, events: tuple[str, ...] = EVENTS, **fields: str
) -> tuple[int, dict[str, Any]]:
    """Order a call. `document` is markup without its root."""
    fields = {"To": to, "From": "+12025550100"} | fields
    if document := fields.pop("document", None):
        fields[MARKUP[carrier]] = f"<Response>{only_for(carrier, document)}</Response>"
    if carrier == "twilio":
        form = [*fields.items(), *(("StatusCallbackEvent", event) for event in events)]
        return await request(carrier, "POST", f"{rest_url}{TWILIO}.json", form)
    body: dict[str, Any] = {"ApplicationSid": "1", "StatusCallbackEvent": " ".join(events)}
    body |= {name: _typed(name, value) for name, value in fields.items()}
    return await request(carrier, "POST", f"{rest_url}{TEXML}", json=body)


def _typed(name: str, value: str) -> str | int | bool:
    """A form's value as JSON has it."""
    if name == "AsyncAmd":
        return value == "true"
    is_number = name.startswith(("Time", "MachineDetection")) and value.isdigit()
    return int(value) if is_number else value


def call_url(carrier: str, rest_url: str, call_id: str) -> str:
    """Where a call is fetched and updated."""
    return f"{rest_url}{TWILIO}/{call_id}.json" if carrier == "twilio" else f"{rest_url}{TEXML}/{call_id}"


async def change(carrier: str, rest_url: str, call_id: str, **fields: str) -> tuple[int, dict[str, Any]]:
    """Update a call. `document` is markup without its root."""
    if document := fields.pop("document", None):
        fields[MARKUP[carrier]] = f"<Response>{only_for(carrier, document)}</Response>"
    return await request(carrier, "POST", call_url(carrier, rest_url, call_id), fields)


async def fetch(carrier: str, rest_url: str, call_id: str) -> dict[str, Any]:
    """A call's resource."""
    status, body = await request(carrier, "GET", call_url(carrier, rest_url, call_id))
    assert status == 200, body
    return body


async def listed(carrier: str, rest_url: str, query: str = "") -> list[dict[str, Any]]:
    """The list of calls."""
    base = f"{TWILIO}.json" if carrier == "twilio" else TEXML
    status, body = await request(carrier, "GET", f"{rest_url}{base}{query}")
    assert status == 200, body
    return body["calls"]
