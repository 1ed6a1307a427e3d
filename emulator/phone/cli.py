"""The `phone` command: serves the page of a softphone, with a server that is started for it or one that runs."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emulator.bot.served import SERVER_LOG, ServedBot, variables
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.facts.values import LOOPBACK
from emulator.legs.addressing import parse_target
from emulator.line.colleague import parse_colleague
from emulator.line.impairments import IDEAL, PROFILES
from emulator.network import BOT_NUMBER, CALLER_NUMBER
from emulator.phone.choices import MANNERS, WAYS
from emulator.phone.serving import PhoneServer
from emulator.phone.softphone import PhoneOrder, Softphone
from emulator.phone.wishes import Person

PORT = 7862
SERVER_URL = "http://127.0.0.1:7860"

EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s --way telnyx_call_control --colleague +12025550111=busy
  %(prog)s --url http://127.0.0.1:7860/          (pipecat's development runner)
  %(prog)s --url wss://bot.example.com/ws --param _pipecatCloudServiceHost=my-agent.my-org

exit status: 0 it was stopped, 2 it cannot be started"""


@dataclass(frozen=True)
class Serving:
    """Where page and server are.

    Attributes:
        host: Where the page is served.
        port: Its port.
        url: The server's base URL, or any URL to call.
        serve: The command that starts the server, or None for one that runs already.
        server_log: Where its output goes.
    """

    host: str
    port: int
    url: str
    serve: str | None
    server_log: Path


def add_phone_command(commands: Any, defaults: Mapping[str, Any]) -> None:
    """Add the command.

    Args:
        commands: The parser's sub-commands.
        defaults: Those of `call`: `url` and the folder of `record` count here as well, and `serve` for a server that is
            to listen on this machine.
    """
    phone = commands.add_parser(
        "phone",
        help="a phone in the browser: call a bot with your own voice",
        description="Serve a page that is a telephone: your microphone and loudspeaker on a call of the emulated "
        "carrier, beside every message that goes over the wire. All that is chosen here can be changed on the page.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    page = phone.add_argument_group("the page")
    page.add_argument(
        "--port", type=int, default=PORT, help="its port (default %(default)s; 0 for a free one)"
    )
    page.add_argument(
        "--host",
        default="127.0.0.1",
        help="where it listens; others who reach it can place calls from this machine (default %(default)s)",
    )
    where = phone.add_argument_group("who calls whom")
    where.add_argument("--way", choices=tuple(WAYS), default=next(iter(WAYS)), help="default %(default)s")
    where.add_argument(
        "--url",
        default=SERVER_URL,
        help="http(s)://HOST:PORT for the webhook /CARRIER/voice there, or with --serve the voice address that the "
        "server prints; with a path: that webhook; ws(s)://...: that media socket (default %(default)s)",
    )
    where.add_argument(
        "--from", dest="from_number", default=CALLER_NUMBER, metavar="NUMBER", help="%(default)s"
    )
    where.add_argument("--to", dest="to_number", default=BOT_NUMBER, metavar="NUMBER", help="%(default)s")
    where.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="custom parameter of a ws:// call"
    )
    where.add_argument(
        "--colleague",
        action="append",
        default=[],
        metavar="NUMBER=BEHAVIOUR[:SECS]",
        help="whom the bot can dial at a certain number or SIP URI",
    )
    where.add_argument(
        "--anybody", choices=tuple(MANNERS), default="answers", help="who is at other numbers (%(default)s)"
    )
    where.add_argument(
        "--line",
        choices=tuple(PROFILES),
        default=IDEAL.name,
        help="how lines behave: ideal ones cost nothing, real ones time and a little audio (%(default)s)",
    )
    server = phone.add_argument_group("the server")
    server.add_argument("--serve", metavar="COMMAND", help="start this server, and stop it in the end")
    server.add_argument(
        "--server-log",
        type=Path,
        default=Path("recordings") / SERVER_LOG,
        metavar="FILE",
        help="its output (default %(default)s)",
    )
    server.add_argument(
        "--api-key", help="key of the server's call API (or EMULATOR_API_KEY); tells what the bot understood"
    )
    server.add_argument(
        "--rest-port",
        type=int,
        metavar="PORT",
        help="port of the carriers' REST (default: free, with a server that is started here; else as `env` says)",
    )
    phone.set_defaults(serve_here=defaults.get("serve"))
    if "url" in defaults:
        phone.set_defaults(url=defaults["url"])
    if "record" in defaults:
        phone.set_defaults(server_log=defaults["record"].parent / SERVER_LOG)


def run_phone(
    options: argparse.Namespace,
    credentials: Credentials,
    parameters: Mapping[str, str],
    api_key: str | None,
    rest_port: int,
) -> int:
    """Serve the page until the program is interrupted; returns the exit status.

    Args:
        options: Of `add_phone_command`.
        credentials: The account at the carriers.
        parameters: `--param`, read.
        api_key: The server's API key, or None.
        rest_port: Port of the carriers' REST beside a server that runs already.

    Raises:
        EmulatorError: It cannot be served.
    """
    for name, port in (("--port", options.port), ("--rest-port", options.rest_port or 0)):
        if not 0 <= port < 65536:
            raise EmulatorError(f"{name} must be 1 to 65535, or 0 for a free one")
    serve = options.serve or (options.serve_here if _is_here(options.url) else None)
    serving = Serving(options.host, options.port, options.url, serve, options.server_log)
    given = rest_port if serve is None else 0
    order = PhoneOrder(
        credentials,
        dict.fromkeys(WAYS, options.url),
        options.way,
        from_number=options.from_number,
        to_number=options.to_number,
        parameters=parameters,
        people=_people(options.colleague),
        anybody=options.anybody,
        line=options.line,
        api_key=api_key or (credentials.api_key if serve is not None else None),
        rest_port=given if options.rest_port is None else options.rest_port,
    )
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(serve_phone(order, serving))
    return 0


async def serve_phone(order: PhoneOrder, serving: Serving) -> None:
    """Serve the page until this is cancelled. SIGTERM ends it as well, so a server started for it is stopped.

    Raises:
        EmulatorError: It cannot be served.
    """
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError):
            # Neither on Windows nor outside the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    target = parse_target(serving.url, WAYS[order.way].carrier)
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(Softphone(order))
        page = PhoneServer(phone, host=serving.host, port=serving.port)
        if serving.serve is not None:
            await _start(stack, serving, phone, target.base)
        await page.start()
        stack.push_async_callback(page.stop)
        print(f"softphone: {page.url}   (REST at {phone.network.rest_url}; Ctrl+C stops it)", flush=True)
        await asyncio.Event().wait()


async def _start(stack: AsyncExitStack, serving: Serving, phone: Softphone, base: str) -> None:
    """Start the server, and call the addresses that it prints."""
    order = phone.order
    environment = phone.network.environment() | variables(base, order.api_key or order.credentials.api_key)
    assert serving.serve is not None
    served = ServedBot(serving.serve, base, environment, serving.server_log)
    stack.push_async_callback(served.stop)
    await served.start()
    print(f"server: {serving.serve}   (output: {served.log})", flush=True)
    waited = await served.wait_until_ready(lambda _: None)
    print(f"server: ready (waited {waited:.1f} s)", flush=True)
    for way in WAYS.values():
        voice_url = None if way.mode else served.voice_address(way.carrier)
        if voice_url is not None and parse_target(serving.url, way.carrier).ours:
            order.urls[way.name] = voice_url
            order.reports[way.name] = f"{base}/{way.carrier}/status"


def _is_here(url: str) -> bool:
    """Whether a URL is the base of a server on this machine."""
    return parse_target(url, next(iter(WAYS))).ours and urlsplit(url).hostname in LOOPBACK


def _people(texts: Sequence[str]) -> list[Person]:
    people = [parse_colleague(text) for text in texts]
    return [Person(one.number, one.behaviour, one.answers_after_secs) for one in people]
