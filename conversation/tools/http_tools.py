"""The tools `[http.NAME]` of an agent's file: one request each, with a defined result whatever the service does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams

from conversation.agents.agent import Agent
from conversation.agents.http_tables import HttpTool
from conversation.agents.http_templates import Filled, UnusableValue
from conversation.public import BotSession, ToolResult, done, not_done
from conversation.tools.answers import Unusable, is_nothing, read_bounded, selected, told, value_of
from conversation.tools.tool import Tool
from settings import variables_named

MOST_REDIRECTS = 2

RESULT_SECS = 1.0
"""How long after its own time-out a request may take to be told of."""

TELL = "Tell the caller that it does not work just now, and offer another way."


def http_tools(agent: Agent) -> dict[str, Tool]:
    """The tools of an agent's `[http.NAME]` tables, by name."""
    return {name: _tool(agent, name, table) for name, table in agent.http.items()}


def _tool(agent: Agent, name: str, table: HttpTool) -> Tool:
    schema = FunctionSchema(
        name=name,
        description=agent.own(table.description),
        properties={
            parameter: described.schema_for(agent.own(described.description))
            for parameter, described in table.parameters.items()
        },
        required=[parameter for parameter, described in table.parameters.items() if described.must_be_given],
    )
    return Tool(
        schema=schema,
        function=partial(_ask, table),
        # Whether something was ordered must be known, even if the caller speaks meanwhile.
        outlives_interruption=table.method != "GET",
        timeout_secs=table.timeout_secs + RESULT_SECS,
        filler=table.filler,
    )


async def _ask(table: HttpTool, params: FunctionCallParams, /, **arguments: Any) -> ToolResult:
    session: BotSession = params.app_resources
    defaults = {
        name: described.default
        for name, described in table.parameters.items()
        if described.default is not None
    }
    given = {**defaults, **{name: value for name, value in arguments.items() if value is not None}}
    return await ask(table, params.function_name, given, session.variables, session.http)


async def ask(
    table: HttpTool,
    name: str,
    arguments: Mapping[str, Any],
    variables: Mapping[str, Any],
    http: httpx.AsyncClient,
) -> ToolResult:
    """Ask a service.

    Args:
        table: The request.
        name: The tool's, for the log.
        arguments: What the model gave, with the defaults.
        variables: The call's.
        http: The client.

    Returns:
        What the model is told. Never raises for anything that the service or the model does.
    """
    secrets = variables_named(table.env)
    if missing := [variable for variable in table.env if variable not in secrets]:
        logger.error(f"the tool {name} cannot be used: {', '.join(missing)} is not set; set it in .env")
        return not_done(f"Not done: the tool is not set up. {TELL}")
    try:
        request = table.request.fill(arguments, variables, secrets)
    except UnusableValue as error:
        return not_done(
            f"Not done: {error}. Check what was given with the caller, and call it again with what is right."
        )
    try:
        async with asyncio.timeout(table.timeout_secs):
            return await _send(request, table, name, http, list(secrets.values()))
    except (TimeoutError, httpx.TimeoutException):
        logger.warning(f"the tool {name}: no answer within {table.timeout_secs:g} s")
        return not_done(f"No answer in time. {_whether_done(table)}")
    except Unusable as error:
        logger.warning(f"the tool {name}: its answer cannot be used: {error}")
        return not_done(f"The service's answer cannot be used: {error}. {_whether_done(table)}")
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        logger.warning(f"the tool {name}: the service is not reached: {type(error).__name__}")
        return not_done(f"Not done: the service cannot be reached. {TELL}")
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        logger.warning(f"the tool {name}: the connection failed: {type(error).__name__}")
        return not_done(f"The connection to the service was lost. {_whether_done(table)}")


def _whether_done(table: HttpTool) -> str:
    if table.method == "GET":
        return TELL
    return (
        "It is not known whether it was done, so do not call it again. Tell the caller that you cannot be sure, and "
        "offer another way."
    )


async def _send(
    request: Filled, table: HttpTool, name: str, http: httpx.AsyncClient, secrets: list[str]
) -> ToolResult:
    for _ in range(MOST_REDIRECTS + 1):
        asked = http.build_request(
            request.method,
            request.url,
            headers={**request.headers, "accept-encoding": "gzip, deflate"},
            content=request.content,
            timeout=table.timeout_secs,
        )
        response = await http.send(asked, stream=True, follow_redirects=False)
        try:
            if response.has_redirect_location:
                request = _redirected(request, response)
                continue
            if not response.is_success:
                return _refused(response.status_code, table, name)
            body = await read_bounded(response.aiter_raw(), response.headers.get("content-encoding", ""))
        finally:
            await response.aclose()
        return _answered(body, response.headers.get("content-type", ""), table, secrets)
    raise Unusable("it leads from one address to another without end")


def _redirected(request: Filled, response: httpx.Response) -> Filled:
    """The request that a redirect asks for: only of the same origin, for what goes there is for nobody else.

    The method stays, except after 303, and after 301 and 302 for POST (RFC 9110, section 15.4; Fetch, "HTTP-redirect
    fetch").
    """
    try:
        url = urljoin(str(response.url), response.headers["location"])
        old, new = urlsplit(str(response.url)), urlsplit(url)
        same = (old.scheme, old.netloc.lower()) == (new.scheme, new.netloc.lower())
    except ValueError:
        same = False
    if not same:
        raise Unusable("it leads to another host, which is not asked")
    if response.status_code == 303 or (response.status_code in (301, 302) and request.method == "POST"):
        headers = {name: value for name, value in request.headers.items() if name != "content-type"}
        return Filled("GET", url, headers, None)
    return Filled(request.method, url, request.headers, request.content)


def _refused(status: int, table: HttpTool, name: str) -> ToolResult:
    if status not in (404, 410):
        logger.warning(f"the tool {name}: HTTP {status}")
    if status in (404, 410):
        return not_done("Not found: the service knows nothing of that. Check with the caller what was given.")
    if status in (401, 403):
        return not_done(
            f"Not done: the service does not let us in (HTTP {status}). Do not call it again. {TELL}"
        )
    if status in (408, 425, 429):
        return not_done(f"Not done: the service has too much to do (HTTP {status}). {TELL}")
    if status < 500:
        return not_done(
            f"Not done: the service takes what was given for wrong (HTTP {status}). Check it with the caller, and call "
            "it again only with something else."
        )
    return not_done(f"The service has a problem (HTTP {status}). {_whether_done(table)}")


def _answered(body: bytes, content_type: str, table: HttpTool, secrets: list[str]) -> ToolResult:
    if not body.strip():
        if table.method == "GET":
            raise Unusable("it is empty")
        return done("Done. The service has said nothing more.")
    value = selected(value_of(body, content_type), table.answer)
    if is_nothing(value):
        return done("The service has answered, and has nothing about that.")
    return done(told(value, secrets))
