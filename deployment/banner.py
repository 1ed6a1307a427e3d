"""What `python server.py` prints at its start: what to paste where, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from carriers import credential_notes, descriptor_of, descriptors
from carriers.checks import Addresses
from carriers.cloud import cloud_documents
from desk.api_keys import ApiKeys
from desk.keys import FALLBACK, VOICE, AddressKeys, deployment_secrets
from desk.meanwhile import words_meanwhile
from settings import Settings


def start_lines(settings: Settings, public_url: str, *, tunnel: bool = False) -> list[str]:
    """The lines, without the services' own.

    Args:
        settings: What the operator configured.
        public_url: The base that carriers call.
        tunnel: Whether that was found by asking ngrok.

    Raises:
        CloudError: PIPECAT_CLOUD_AGENT or PIPECAT_CLOUD_REGION cannot be right.
    """
    at = f"http://{_printable(settings.host)}:{settings.port}"
    lines = [f"Agent {settings.agent}, listening on {at}"]
    if settings.pipecat_cloud_agent and settings.pipecat_cloud_public_key:
        cloud_documents(settings.pipecat_cloud_agent, settings.pipecat_cloud_region)  # can the two be right?
        lines.append(
            f"Pipecat Cloud talks as {settings.pipecat_cloud_agent}; each call gets a ticket for its media socket there"
        )
        lines += _webhook_lines(settings, public_url, tunnel)
    elif settings.pipecat_cloud_agent:
        lines += _cloud_lines(settings.pipecat_cloud_agent, settings.pipecat_cloud_region)
    else:
        lines += _webhook_lines(settings, public_url, tunnel)
    lines += credential_notes(settings)
    if settings.allow_unsigned_webhooks:
        lines.append("ALLOW_UNSIGNED_WEBHOOKS is on: anyone who finds the address can act as the carrier")
    if settings.allow_tokenless_streams:
        lines.append("ALLOW_TOKENLESS_STREAMS is on: anyone who finds the address can talk to the bot")
    if not ApiKeys(settings).good():
        lines.append("API_KEY is not set: the API (/calls) is closed")
    return lines


def pasted_address(carrier: str, settings: Settings, public_url: str, purpose: str = VOICE) -> str:
    """Where a carrier asks for instructions; with a secret part if it may not sign the request with its address.

    Args:
        carrier: The carrier's name.
        settings: What the operator configured.
        public_url: The base that carriers call.
        purpose: `VOICE`, or `FALLBACK` for where it asks when it gets none there.
    """
    address = f"{public_url}/{carrier}/{purpose}"
    if descriptor_of(carrier).signs_addresses:
        return address
    return f"{address}/{AddressKeys(deployment_secrets(settings)).key(carrier, purpose)}"


def addresses(settings: Settings, public_url: str) -> dict[str, Addresses]:
    """What is to be configured at each carrier, by its name.

    Args:
        settings: What the operator configured.
        public_url: The base that carriers call.
    """
    return {
        one.name: Addresses(
            pasted_address(one.name, settings, public_url),
            f"{public_url}/{one.name}/status",
            f"{public_url}/{one.name}/events" if one.sends_events else None,
            pasted_address(one.name, settings, public_url, FALLBACK),
        )
        for one in descriptors()
    }


def _webhook_lines(settings: Settings, public_url: str, tunnel: bool) -> list[str]:
    lines = []
    if urlsplit(public_url).scheme != "https":
        lines.append(
            f"PUBLIC_URL is {public_url}: only the emulator can call. For real calls carriers need an https "
            f"address: start `ngrok http {settings.port}` and then this again, or set PUBLIC_URL"
        )
    elif tunnel:
        lines.append(f"PUBLIC_URL is not set: using {public_url}, found by asking ngrok")
    ours = addresses(settings, public_url)
    return [
        *lines,
        *(line for one in descriptors() for line in one.console_lines(ours[one.name])),
        *_waiting_lines(settings, ours),
        "Another agent for a number: add ?agent=NAME to its voice address",
        *(
            f"Keep {one.title}'s voice address to yourself: who knows it can have the bot answer"
            for one in descriptors()
            if not one.signs_addresses
        ),
    ]


def _waiting_lines(settings: Settings, ours: Mapping[str, Addresses]) -> list[str]:
    """Documents that carriers keep, for callers while this service is started again."""
    meanwhile = words_meanwhile(settings)
    documents = (
        (one, one.waiting_document(ours[one.name].voice, meanwhile, is_kept=True)) for one in descriptors()
    )
    return [
        line
        for one, document in documents
        if document is not None
        for line in (
            f"Without a second machine, so that {one.title}'s callers wait while this one starts again, paste into "
            f"{one.waiting_bin}:",
            f"  {document}",
        )
    ]


def _cloud_lines(agent: str, region: str | None) -> list[str]:
    documents = cloud_documents(agent, region)
    lines = [
        line for one in descriptors() for line in (f"Paste into {one.cloud_bin}:", f"  {documents[one.name]}")
    ]
    return [f"Pipecat Cloud answers as {agent}. {lines[0]}", *lines[1:]]


def _printable(host: str) -> str:
    return f"[{host}]" if ":" in host else host
