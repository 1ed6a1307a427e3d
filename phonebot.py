"""`phonebot`: everything that there is to do here, as one command. `make setup` puts it into `.venv/bin`.

Most commands are programs of the project that also run by themselves, such as `python -m web.dial`, with the same
options and exit statuses. Each is imported only when it is called, so `phonebot --help` loads next to nothing.
"""

from __future__ import annotations

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent

PORT_OF_CALLS = 7861
"""Where `phonebot call` has its server listen: beside one that `phonebot run` has started."""

Program = Callable[[list[str]], int]


def _group(text: str) -> typer.Typer:
    return typer.Typer(
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


app = _group(
    "A phone bot for Twilio and Telnyx.\n\n"
    "Each command says more, with examples: `phonebot dial --help`. Those of the bot read .env and data/ in phonebot's "
    "own folder, wherever they are called."
)
calls_group = _group("What became of calls.")
messages_group = _group("What callers have left for you.")
agent_group = _group("Agents' files.")
key_group = _group("Keys of the API, for people and programs.")
webhooks_group = _group("What your own systems are told of calls.")
cloud_group = _group("Pipecat Cloud.")
emulator_group = _group("A phone network on this machine, for any phone bot.")


def _program(group: typer.Typer, name: str, text: str) -> Callable[[Program], Program]:
    """Make a command of a program, which gets all that stands behind the command's name, `--help` included."""

    def add(run: Program) -> Program:
        @group.command(
            name,
            help=text,
            add_help_option=False,
            context_settings={
                "allow_extra_args": True,
                "ignore_unknown_options": True,
                "help_option_names": [],
            },
        )
        def command(context: typer.Context) -> None:
            raise typer.Exit(run(context.args))

        return run

    return add


def _go_home() -> Path:
    """Go to the project's folder, in which `.env` and `data/` are looked for.

    Returns:
        What the user's own paths are relative to from now on.
    """
    here = Path.cwd()
    if here == ROOT:
        return Path()
    os.chdir(ROOT)
    return here


@_program(app, "call", "Place a call to the bot on this machine: no key, no phone.")
def _call(arguments: list[str]) -> int:
    from emulator.terminal.cli import main

    return main(["call", *arguments], program="phonebot", call_defaults=_to_the_bot_here())


@_program(app, "phone", "Call the bot with your own voice, in the browser.")
def _phone(arguments: list[str]) -> int:
    from emulator.terminal.cli import main

    return main(["phone", *arguments], program="phonebot", call_defaults=_to_the_bot_here())


def _to_the_bot_here() -> dict[str, Any]:
    recordings = (Path() if Path.cwd() == ROOT else ROOT) / "recordings"
    return {
        "serve": shlex.join([sys.executable, str(ROOT / "phonebot.py"), "run"]),
        "url": f"http://127.0.0.1:{PORT_OF_CALLS}",
        "record": recordings / "call.wav",
    }


@_program(app, "run", "Answer calls: webhooks, media sockets and the API.")
def _run(arguments: list[str]) -> int:
    from server import main

    _go_home()
    return main(arguments, program="phonebot run")


@_program(app, "dial", "Have the bot call a number.")
def _dial(arguments: list[str]) -> int:
    from web.dial import main

    _go_home()
    return main(arguments, program="phonebot dial")


@app.command(
    "drain",
    epilog="\b\nexamples:\n"
    "  phonebot drain\n"
    "  phonebot drain --wait && systemctl stop phonebot\n"
    "  phonebot drain --undo\n"
    "\n\b\nexit status: 0 it is done, 2 the server cannot be asked",
)
def _drain(
    undo: Annotated[bool, typer.Option("--undo", help="Have it take calls again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the last call has ended.")] = False,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The server's address; this machine's if not given."),
    ] = None,
) -> None:
    """Take no new calls; those that are running go on."""
    from commands.drain import drain

    _go_home()
    raise typer.Exit(drain(url=url, undo=undo, wait=wait))


@_program(app, "doctor", "Find what is missing, misspelt or wrong before a caller does.")
def _doctor(arguments: list[str]) -> int:
    from deployment.doctor import main

    _go_home()
    return main(arguments, program="phonebot doctor")


Numbers = Annotated[bool, typer.Option("--numbers", help="Show telephone numbers.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print what the API answers: with numbers, and with what was said.")
]
Server = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="Ask the server at this address, with API_KEY, and not the database of this machine.",
    ),
]


Words = Annotated[bool, typer.Option("--words", help="Show what was said, and what tools were given.")]
Agent = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="Only calls of this agent.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="From then on: 2026-11-26, 2026-11-26T09:30, or 3h, 7d ago."
    ),
]
OnlyOutcome = Annotated[
    list[str] | None,
    typer.Option("--outcome", metavar="WORD", help="Only those that achieved this; several may be given."),
]
OnlyState = Annotated[
    list[str] | None,
    typer.Option("--state", metavar="WORD", help="Only those in this state; several may be given."),
]
OnlyDirection = Annotated[
    str | None, typer.Option("--direction", metavar="WORD", help="Only inbound ones, or outbound ones.")
]
OnlyCarrier = Annotated[
    str | None, typer.Option("--carrier", metavar="NAME", help="Only those of this carrier.")
]
OnlyHas = Annotated[
    list[str] | None,
    typer.Option("--has", metavar="WORD", help="Only those with a message, recording, transfer or error."),
]
OnlySlow = Annotated[
    int | None,
    typer.Option("--slow", min=0, metavar="MS", help="Only those with a response as slow as this."),
]


@calls_group.command(
    "list",
    epilog="\b\nexamples:\n"
    "  phonebot calls list\n"
    "  phonebot calls list --limit 3 --numbers\n"
    "  phonebot calls list --search invoice --since 7d --words\n"
    "  phonebot calls list --outcome abandoned --outcome lost --slow 1500\n"
    "  phonebot calls list --url https://bot.example.com --json\n"
    "\n\b\nexit status: 0 they are listed, 2 they cannot be",
)
def _list_calls(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many, the last ones first.")
    ] = 20,
    search: Annotated[
        str,
        typer.Option(
            "--search", metavar="TEXT", help="Only those with these words, or with a part of a number."
        ),
    ] = "",
    outcome: OnlyOutcome = None,
    state: OnlyState = None,
    live: Annotated[
        bool | None, typer.Option("--live/--ended", help="Only those that go on, or that have ended.")
    ] = None,
    agent: Agent = None,
    direction: OnlyDirection = None,
    carrier: OnlyCarrier = None,
    since: Since = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before then.")] = None,
    slow: OnlySlow = None,
    has: OnlyHas = None,
    reviewed: Annotated[
        bool | None,
        typer.Option("--reviewed/--unreviewed", help="Only those that a person is done with, or is not."),
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="PLACE", help="Go on where the list before has ended.")
    ] = None,
    numbers: Numbers = False,
    words: Annotated[bool, typer.Option("--words", help="Show the first words of the callers.")] = False,
    as_json: AsJson = False,
    url: Server = None,
) -> None:
    """List the last calls: how they ended, and what they achieved."""
    from commands.calls import list_calls
    from commands.filters import filters_of

    filters = filters_of(
        outcome=outcome,
        state=state,
        live=live,
        agent=agent,
        direction=direction,
        carrier=carrier,
        since=since,
        until=until,
        slow_ms=slow,
        has=has,
        reviewed=reviewed,
    )
    if filters is None:
        raise typer.Exit(2)
    _go_home()
    raise typer.Exit(
        list_calls(
            limit,
            url=url,
            numbers=numbers,
            words=words,
            as_json=as_json,
            filters=filters,
            query=search,
            before=before,
        )
    )


@calls_group.command(
    "tail",
    epilog="\b\nexamples:\n"
    "  phonebot calls tail\n"
    "  phonebot calls tail --agent receptionist --words\n"
    "  phonebot calls tail --url https://bot.example.com --json\n"
    "\n\b\nexit status: 0 it was interrupted, 2 nothing can be followed",
)
def _tail_calls(
    agent: Agent = None,
    direction: OnlyDirection = None,
    carrier: OnlyCarrier = None,
    state: OnlyState = None,
    words: Words = False,
    numbers: Numbers = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each event as a line of JSON, all of it.")
    ] = False,
    url: Server = None,
) -> None:
    """Follow all calls: a line for each thing that happens, until Ctrl-C."""
    from commands.calls import tail_calls
    from commands.filters import filters_of

    filters = filters_of(agent=agent, direction=direction, carrier=carrier, state=state)
    if filters is None:
        raise typer.Exit(2)
    _go_home()
    raise typer.Exit(tail_calls(url=url, numbers=numbers, words=words, as_json=as_json, filters=filters))


@messages_group.callback(invoke_without_command=True, no_args_is_help=False)
def _messages(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        from commands.messages import list_messages

        _go_home()
        raise typer.Exit(list_messages(20, url=None, numbers=False, words=False, as_json=False))


@messages_group.command(
    "list",
    epilog="\b\nexamples:\n"
    "  phonebot messages list --words --numbers\n"
    "  phonebot messages list --all --since 7d --json\n"
    "\n\b\nexit status: 0 they are listed, 2 they cannot be",
)
def _list_messages(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many, the last ones first.")
    ] = 20,
    every: Annotated[bool, typer.Option("--all", help="Those that were dealt with as well.")] = False,
    agent: Agent = None,
    since: Since = None,
    words: Annotated[bool, typer.Option("--words", help="Show names and messages.")] = False,
    numbers: Numbers = False,
    as_json: AsJson = False,
    url: Server = None,
) -> None:
    """List messages that nobody has dealt with yet."""
    from commands.filters import filters_of
    from commands.messages import list_messages

    filters = filters_of(agent=agent, since=since)
    if filters is None:
        raise typer.Exit(2)
    _go_home()
    raise typer.Exit(
        list_messages(
            limit,
            url=url,
            numbers=numbers,
            words=words,
            as_json=as_json,
            only_open=None if every else True,
            agent=filters.agent,
            since=filters.since,
        )
    )


@messages_group.command(
    "done",
    epilog="\b\nexamples:\n"
    "  phonebot messages done call_0f6c7f0b7d5e4e0c9a3b1d2e3f405162 14\n"
    "  phonebot messages done call_0f6c7f0b7d5e4e0c9a3b1d2e3f405162 14 --undo\n"
    "\n\b\nexit status: 0 it is noted, 1 there is no such message, 2 it cannot be noted",
)
def _handle_message(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="Our id of the call, or the phone company's.")],
    seq: Annotated[
        int, typer.Argument(metavar="SEQ", min=1, help="The message's number, as the list shows it.")
    ],
    undo: Annotated[bool, typer.Option("--undo", help="It has not been dealt with after all.")] = False,
    url: Server = None,
) -> None:
    """Note that a message has been dealt with."""
    from commands.messages import handle_message

    _go_home()
    raise typer.Exit(handle_message(call_id, seq, handled=not undo, url=url))


@calls_group.command(
    "show",
    epilog="\b\nexamples:\n"
    "  phonebot calls show call_0f6c7f0b7d5e4e0c9a3b1d2e3f405162\n"
    "  phonebot calls show CA2d654b35a303758514c427a7b734588d --words --numbers\n"
    "\n\b\nexit status: 0 it is shown, 1 there is no such call, 2 it cannot be looked up",
)
def _show_call(
    call_id: Annotated[str, typer.Argument(metavar="ID", help="Our id of the call, or the phone company's.")],
    words: Words = False,
    numbers: Numbers = False,
    as_json: AsJson = False,
    url: Server = None,
) -> None:
    """Show what happened on one call."""
    from commands.calls import show_call

    _go_home()
    raise typer.Exit(show_call(call_id, url=url, numbers=numbers, words=words, as_json=as_json))


@calls_group.command(
    "erase",
    epilog="\b\nexamples:\n"
    "  phonebot calls erase +12025550143\n"
    "  phonebot calls erase +12025550143 --yes --url https://bot.example.com\n"
    "\n\b\nexit status: 0 all is erased, 1 the carrier has not deleted a recording, 2 nothing is, or not all",
)
def _erase_caller(
    number: Annotated[
        str, typer.Argument(metavar="NUMBER", help="The caller's, with + and country code, or a SIP address.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Server = None,
) -> None:
    """Erase all that is kept of one caller; the calls stay countable."""
    if not yes:
        if not sys.stdin.isatty():
            print("nothing was erased: there is nobody to ask, so say --yes", file=sys.stderr)
            raise typer.Exit(2)
        typer.confirm("Erase number, words, recordings and messages of this caller for good?", abort=True)
    from commands.erase import erase

    _go_home()
    raise typer.Exit(erase(number, url=url))


@agent_group.command(
    "check",
    epilog="\b\nexamples:\n"
    "  phonebot agent check receptionist\n"
    "  phonebot agent check drafts/front-desk.toml\n"
    "\n\b\nexit status: 0 no fault, 1 a fault, 2 the settings cannot be read",
)
def _check_agent(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="An agent of AGENTS_DIR, or a file elsewhere.")
    ],
) -> None:
    """Find what keeps an agent from answering, or from its promises."""
    from commands.agent import check_agent

    file = Path.cwd() / name if name.endswith(".toml") or os.sep in name else None
    _go_home()
    raise typer.Exit(check_agent(file or name))


@agent_group.command(
    "prompt",
    epilog="\b\nexamples:\n"
    "  phonebot agent prompt receptionist\n"
    "  phonebot agent prompt receptionist --at 2026-12-25T10:00 --caller +12025550143\n"
    "  phonebot agent prompt reminder --outbound --param name=Ann\n"
    "\n\b\nexit status: 0 it is printed, 1 the file cannot be used, 2 the settings or an option cannot",
)
def _prompt_of_agent(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="An agent of AGENTS_DIR, or a file elsewhere.")
    ],
    caller: Annotated[
        str, typer.Option("--caller", metavar="NUMBER", help="The number of the other side.")
    ] = "+12025550143",
    outbound: Annotated[bool, typer.Option("--outbound", help="A call that the bot places.")] = False,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When it begins, as 2026-12-25T10:00; now when not given."),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="What comes with the call.")
    ] = None,
) -> None:
    """Print what a model is told, as it is sent."""
    from datetime import datetime

    try:
        moment = datetime.fromisoformat(at) if at else None
    except ValueError:
        print(f"--at {at}: is no time: write it like 2026-12-25T10:00", file=sys.stderr)
        raise typer.Exit(2) from None
    given = dict(one.partition("=")[::2] for one in param or [])
    if "" in given or not all("=" in one for one in param or []):
        print("--param: write it like name=Ann", file=sys.stderr)
        raise typer.Exit(2)
    from commands.prompt import ExampleCall, print_prompt

    file = Path.cwd() / name if name.endswith(".toml") or os.sep in name else None
    _go_home()
    raise typer.Exit(
        print_prompt(file or name, ExampleCall(caller, outbound=outbound, at=moment, parameters=given))
    )


@agent_group.command(
    "voice",
    epilog="\b\nexamples:\n"
    "  phonebot agent voice receptionist\n"
    "  phonebot agent voice receptionist --clear --fill\n"
    "\n\b\nexit status: 0 all are kept, 1 some are missing, 2 nothing can be kept, or looked at",
)
def _agent_voice(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An agent of AGENTS_DIR.")],
    fill: Annotated[bool, typer.Option("--fill", help="Have the voice speak what is missing.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Throw the lines of all agents away first.")] = False,
) -> None:
    """Show which lines of a hosted voice are kept, to be said at once."""
    from commands.voice import show_voice

    _go_home()
    raise typer.Exit(show_voice(name, fill=fill, clear=clear))


@agent_group.command(
    "new",
    epilog="\b\nexamples:\n"
    "  phonebot agent new bakery\n"
    '  phonebot agent new bakery --in ~/my-bots --business "Corner Bakery" --desk +12025550100\n'
    "\n\b\nexit status: 0 the files are written, 2 nothing is",
)
def _new_agent(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")],
    folder: Annotated[
        Path | None,
        typer.Option("--in", metavar="FOLDER", help="Where it goes; AGENTS_DIR, or agents/ here."),
    ] = None,
    business: Annotated[
        str | None, typer.Option("--business", metavar="TEXT", help="Whose telephone it answers.")
    ] = None,
    desk: Annotated[
        str | None,
        typer.Option("--desk", metavar="NUMBER", help="A person to put callers through to, as +12025550100."),
    ] = None,
    python: Annotated[
        bool | None, typer.Option("--python/--no-python", help="Whether it has a file for tools of its own.")
    ] = None,
) -> None:
    """Write the files of an agent of your own."""
    from commands.new_agent import Wishes, new_agent

    folder = (Path.cwd() / folder.expanduser()) if folder else None
    _go_home()
    if folder is None:
        from settings import SettingsError, load_settings

        try:
            folder = load_settings().agents_dir
        except SettingsError as error:
            print(error, file=sys.stderr)
            raise typer.Exit(2) from None
    if sys.stdin.isatty():
        if business is None:
            business = typer.prompt("Whose telephone does it answer?", default="Example Services")
        if desk is None:
            desk = typer.prompt(
                "A number to put callers through to (empty for none)", default="", show_default=False
            )
        if python is None:
            python = typer.confirm("Shall it have tools of its own, in Python?", default=True)
    wishes = Wishes(business or "Example Services", desk or "", python=python is not False)
    raise typer.Exit(new_agent(name, folder, wishes))


@key_group.command(
    "new",
    epilog="\b\nexamples:\n"
    "  phonebot key new front-desk --scope view\n"
    "  phonebot key new crm --scope read --per-minute 600\n"
    "  phonebot key new dialler --scope call --print\n"
    "\n\b\nexit status: 0 it is made and printed, 2 it is not",
)
def _new_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose it is; small letters, digits, dots and hyphens.")
    ],
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help="view (numbers shortened, nothing to hear), read, call (place calls and act on them) or admin.",
        ),
    ] = "read",
    per_minute: Annotated[
        int,
        typer.Option(
            "--per-minute", metavar="N", help="Requests a minute, in each process; 0 for any number."
        ),
    ] = 120,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print an entry for API_KEYS, and write no file.")
    ] = False,
) -> None:
    """Make a key, and print it this once.

    Its hash is kept in DATA_DIR, and a running server knows it at its next request.
    """
    _go_home()
    from commands.key import CANNOT, make_key
    from desk.api_keys import Scope

    try:
        wanted = Scope(scope)
    except ValueError:
        print(f"--scope: there is no {scope[:40]!r}; use {', '.join(Scope)}", file=sys.stderr)
        raise typer.Exit(CANNOT) from None
    raise typer.Exit(make_key(name, wanted, per_minute, only_print=only_print))


@key_group.command(
    "list",
    epilog="\b\nexamples:\n  phonebot key list\n"
    "\n\b\nexit status: 0 they are listed, 2 the settings or an entry cannot be read",
)
def _list_keys() -> None:
    """List who has a key, and what it is good for."""
    from commands.key import list_keys

    _go_home()
    raise typer.Exit(list_keys())


@key_group.command(
    "revoke",
    epilog="\b\nexamples:\n  phonebot key revoke front-desk\n"
    "\n\b\nexit status: 0 it is worthless now, 1 there is no such key, 2 it is not revoked",
)
def _revoke_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is.")],
) -> None:
    """Make a key worthless at once.

    Browsers that are logged in with it are logged out.
    """
    from commands.key import revoke_key

    _go_home()
    raise typer.Exit(revoke_key(name))


@webhooks_group.command(
    "undelivered",
    epilog="\b\nexamples:\n  phonebot webhooks undelivered\n\n\b\nexit status: 0 they are listed, 2 they cannot be",
)
def _undelivered() -> None:
    """List what could not be told for a day."""
    from commands.webhooks import list_undelivered

    _go_home()
    raise typer.Exit(list_undelivered())


@webhooks_group.command(
    "again",
    epilog="\b\nexamples:\n"
    "  phonebot webhooks again\n"
    "  phonebot webhooks again msg_0f6c7f0b7d5e4e0c9a3b1d2e3f405162\n"
    "\n\b\nexit status: 0 it is sent again, 1 nothing has this id, 2 the database cannot be used",
)
def _send_again(
    parcel_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Which one, by the first column of `undelivered`; else all."),
    ] = None,
) -> None:
    """Try what could not be told for another day.

    The server that runs does it, or the next one that is started.
    """
    from commands.webhooks import send_again

    _go_home()
    raise typer.Exit(send_again(parcel_id))


@_program(cloud_group, "env", "Write the secrets of a bot on Pipecat Cloud into a file.")
def _cloud_env(arguments: list[str]) -> int:
    from deploy.cloud_env import main

    folder = _go_home()
    return main(arguments, program="phonebot cloud env", folder=folder)


@_program(emulator_group, "call", "Place a call to any server, as Twilio or Telnyx would.")
def _emulator_call(arguments: list[str]) -> int:
    return _emulated("call", arguments)


@_program(emulator_group, "phone", "A phone in the browser, to call any server with your own voice.")
def _emulator_phone(arguments: list[str]) -> int:
    return _emulated("phone", arguments)


@_program(emulator_group, "stories", "Play calls that are written down, and judge them.")
def _emulator_stories(arguments: list[str]) -> int:
    return _emulated("stories", arguments)


@_program(emulator_group, "env", "Print the variables that point a server at the emulator.")
def _emulator_env(arguments: list[str]) -> int:
    return _emulated("env", arguments)


def _emulated(name: str, arguments: list[str]) -> int:
    from emulator.terminal.cli import main

    return main([name, *arguments], program="phonebot emulator")


@_program(emulator_group, "field", "Compare the emulator with real carriers, by ten calls of yours.")
def _emulator_field(arguments: list[str]) -> int:
    from emulator.field.cli import main

    return main(arguments, program="phonebot emulator field")


@_program(app, "bench", "Compare with a stock Pipecat bot; measure waiting and memory.")
def _bench(arguments: list[str]) -> int:
    from bench.__main__ import main

    folder = _go_home()
    return main(arguments, program="phonebot bench", folder=folder)


app.add_typer(calls_group, name="calls")
app.add_typer(messages_group, name="messages")
app.add_typer(key_group, name="key")
app.add_typer(agent_group, name="agent")
app.add_typer(webhooks_group, name="webhooks")
app.add_typer(cloud_group, name="cloud")
app.add_typer(emulator_group, name="emulator")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and end the process with its exit status.

    Args:
        arguments: What stands behind `phonebot`; the process's own when not given.
    """
    # Not `app()`: it would put typer's words for an error in the place of ours
    typer.main.get_command(app)(args=arguments, prog_name="phonebot")


if __name__ == "__main__":
    main()
