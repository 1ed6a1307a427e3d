"""The command line: `python -m emulator call` places a phone call to a bot on this machine or elsewhere."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.carriers import CARRIERS, DEFAULT
from emulator.carriers.credentials import OPTIONS, Credentials
from emulator.errors import EmulatorError
from emulator.line.colleague import BEHAVIOURS, parse_colleague
from emulator.network import BOT_NUMBER, CALLER_NUMBER
from emulator.phone.cli import add_phone_command, run_phone
from emulator.rest.rest_server import rest_url
from emulator.stories.cli import (
    add_line_option,
    add_scenario_options,
    add_stories_command,
    line_of,
    run_scenario,
    run_stories,
)
from emulator.stories.reading.read_story import StoryError
from emulator.terminal.calling import CallOrder, place_call

DEFAULT_URL = "http://127.0.0.1:7860"
BY_HAND_REST_PORT = 9321
MODES = {"documents": "", "call-control": "call_control"}
NOT_GOOD = 1
CANNOT = 2

PROGRAM = "python -m emulator"

CALL_EXAMPLES = """\
examples:
  %(prog)s --serve "python server.py"
  %(prog)s --carrier telnyx --say "Are you open on Sunday?" --say "Thanks, bye." --record out.wav
  %(prog)s --url http://127.0.0.1:7860/          (pipecat's development runner)
  %(prog)s --scenario tests/stories/goodbye_is_heard.yaml --serve "python -m tests.story_bot"
  %(prog)s --url ws://127.0.0.1:8080/ws --param _pipecatCloudServiceHost=my-agent.my-org

exit status: 0 a good call, 1 a call with shortcomings, 2 no call"""

ENV_EXAMPLES = f"""\
example:
  eval "$(%(prog)s)"; python server.py   (a server by hand; then call --rest-port {BY_HAND_REST_PORT},
                                          for Telnyx with the voice address that it prints as --url)"""


class _Scripted(argparse.Action):
    """Collects --say, --wav and --digits in the order in which they were given."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        script = list(getattr(namespace, "script", None) or [])
        script.append(((option_string or "").lstrip("-"), values))
        namespace.script = script


def build_parser(
    program: str = PROGRAM, call_defaults: Mapping[str, Any] | None = None
) -> argparse.ArgumentParser:
    """All commands and options.

    Args:
        program: How help calls the program.
        call_defaults: What counts for options of `call` (and for `phone` of those the server) that are not given, in
            place of their own defaults.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description="A phone network on localhost for trying a phone bot without a phone.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    call = commands.add_parser(
        "call",
        help="place one call to a bot",
        description="Place one call to a bot as Twilio or Telnyx would, speak to it and write down what was heard.",
        epilog=CALL_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _call_options(call)
    add_scenario_options(call)
    call.set_defaults(**(call_defaults or {}))
    add_phone_command(commands, call_defaults or {})
    add_stories_command(commands)
    env = commands.add_parser(
        "env",
        help="print the variables that point a server at the emulator",
        description="Print the variables that point a server started by hand at `call --rest-port PORT`.",
        epilog=ENV_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    env.add_argument(
        "--rest-port", type=int, default=BY_HAND_REST_PORT, metavar="PORT", help="default %(default)s"
    )
    env.add_argument(
        "--url", default=DEFAULT_URL, help="the server's base URL, its PUBLIC_URL (default %(default)s)"
    )
    return parser


def _call_options(call: argparse.ArgumentParser) -> None:
    where = call.add_argument_group("who calls whom")
    where.add_argument(
        "--carrier", choices=sorted(CARRIERS), help=f"default {DEFAULT}, or the story's first one"
    )
    where.add_argument(
        "--url",
        default=DEFAULT_URL,
        help="http(s)://HOST:PORT for the webhook /CARRIER/voice there, or with --serve the voice address that the "
        "server prints; with a path: that webhook; "
        "ws(s)://...: that media socket, without a webhook (default %(default)s)",
    )
    where.add_argument(
        "--mode",
        choices=MODES,
        default="documents",
        help="what the dialled number's application is: one with documents (TwiML, TeXML), or Telnyx's Call Control, "
        "which takes events at /telnyx/events and sends commands (default %(default)s)",
    )
    where.add_argument(
        "--from", dest="from_number", default=CALLER_NUMBER, metavar="NUMBER", help="default %(default)s"
    )
    where.add_argument(
        "--to", dest="to_number", default=BOT_NUMBER, metavar="NUMBER", help="default %(default)s"
    )
    where.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="custom parameter of a ws:// call"
    )
    where.add_argument(
        "--method",
        choices=("GET", "POST"),
        help="by which the webhook is asked (default: GET at Telnyx, else POST)",
    )
    where.add_argument(
        "--fallback-url",
        metavar="URL",
        help="URL to ask when the webhook has no document (default: none)",
    )
    add_line_option(where)
    where.add_argument("--codec", choices=("PCMU", "PCMA"), default="PCMU", help="encoding of a Telnyx leg")
    where.add_argument(
        "--status-callback", metavar="URL", help="default: /CARRIER/status of a server given by its base URL"
    )

    script = call.add_argument_group(
        "what the caller does, in the order of the options; each waits for the bot's reply"
    )
    script.add_argument("--say", action=_Scripted, metavar="TEXT", help="a sentence in the local voice")
    script.add_argument("--wav", action=_Scripted, metavar="FILE", help="a PCM WAV file")
    script.add_argument("--digits", action=_Scripted, metavar="KEYS", help="keys 0-9 * # A-D; w waits 0.5 s")
    script.add_argument(
        "--patience",
        type=float,
        default=0.9,
        metavar="SECS",
        help="silence after which it is the caller's turn (%(default)s)",
    )
    script.add_argument(
        "--noise-db", type=float, metavar="DB", help="constant line noise, for example -50 (default: none)"
    )
    script.add_argument(
        "--colleague",
        action="append",
        default=[],
        metavar="NUMBER=BEHAVIOUR[:SECS]",
        help="a colleague whom the bot can dial, at a number or SIP URI; SECS is how long it rings (1). BEHAVIOUR: "
        + ", ".join(BEHAVIOURS),
    )
    call.set_defaults(script=None)

    results = call.add_argument_group("results")
    results.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="stereo WAV: left the caller, right what was heard; FILE-colleague-1 and so on for the second legs",
    )
    results.add_argument("--report", type=Path, metavar="FILE", help="the result as JSON")
    results.add_argument("--quiet", action="store_true", help="print the summary only")
    results.add_argument(
        "--no-voice-report", action="store_true", help="do not transcribe what the caller heard"
    )

    server = call.add_argument_group("the server")
    server.add_argument("--serve", metavar="COMMAND", help="start this server for the call and stop it after")
    server.add_argument(
        "--server-log", type=Path, metavar="FILE", help="its output (default: server.log by the recording)"
    )
    server.add_argument(
        "--api-key", help="key of the server's call API (or EMULATOR_API_KEY); tells what the bot understood"
    )
    server.add_argument(
        "--rest-port", type=int, default=0, metavar="PORT", help="port of the carriers' REST (default: free)"
    )
    for name in OPTIONS:
        server.add_argument(f"--{name.replace('_', '-')}", help=argparse.SUPPRESS)


def main(
    arguments: Sequence[str] | None = None,
    *,
    program: str = PROGRAM,
    call_defaults: Mapping[str, Any] | None = None,
) -> int:
    """Run a command; returns the exit status.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: See `build_parser`.
        call_defaults: See `build_parser`.
    """
    options = build_parser(program, call_defaults).parse_args(arguments)
    try:
        credentials = Credentials.from_environment(os.environ)
        if options.command == "env":
            return _print_environment(credentials, options)
        if options.command == "stories":
            return run_stories(options, credentials)
        if options.command == "phone":
            api_key = options.api_key or os.environ.get("EMULATOR_API_KEY")
            return run_phone(options, credentials, _parameters(options), api_key, BY_HAND_REST_PORT)
        if options.scenario is not None:
            return run_scenario(options, credentials)
        report = asyncio.run(place_call(_order(options, credentials)))
    except StoryError as error:
        print(error, file=sys.stderr)
        return CANNOT
    except EmulatorError as error:
        print(f"emulator: {error}", file=sys.stderr)
        return CANNOT
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("emulator: interrupted", file=sys.stderr)
        return NOT_GOOD
    return 0 if report.passed else NOT_GOOD


def _print_environment(credentials: Credentials, options: argparse.Namespace) -> int:
    if not 0 < options.rest_port < 65536:
        raise EmulatorError("--rest-port must be 1 to 65535 here: the server has to know it before the call")
    variables = credentials.environment(rest_url(options.rest_port)) | {
        "PUBLIC_URL": options.url,
        "API_KEY": credentials.api_key,
    }
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _parameters(options: argparse.Namespace) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in options.param:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise EmulatorError(f"--param {pair!r} is not usable: give NAME=VALUE")
        parameters[name] = value
    return parameters


def _order(options: argparse.Namespace, credentials: Credentials) -> CallOrder:
    if not 0 <= options.rest_port < 65536:
        raise EmulatorError("--rest-port must be 1 to 65535, or 0 for a free one")
    overrides = {name: getattr(options, name) for name in OPTIONS if getattr(options, name)}
    return CallOrder(
        carrier=options.carrier or DEFAULT,
        url=options.url,
        credentials=Credentials(**(vars(credentials) | overrides)),
        script=options.script,
        colleagues=[parse_colleague(text) for text in options.colleague],
        from_number=options.from_number,
        to_number=options.to_number,
        codec=options.codec,
        parameters=_parameters(options),
        status_callback=options.status_callback,
        patience=options.patience,
        noise_db=options.noise_db,
        record=options.record,
        report=options.report,
        quiet=options.quiet,
        voice_report=not options.no_voice_report,
        serve=options.serve,
        server_log=options.server_log,
        api_key=options.api_key or os.environ.get("EMULATOR_API_KEY"),
        rest_port=options.rest_port,
        mode=MODES[options.mode],
        line=line_of(options),
        method=options.method,
        fallback_url=options.fallback_url,
    )
