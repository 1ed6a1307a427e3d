"""Where an ngrok agent on this machine makes the service public."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

TIMEOUT_SECS = 1.0

DEFAULT_PORTS = {"http": 80, "https": 443}

INTERNAL = ".internal"
"""Endpoints under this ending are reached by other endpoints of the account only."""


def find_tunnel(api_url: str, port: int) -> str | None:
    """Ask ngrok's local API for the https address that leads to our port.

    Agents of version 3 list endpoints. Their list of tunnels is deprecated, and the only one that older agents have.

    Args:
        api_url: The agent's API, by default http://127.0.0.1:4040.
        port: The port that we listen on.

    Returns:
        None when no agent runs, or none of its endpoints and tunnels is ours.

    Source: ngrok docs, agent API, `GET /api/endpoints` and `GET /api/tunnels`. Tried with an agent 2.3.41 that had no
    tunnel (it answers 404 for endpoints and an empty list of tunnels); what an agent 3 answers, on the examples of the
    documentation only.
    """
    try:
        with httpx.Client(
            timeout=TIMEOUT_SECS, trust_env=False
        ) as http:  # no proxy: the agent is on this machine
            for path, listed in (("endpoints", _endpoints), ("tunnels", _tunnels)):
                answer = http.get(f"{api_url.rstrip('/')}/api/{path}")
                for public_url, address in listed(answer):
                    if _is_public(public_url) and _port(address) == port:
                        return public_url.rstrip("/")
    except (httpx.HTTPError, httpx.InvalidURL):
        pass
    return None


def _endpoints(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    for endpoint in _items(answer, "endpoints"):
        upstream = endpoint.get("upstream")
        if isinstance(upstream, dict):
            yield str(endpoint.get("url")), str(upstream.get("url"))


def _tunnels(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    for tunnel in _items(answer, "tunnels"):
        config = tunnel.get("config")
        if isinstance(config, dict):
            yield str(tunnel.get("public_url")), str(config.get("addr"))


def _items(answer: httpx.Response, name: str) -> list[dict[str, Any]]:
    try:
        listed = answer.json()[name]
    except (ValueError, KeyError, TypeError):
        return []
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _is_public(url: str) -> bool:
    """Whether carriers can call it: over https, by one name, from outside."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return url.startswith("https://") and "*" not in host and not host.endswith(INTERNAL)


def _port(address: str) -> int | None:
    """The port of `http://localhost:7860`, `localhost:7860`, `7860` or, 80, `http://localhost`."""
    if address.isascii() and address.isdecimal() and len(address) <= 5:
        return int(address)
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
