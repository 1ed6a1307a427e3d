"""What can be found out about a deployment by asking others: carriers, providers, our own public address, clocks.

All questions only read, have a time-out and are asked side by side. For a service that cannot be reached from here the
finding is "not tried": that says nothing about a key.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from carriers import descriptor_of, descriptors
from carriers.checks import AccountChecks, Finding, Verdict, answers
from conversation.services.catalogue import DEFAULT_OLLAMA_URL
from deployment.banner import addresses
from deployment.destinations import caller_ids, destinations
from settings import Settings

TIMEOUT_SECS = 6.0
CLOCK_NOTE_SECS = 5
CLOCK_FAULT_SECS = 60
"""Signed times are good for 300 s, tickets for media sockets too; at a minute something is broken already."""


@dataclass(frozen=True)
class Probe:
    """How a provider's key is tried: the cheapest request that only reads and costs nothing.

    Parameters:
        setting: The field of `Settings` that holds the key; None for a provider without one.
        url: What is asked for.
        headers: What carries the key.
        own: Whether the address is the operator's own, so that it is a fault if nothing answers there.
    """

    setting: str | None
    url: Callable[[Settings], str]
    headers: Callable[[str], dict[str, str]]
    own: Callable[[Settings], bool] = lambda _: False


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


PROBES = (
    Probe(
        "openai_api_key",
        lambda settings: f"{(settings.openai_base_url or 'https://api.openai.com/v1').rstrip('/')}/models",
        _bearer,
        own=lambda settings: settings.openai_base_url is not None,
    ),
    Probe(
        "anthropic_api_key",
        lambda _: "https://api.anthropic.com/v1/models?limit=1",
        lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
    ),
    Probe(
        "google_api_key",
        lambda _: "https://generativelanguage.googleapis.com/v1beta/models?pageSize=1",
        lambda key: {"x-goog-api-key": key},
    ),
    Probe(
        "deepgram_api_key",
        lambda _: "https://api.deepgram.com/v1/auth/token",
        lambda key: {"Authorization": f"Token {key}"},
    ),
    Probe(
        "assemblyai_api_key",
        lambda _: "https://api.assemblyai.com/v2/transcript?limit=1",
        lambda key: {"Authorization": key},
    ),
    Probe(
        "cartesia_api_key",
        lambda _: "https://api.cartesia.ai/voices?limit=1",
        lambda key: {**_bearer(key), "Cartesia-Version": "2025-04-16"},
    ),
    Probe(
        "elevenlabs_api_key", lambda _: "https://api.elevenlabs.io/v1/user", lambda key: {"xi-api-key": key}
    ),
    Probe(
        None,
        lambda settings: f"{(settings.ollama_base_url or DEFAULT_OLLAMA_URL).rstrip('/')}/models",
        lambda _: {},
        own=lambda _: True,
    ),
)
"""Sources: the providers' API references, "List models" (OpenAI, Anthropic, Google, Ollama's OpenAI compatibility),
"Token details" (Deepgram), "List transcripts" (AssemblyAI), "List voices" (Cartesia), "Get user" (ElevenLabs)."""


async def start_findings(settings: Settings) -> list[Finding]:
    """Ask what a start has to know: about the keys, and about the accounts of carriers only where calls can come."""
    if urlsplit(settings.public_url or "").scheme == "https":
        return await outside_findings(settings, settings.public_url)
    async with _client() as http:
        asked = await asyncio.gather(*_key_questions(http, settings))
    return [finding for found in asked for finding in found]


async def outside_findings(settings: Settings, public_url: str | None) -> list[Finding]:
    """Ask the carriers, the providers and our own public address, side by side.

    Args:
        settings: What the operator configured.
        public_url: The base that carriers call, also one that was found by asking ngrok; None for none.
    """
    carriers = {one.name: checks for one in descriptors() if (checks := one.checks(settings)) is not None}
    questions: list[Coroutine[Any, Any, list[Finding]]] = []
    async with _client() as http:
        for name, checks in carriers.items():
            questions.append(_carrier(name, checks, settings, public_url))
            questions.append(_clock(http, checks.base_url()))
        questions += _key_questions(http, settings)
        if public_url is not None and _has_webhooks(settings):
            questions.append(_public_address(http, public_url, settings.port))
        try:
            asked = await asyncio.gather(*questions)
        finally:
            for checks in carriers.values():
                await checks.aclose()
    return _of_one_carrier_at_least([finding for found in asked for finding in found])


def _of_one_carrier_at_least(found: list[Finding]) -> list[Finding]:
    """A caller ID can be a number of one phone company; that the other does not know it is no fault then."""
    known = {
        one.subject
        for one in found
        if one.subject.upper().startswith("CALLER_ID") and one.verdict is Verdict.OK
    }
    return [
        replace(one, verdict=Verdict.NOTE) if one.subject in known and one.verdict is Verdict.FAULT else one
        for one in found
    ]


def _has_webhooks(settings: Settings) -> bool:
    """Whether the phone company asks us what to do, and not a document that it keeps for Pipecat Cloud."""
    return settings.pipecat_cloud_agent is None or settings.pipecat_cloud_public_key is not None


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=TIMEOUT_SECS, follow_redirects=False)


def _key_questions(http: httpx.AsyncClient, settings: Settings) -> list[Coroutine[Any, Any, list[Finding]]]:
    return [_key(http, probe, settings) for probe in PROBES if _is_set(probe, settings)]


async def _carrier(
    name: str, checks: AccountChecks, settings: Settings, public_url: str | None
) -> list[Finding]:
    carrier = descriptor_of(name)
    subject = carrier.title
    found = await answers([checks.credentials()], subject)
    refused = [one for one in found if one.verdict in (Verdict.FAULT, Verdict.NOT_TRIED)]
    if any(one.subject not in carrier.beside_credentials for one in refused):
        # What follows would only say the same again.
        return found
    here = None
    if public_url is not None and urlsplit(public_url).scheme == "https" and _has_webhooks(settings):
        here = addresses(settings, public_url)[name]
    questions = [answers([checks.dialling(destinations(settings), here)], f"{subject} dialling")]
    if here is not None:
        questions.append(answers([checks.routing(here)], f"{subject} numbers"))
    questions += [answers([checks.caller_id(*one)], one[1]) for one in caller_ids(settings)]
    return found + await answers(questions, subject)


async def _clock(http: httpx.AsyncClient, url: str) -> list[Finding]:
    """Compare this machine's clock with a carrier's, by the `Date` of an answer, of whatever status."""
    try:
        before = time.time()
        answer = await http.get(url)
        after = time.time()
        theirs = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (httpx.HTTPError, httpx.InvalidURL, KeyError, ValueError):
        return []  # the credentials have said that it cannot be reached
    # A Date has no parts of a second.
    ahead = (before + after) / 2 - theirs - 0.5
    host = urlsplit(url).hostname
    if abs(ahead) < CLOCK_NOTE_SECS:
        return [Finding(Verdict.OK, "clock", f"agrees with that of {host}")]
    text = f"is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} that of {host}"
    if abs(ahead) < CLOCK_FAULT_SECS:
        return [Finding(Verdict.NOTE, "clock", text)]
    text += (
        ": signatures and addresses of media sockets are taken for too old; have NTP set it (`timedatectl`)"
    )
    return [Finding(Verdict.FAULT, "clock", text)]


def _is_set(probe: Probe, settings: Settings) -> bool:
    if probe.setting is None:
        return bool(settings.ollama_base_url or settings.ollama_model)
    return getattr(settings, probe.setting) is not None or (
        probe.setting == "openai_api_key" and bool(settings.openai_base_url)
    )


async def _key(http: httpx.AsyncClient, probe: Probe, settings: Settings) -> list[Finding]:
    subject = probe.setting.upper() if probe.setting else "OLLAMA_BASE_URL"
    secret = getattr(settings, probe.setting) if probe.setting else None
    own = probe.own(settings)
    url = probe.url(settings)
    host = urlsplit(url).netloc.rpartition("@")[2]
    try:
        answer = await http.get(url, headers=probe.headers(secret.get_secret_value()) if secret else {})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if own:
            base = subject if subject.endswith("_URL") else "OPENAI_BASE_URL"
            text = f"nobody answers at {host} ({_cause(error)}): start that server, or correct {base}"
            return [Finding(Verdict.FAULT, base, text)]
        return [Finding(Verdict.NOT_TRIED, subject, f"{host} cannot be reached from here ({_cause(error)})")]
    return [_judged(subject, host, answer)]


def _judged(subject: str, host: str, answer: httpx.Response) -> Finding:
    status, text = answer.status_code, answer.text[:2000]
    if answer.is_success:
        return Finding(Verdict.OK, subject, f"{host} takes it")
    if status in (401, 403) and "missing_permissions" in text:
        return Finding(Verdict.OK, subject, f"{host} knows it; what it may do is restricted")
    if status == 401 or (status == 400 and "API_KEY_INVALID" in text):
        return Finding(
            Verdict.FAULT, subject, f"{host} does not take it ({status}): make or copy it again there"
        )
    if status == 403:
        text = f"{host} answers 403: the key is restricted, or its project may not use this service; see its console"
        return Finding(Verdict.NOTE, subject, text)
    if status in (402, 429):
        text = f"{host} answers {status}: the account has no credit left, or too much was asked at once"
        return Finding(Verdict.FAULT if status == 402 else Verdict.NOTE, subject, text)
    if status in (404, 405):
        return Finding(Verdict.NOTE, subject, f"{host} answers, but has nothing to try a key with ({status})")
    return Finding(Verdict.NOT_TRIED, subject, f"{host} answers {status}, which says nothing about the key")


async def _public_address(http: httpx.AsyncClient, public_url: str, port: int) -> list[Finding]:
    subject = "PUBLIC_URL"
    if not await _is_healthy(f"http://127.0.0.1:{port}"):
        text = f"the server does not run on port {port}: start it (`make run`), then ask again"
        return [Finding(Verdict.NOT_TRIED, subject, text)]
    if urlsplit(public_url).hostname in ("127.0.0.1", "localhost", "::1"):
        return [Finding(Verdict.NOTE, subject, f"is {public_url}: only the emulator can call")]
    host = urlsplit(public_url).netloc
    try:
        answer = await http.get(f"{public_url}/healthz")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if _is_certificate(error):
            text = f"the certificate of {host} is not valid, so carriers refuse it: renew it, with its whole chain"
            return [Finding(Verdict.FAULT, subject, text)]
        somewhere = descriptors()[0].api_host
        if not await _resolves(urlsplit(public_url).hostname or "") and await _resolves(somewhere):
            return [
                Finding(Verdict.FAULT, subject, f"there is no host {host}: correct it, or set up its DNS")
            ]
        text = f"{host} cannot be reached from here ({_cause(error)}); from elsewhere it may: try {public_url}/healthz"
        return [Finding(Verdict.NOT_TRIED, subject, text)]
    if answer.is_success and _says_ok(answer):
        return [Finding(Verdict.OK, subject, f"{host} leads here")]
    if answer.is_redirect:
        to = urlsplit(answer.headers.get("location", "")).netloc
        text = f"{host} redirects to {to or 'another page'}, which carriers do not follow: set the address itself"
    elif answer.status_code in (502, 503, 504):
        text = f"{host} answers {answer.status_code}: its proxy or tunnel does not reach port {port} of this machine"
    else:
        text = (
            f"something else answers at {host} ({answer.status_code}): lead it to port {port} of this machine"
        )
    return [Finding(Verdict.FAULT, subject, text)]


async def _is_healthy(base: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_SECS, trust_env=False) as direct:
            return _says_ok(await direct.get(f"{base}/healthz"))
    except httpx.HTTPError:
        return False


def _says_ok(answer: httpx.Response) -> bool:
    try:
        return bool(answer.json() == {"status": "ok"})
    except ValueError:
        return False


async def _resolves(host: str) -> bool:
    try:
        await asyncio.get_running_loop().getaddrinfo(host, 443)
    except (socket.gaierror, UnicodeError):
        return False
    return True


def _is_certificate(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _cause(error: Exception) -> str:
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
