"""Asking a running server by its API, from the command line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from settings import Settings

ASK_SECS = 30.0
"""How long the server may take to place a call: as long as it waits for the carrier, and a little more."""


class NotAnswered(Exception):
    """The server has not answered, or not as it should; the message is one line with cause and fix."""


@asynccontextmanager
async def server_at(base: str, settings: Settings, *, otherwise: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends the key along.

    Args:
        base: The server's address.
        settings: Where the key is.
        otherwise: What else can be done when no server is there, for the message.

    Raises:
        NotAnswered: There is no key; or, at a request, no server.
    """
    if settings.api_key is None:
        raise NotAnswered("API_KEY is not set: set it to the key of the server")
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"}
    try:
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=ASK_SECS) as http:
            yield http
    except httpx.TimeoutException:
        raise NotAnswered(f"the server at {base} did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotAnswered(
            f"the server at {base} cannot be asked ({type(error).__name__}): start it with `make run`, or {otherwise}"
        ) from None


def accepted(answer: httpx.Response) -> dict[str, Any]:
    """What an answer says.

    Raises:
        NotAnswered: It says why not, or it is none of our server's.
    """
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise NotAnswered(
            f"{answer.request.url.host} answered {answer.status_code} without JSON: is it this server's address?"
        )
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise NotAnswered(
            "the server does not take this API_KEY: set the same one in .env here and where the server runs, and start "
            "the server again"
        )
    if answer.is_error:
        raise NotAnswered(str(content.get("error") or f"the server answered {answer.status_code}"))
    return content
