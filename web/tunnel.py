"""Where an ngrok agent on this machine makes the service public."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

TIMEOUT_SECS = 1.0


def find_tunnel(api_url: str, port: int) -> str | None:
    """Ask ngrok's local API for the https address that leads to our port.

    Args:
        api_url: The agent's API, by default http://127.0.0.1:4040.
        port: The port that we listen on.

    Returns:
        None when no agent runs, or none of its tunnels is ours.

    Source: ngrok docs, agent API, `GET /api/tunnels`.
    """
    try:
        # No proxy: the agent is on this machine.
        answer = httpx.get(f"{api_url.rstrip('/')}/api/tunnels", timeout=TIMEOUT_SECS, trust_env=False).json()
        tunnels = [(str(tunnel["public_url"]), str(tunnel["config"]["addr"])) for tunnel in answer["tunnels"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None
    for public_url, address in tunnels:
        if public_url.startswith("https://") and _port(address) == port:
            return public_url.rstrip("/")
    return None


def _port(address: str) -> int | None:
    """The port of `http://localhost:7860`, `localhost:7860` or `7860`."""
    if address.isascii() and address.isdecimal() and len(address) <= 5:
        return int(address)
    try:
        return urlsplit(address if "://" in address else f"//{address}").port
    except ValueError:
        return None
