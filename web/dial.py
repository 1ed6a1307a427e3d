"""Places a call from the command line: `python -m web.dial +12025550143 --agent reminder --param name=Ann --wait`.

It asks the running server, which has the webhooks. With `--direct` it asks the carrier itself, for a bot that has no
server: on Pipecat Cloud, or under `python bot.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import httpx
from loguru import logger
from pydantic import ValidationError

from calls.call import Call
from calls.errors import NotDone, NotPossible
from calls.states import CallState
from desk.dial_requests import DialBody
from settings import Settings, SettingsError, load_settings
from web.client import ASK_SECS, NotAnswered, accepted, server_at
from web.descriptions import event_description

USAGE_ERROR = 2

POLL_SECS = 3.0
"""How often to ask the carrier about a call on which it sends no reports."""

REACHED = (CallState.COMPLETED, CallState.VOICEMAIL)
"""Ends with which the command has done what was asked."""

HIDDEN = frozenset({"at", "kind", "url"})
"""What is not worth a line's space."""


class DialError(Exception):
    """The call was not made, or that is not known; the message is one line with cause and fix."""


PROGRAM = "python -m web.dial"

EXAMPLES = """\
examples:
  %(prog)s +12025550143 --agent reminder --param name=Ann --wait
  %(prog)s sip:desk@pbx.example.com --ring 45
  %(prog)s +12025550143 --direct         (no server: the phone company itself is asked)

exit status: 0 the call was made, with --wait: and answered; 1 with --wait: not answered; 2 no call"""


def main(arguments: Sequence[str] | None = None, *, program: str = PROGRAM) -> int:
    """Place a call.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: How help calls the command.

    Returns:
        The exit status: 0 when the call was made, and with `--wait` when a person or a machine has answered it.
    """
    options = _parser(program).parse_args(arguments)
    try:
        settings = load_settings()
        logger.remove()
        logger.add(sys.stderr, level="WARNING", format="{message}", backtrace=False, diagnose=False)
        order = _order(options)
        direct = options.direct or (settings.pipecat_cloud_agent is not None and settings.public_url is None)
        if direct and not options.url:
            return asyncio.run(_dial_directly(order, settings, wait=options.wait))
        base = options.url or settings.public_url or f"http://127.0.0.1:{settings.port}"
        return asyncio.run(_dial_by_server(order, settings, base.rstrip("/"), wait=options.wait))
    except (SettingsError, DialError, NotAnswered, NotDone) as error:
        print(_as_options(str(error)), file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 1


OPTIONS = {
    "from": "--from",
    "carrier": "--carrier",
    "agent": "--agent",
    "parameters": "--param",
    "ring_timeout_secs": "--ring",
    "machine_detection": "--no-machine-detection",
}
"""What the API's fields are called on the command line."""


def _as_options(text: str) -> str:
    """Name the options where a message that is meant for the API names its fields."""
    return re.sub("`([a-z_]+)`", lambda field: OPTIONS.get(field[1], field[0]), text)


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Has the bot place a call.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("to", help="telephone number (+12025550143), or SIP address")
    parser.add_argument("--agent", help="name of the agent that talks (AGENT)")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="for the agent's texts; repeat it"
    )
    parser.add_argument("--carrier", help="needed when there are credentials for several")
    parser.add_argument(
        "--from", dest="from_number", help="number to call from: CALLER_ID, or one of CALLER_IDS"
    )
    parser.add_argument("--ring", type=int, default=30, metavar="SECS", help="how long to let it ring (30)")
    parser.add_argument("--no-machine-detection", action="store_true", help="do not listen for a machine")
    parser.add_argument("--wait", action="store_true", help="tell what happens until the call is over")
    parser.add_argument("--url", help="address of the server (PUBLIC_URL, or this machine)")
    parser.add_argument("--direct", action="store_true", help="ask the carrier without a server")
    return parser


def _order(options: argparse.Namespace) -> DialBody:
    parameters = {}
    for param in options.param:
        name, equals, value = param.partition("=")
        if not equals or not name:
            raise DialError(f"--param {param[:40]}: write NAME=VALUE, for example --param name=Ann")
        parameters[name] = value
    try:
        return DialBody(
            to=options.to,
            agent=options.agent,
            carrier=options.carrier,
            from_number=options.from_number,
            parameters=parameters,
            ring_timeout_secs=options.ring,
            machine_detection=False if options.no_machine_detection else None,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        raise DialError(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None


# By the server


async def _dial_by_server(order: DialBody, settings: Settings, base: str, *, wait: bool) -> int:
    body = order.model_dump(mode="json", by_alias=True, exclude_none=True)
    async with server_at(base, settings, otherwise="dial with --direct") as http:
        try:
            call = accepted(await http.post("/calls", json=body))
        except httpx.TimeoutException:
            raise DialError(
                f"the server at {base} did not answer in time: whether the call was made is not known; look at "
                "GET /calls"
            ) from None
        _say(f"{call['id']} {call['state']}")
        if "warning" in call:
            _say(f"warning: {call['warning']}")
        if not wait:
            return 0
        async for event in _events(http, str(call["id"])):
            _tell(event)
        ended = accepted(await http.get(f"/calls/{call['id']}"))
        return 0 if ended["state"] in REACHED else 1


async def _events(http: httpx.AsyncClient, call_id: str) -> AsyncIterator[dict[str, Any]]:
    timeout = httpx.Timeout(ASK_SECS, read=None)
    async with http.stream("GET", f"/calls/{call_id}/events", timeout=timeout) as answer:
        if answer.is_error:
            await answer.aread()
            accepted(answer)
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


# Without one


async def _dial_directly(order: DialBody, settings: Settings, *, wait: bool) -> int:
    from calls.control import CallControl
    from calls.database.call_database import DatabaseUnusable
    from calls.dialler import Dialler
    from calls.store import default_store
    from carriers import carrier_for
    from carriers.carrier import Carrier
    from desk.dial_requests import place_call, policy_of

    carriers: list[Carrier] = []

    def carrier_named(name: str, mode: str) -> Carrier | None:
        carrier = carrier_for(name, settings, mode)
        carriers.extend([carrier] if carrier else [])
        return carrier

    try:
        store = default_store(settings.calls_database)
    except DatabaseUnusable as error:
        raise DialError(str(error)) from None
    dialler = Dialler(store, policy_of(settings))
    try:
        call, warning = await place_call(
            order, settings, dialler, carrier_named, lambda name: _way_back(name, settings)
        )
        _say(f"{call.id} {call.state}")
        if warning:
            _say(f"warning: {warning}")
        if not wait:
            return 0
        carrier = next(one for one in carriers if one.name == call.carrier)
        await _follow(call, CallControl(call, carrier, store).refresh)
        return 0 if call.state in REACHED else 1
    finally:
        await dialler.aclose()
        await store.aclose()
        for carrier in carriers:
            await carrier.aclose()


def _way_back(carrier: str, settings: Settings) -> Any:
    from calls.cloud_media import cloud_media_of
    from calls.way_back import without_webhooks
    from carriers.cloud import CloudError

    try:
        way_back = without_webhooks(
            carrier,
            secret=settings.shared_secret,
            cloud_agent=settings.pipecat_cloud_agent,
            cloud_region=settings.pipecat_cloud_region,
            cloud_media=cloud_media_of(settings),
            public_url=settings.public_url,
        )
    except CloudError as error:
        raise NotPossible(str(error)) from None
    if way_back is None:
        raise NotPossible(
            "nobody knows where the bot is: set PIPECAT_CLOUD_AGENT (AGENT.ORGANISATION), or PUBLIC_URL"
        )
    return way_back


async def _follow(call: Call, refresh: Callable[[], Any]) -> None:
    """Print what happens to a call, by asking the carrier again and again, until it is over."""
    seen = 0
    while True:
        for event in call.events[seen:]:
            _tell(event_description(event))
        seen = len(call.events)
        if call.is_over:
            return
        await asyncio.sleep(POLL_SECS)
        await refresh()


def _tell(event: Mapping[str, Any]) -> None:
    time = str(event.get("at", ""))[11:19]
    more = " ".join(
        f"{name}={value}" for name, value in event.items() if name not in HIDDEN and value not in (None, "")
    )
    _say(f"{time} {event.get('kind')} {more}".rstrip())


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
