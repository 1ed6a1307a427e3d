"""Write `cloud.env`, the secrets of an agent on Pipecat Cloud: `python -m deploy.cloud_env`.

The file holds the settings that have a value here and that a bot reads in a call (`IN_A_CALL` of the settings), and
nothing else. The platform's tool reads it: `pipecat cloud secrets set NAME --file cloud.env`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

from loguru import logger
from pydantic import SecretStr

from carriers import credential_problems, descriptors, known_carriers
from carriers.cloud import CloudError, cloud_stream
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent
from conversation.agents.owner import named_variables
from settings import (
    ON_THIS_MACHINE,
    ROOT,
    Settings,
    SettingsError,
    cleaned,
    load_settings,
    misspelt,
    read_given,
    settings_class,
    variables_named,
)

USAGE_ERROR = 2

AGENTS = ROOT / "agents"
"""The agents that an image has."""

LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal")


class NotWritten(Exception):
    """A bot could not talk with these secrets; the message has one line for each reason, with the fix."""


EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s --output /tmp/cloud.env
  %(prog)s --local-voice                 (no key of a service is set: the image has the local voice)

exit status: 0 the file is written, 2 it is not, and why"""


def main(
    arguments: Sequence[str] | None = None,
    *,
    program: str = "python -m deploy.cloud_env",
    folder: Path = Path(),
) -> int:
    """Write the file and say what is in it, by names only.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: How help calls the command.
        folder: What the path of the file is relative to.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write the settings that a bot on Pipecat Cloud reads into a file for `pipecat cloud secrets set`.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=Path("cloud.env"), help="default %(default)s")
    parser.add_argument(
        "--local-voice",
        action="store_true",
        help="for an image that was built with LOCK=local: no keys are needed",
    )
    options = parser.parse_args(arguments)
    output = folder / options.output
    logger.remove()
    try:
        settings = load_settings()
        check(settings, local_voice=options.local_voice)
        variables = variables_of(settings)
        write_privately(output, secrets_file(variables))
    except (SettingsError, NotWritten) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(
            f"{output} cannot be written ({error.strerror}): name another file with --output",
            file=sys.stderr,
        )
        return USAGE_ERROR
    print(f"{output} has {len(variables)} variables: {', '.join(variables)}")
    print("\n".join([*notes(settings), *next_steps(settings, output)]))
    return 0


def variables_of(settings: Settings) -> dict[str, str]:
    """All that is set and that a bot reads in a call, by the variables' names; what agents' files name included.

    Args:
        settings: What the operator configured.
    """
    own = {
        name.upper(): _text(getattr(settings, name))
        for name in type(settings).model_fields
        if name in settings.model_fields_set & settings.IN_A_CALL and getattr(settings, name) is not None
    }
    return {**variables_named(sorted(_named(settings))), **own}


def _named(settings: Settings) -> frozenset[str]:
    """The variables that the files of the image's agents name."""
    return named_variables(settings.model_copy(update={"agents_dir": AGENTS}))


def secrets_file(variables: dict[str, str]) -> str:
    """The text that `pipecat cloud secrets set --file` makes the same variables of.

    Args:
        variables: Values by name.

    Raises:
        NotWritten: A value cannot be written so that the bot gets the same one.
    """
    return "".join(f"{name}={_written(name, value)}\n" for name, value in variables.items())


def write_privately(path: Path, text: str) -> None:
    """Write a file that only its owner can read, also where another one was before.

    Args:
        path: The file.
        text: What is in it.

    Raises:
        OSError: It cannot be written; what was there is still there.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def check(settings: Settings, *, local_voice: bool = False) -> None:
    """Find out whether a bot on Pipecat Cloud could talk with these settings.

    Args:
        settings: What the operator configured.
        local_voice: The image has the local voice.

    Raises:
        NotWritten: It could not.
    """
    # Pipecat, which these import, takes seconds.
    from conversation.services import ServiceError

    problems = credential_problems(settings)
    try:
        if settings.pipecat_cloud_agent:
            cloud_stream(known_carriers()[0], settings.pipecat_cloud_agent, settings.pipecat_cloud_region)
        problems += _voiceless(settings, local_voice)
    except (CloudError, AgentError, ServiceError) as error:
        problems.append(str(error))
    if problems:
        raise NotWritten("\n".join(problems))


def notes(settings: Settings) -> list[str]:
    """What the bot will miss on Pipecat Cloud, and what was left out: one line each."""
    given = read_given().without(_named(settings))
    lines = misspelt(given)
    unknown = sorted(name for name in given.file if name.lower() not in type(settings).model_fields)
    for what, names in (
        ("only a server reads", _set(settings, settings.ON_A_SERVER)),
        (
            "names a place on this machine; the image has agents/ and /app/data",
            _set(settings, ON_THIS_MACHINE),
        ),
        (f"no setting of ours (in {given.path})", unknown),
    ):
        if names:
            lines.append(f"left out, {what}: {', '.join(names)}")
    for name, value in variables_of(settings).items():
        if "://" in value and urlsplit(value).hostname in LOOPBACK:
            lines.append(
                f"{name} leads to this machine, where a bot on Pipecat Cloud finds nothing: give its public address"
            )
        elif name == "DATABASE_URL" and value.startswith("sqlite"):
            lines.append(
                "DATABASE_URL is a file, which goes away with the instance: leave it out, or name a server"
            )
    if not any(one.has_account(settings) for one in descriptors()):
        lines.append(
            "no phone company's credentials are set: the bot can end calls only by closing the media socket, and "
            f"cannot transfer: set {', or '.join(one.credentials for one in descriptors())}"
        )
    if settings.pipecat_cloud_agent is None:
        lines.append(
            "PIPECAT_CLOUD_AGENT is not set: after a transfer callers may not find back to the bot: set it to "
            "AGENT.ORGANIZATION (`pipecat cloud organizations list`)"
        )
    region = deploy_file().get("region")
    if region and settings.pipecat_cloud_region and region != settings.pipecat_cloud_region:
        lines.append(
            f"pcc-deploy.toml says region {region} and PIPECAT_CLOUD_REGION says {settings.pipecat_cloud_region}: "
            "make them the same"
        )
    return lines


def next_steps(settings: Settings, path: Path) -> list[str]:
    """The command that hands the file to the platform."""
    deploy = deploy_file()
    region = settings.pipecat_cloud_region or deploy.get("region")
    command = f"pipecat cloud secrets set {deploy.get('secret_set', 'phonebot')} --file {path}"
    return [f"next: {command}{f' --region {region}' if region else ''}; then delete {path}"]


def deploy_file() -> dict[str, Any]:
    """What `pcc-deploy.toml` tells `pipecat cloud deploy`; empty when there is no such file."""
    try:
        return tomllib.loads((ROOT / "pcc-deploy.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _voiceless(settings: Settings, local_voice: bool) -> list[str]:
    from conversation.services import resolve
    from conversation.services.catalogue import KINDS, taken_unasked

    agent = load_agent(settings.agent, AGENTS)
    choice = resolve(agent, settings)
    lines = []
    for kind in KINDS:
        service = choice.of(kind)
        for one in choice.each(kind)[1:]:
            if not one.has_key(settings):
                lines.append(
                    f"{kind} has {one.name} in its list, but {str(one.missing(settings)).upper()} is not set: set it "
                    "in .env"
                )
        if not service.has_key(settings):
            lines.append(
                f"{kind} is {service.name}, but {str(service.missing(settings)).upper()} is not set: set it in .env"
            )
        elif service.is_local and not local_voice:
            keys = [one.key.upper() for one in taken_unasked(kind) if one.key]
            lines.append(
                f"{kind} is local, which the image has not: set {' or '.join(keys)} in .env, or build the image with "
                "LOCK=local and give --local-voice"
            )
    return lines


def _set(settings: Settings, names: frozenset[str]) -> list[str]:
    return sorted(name.upper() for name in settings.model_fields_set & names)


def _text(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def _written(name: str, value: str) -> str:
    field = settings_class().model_fields.get(name.lower())
    comment = field is None or "SecretStr" not in str(field.annotation)
    for written in (value, f'"{value}"', f'""{value}""', f"\"'{value}'\""):
        if cleaned(_read_by_the_tool(written), comment=comment) == value:
            return written
    raise NotWritten(f"{name} has quotation marks that would not reach the bot: choose another value")


def _read_by_the_tool(written: str) -> str:
    # Source: pipecatcloud 1.4.0, cli/commands/secrets.py
    stripped = written.strip()
    return stripped[1:-1] if stripped.startswith('"') and stripped.endswith('"') else stripped


if __name__ == "__main__":
    sys.exit(main())
