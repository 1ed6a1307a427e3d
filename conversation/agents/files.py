"""The agents' files: which there are, which one a name means, and what is wrong in one, as one line with the fix."""

from __future__ import annotations

import difflib
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import jinja2
from pydantic import BaseModel, ValidationError

from conversation.agents.agent import NAME, Agent, compiled
from conversation.agents.errors import AgentError, UnknownAgent, did_you_mean
from conversation.agents.flow_checks import joined
from conversation.agents.flow_file import flow_file, read_flow
from conversation.agents.modules import code_of, default_tools
from conversation.agents.tables import BrainLines, Lines, ServiceKind
from settings import Settings


def agent_names(directory: Path) -> list[str]:
    """Name the agents in a directory, sorted.

    Args:
        directory: Where the TOML files are. A directory that does not exist has none.
    """
    return sorted(path.stem for path in directory.glob("*.toml") if NAME.fullmatch(_plain(path.stem)))


def misnamed(directory: Path) -> list[str]:
    """Files that look like agents and that no call can name: one line each."""
    found = []
    for path in sorted(directory.glob("*")) if directory.is_dir() else []:
        if path.suffix == ".toml" and not NAME.fullmatch(_plain(path.stem)):
            found.append(f"{path.name}: {_RENAME}")
        elif path.name.endswith((".toml.txt", ".tml")):
            found.append(f"{path.name}: an agent's file ends in .toml; rename it")
    names = agent_names(directory)
    alike = [name for name in names if find_agent(name.swapcase(), directory) is None]
    if alike:
        found.append(
            f"{', '.join(f'{name}.toml' for name in alike)}: too much alike to tell apart; rename one"
        )
    return found


_RENAME = (
    "an agent's name has only letters, digits, hyphens and underlines, such as front-desk.toml; rename it"
)


def find_agent(name: str, directory: Path) -> str | None:
    """Find an agent by its name, which may be written with other capitals, or with `_` for `-`.

    Args:
        name: As it was written, in an address or a variable.
        directory: Where the TOML files are.

    Returns:
        The file's own name; None when there is no such agent, or two that differ in nothing else.
    """
    known = agent_names(directory)
    if name in known:
        return name
    alike = [one for one in known if _plain(one) == _plain(name)]
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def load_agent(name: str, directory: Path) -> Agent:
    """Read and check an agent's file.

    A file is read again only when it changed. The name may come from the network (a Pipecat Cloud service
    host, a custom parameter): it is only ever compared with the names of the files that are there.

    Args:
        name: The file's name without `.toml`, as `find_agent` takes it.
        directory: Where the TOML files are.

    Raises:
        UnknownAgent: There is no such agent.
        AgentError: The file has a mistake.
    """
    found = find_agent(name, directory)
    if found is None:
        known = agent_names(directory)
        shown = name[:60]
        if any(path.stem == name for path in directory.glob("*.toml")):
            raise UnknownAgent(f"agent {shown!r} is not known, though the file is there: {_RENAME}")
        if not directory.is_dir():
            raise UnknownAgent(
                f"agent {shown!r} is not known: there is no folder {directory}; correct AGENTS_DIR"
            )
        if not known:
            raise UnknownAgent(f"agent {shown!r} is not known: no .toml file is in {directory}; add one")
        close = difflib.get_close_matches(_plain(shown), known, n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        raise UnknownAgent(f"agent {shown!r} is not known; {guess}use one of {', '.join(known)}")
    path = directory / f"{found}.toml"
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size, _stamp(flow_file(path)))
    except OSError as error:
        raise AgentError(f"{path.name}: cannot be read ({error.strerror}); check its permissions") from None


def choose_agent(settings: Settings, *wanted: object) -> Agent:
    """Load the first agent that exists of those that a call names, else the configured one.

    A deployment on Pipecat Cloud has a name of its own (`_pipecatCloudServiceHost`, `serviceHost`), which need not be
    that of an agent file; so an unknown name is no error here.

    Args:
        settings: Where agents are, and the default.
        *wanted: Names in order of precedence; anything but a string is passed over.

    Raises:
        AgentError: The configured agent cannot be loaded.
    """
    for name in wanted:
        if isinstance(name, str) and find_agent(name, settings.agents_dir):
            return load_agent(name, settings.agents_dir)
    return load_agent(settings.agent, settings.agents_dir)


def names_agent(settings: Settings, *wanted: object) -> bool:
    """Whether one of the names that a call brings is an agent's, so that `choose_agent` takes that one."""
    return any(isinstance(name, str) and find_agent(name, settings.agents_dir) for name in wanted)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells whether a file has changed; None when there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=1024)  # each call without an agent of its own looks for its number in all of them
def _read(path: Path, _mtime_ns: int, _size: int, _flow: tuple[int, int] | None) -> Agent:
    file = path.name
    try:
        source = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(source)
    except UnicodeDecodeError:
        raise AgentError(
            f"{file}: is not UTF-8 text; save it as UTF-8 (in Notepad: Save as, Encoding)"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise AgentError(f"{file}: is not valid TOML: {error}; correct that place") from None
    except RecursionError:
        raise AgentError(f"{file}: has brackets in brackets without end; correct them") from None
    stated = table.setdefault("name", path.stem)
    if stated != path.stem:
        raise AgentError(f"{file}: name is {stated!r} but the file is {path.stem!r}; make them the same")
    code = code_of(path.with_suffix(".py"))
    try:
        agent = Agent.model_validate(table, context=code)
    except ValidationError as error:
        raise AgentError(_explain(file, source, error)) from None
    agent.is_in(path.parent)
    for key, template in agent.templates():
        _check_template(file, key, template, agent)
    flow = flow_file(path)
    if flow.is_file():
        served = [name for server in agent.mcp.values() for name in server.tools]
        agent._call_flow = joined(
            flow.name,
            read_flow(flow),
            agent.flow,
            code.names,
            tools={*default_tools(), *code.tools, *agent.http, *agent.tools, *served},
            transfers=agent.transfers if "transfer_call" in agent.tools else (),
        )
    elif agent.flow.nodes:
        raise AgentError(
            f"{file}: [flow] is for the flow in {flow.name}, which is not there; write it, or remove [flow]"
        )
    return agent


def _explain(file: str, source: str, error: ValidationError) -> str:
    """Make one line of the first problem that pydantic found; unknown keys first, they cause the others."""
    problems = error.errors()
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    location = problem["loc"]
    if location[:1] == ("variables",) and len(location) > 2:  # a problem for each type that it could have
        return f"{file}: {_key(location[:2])!r} is not usable: write a text, a number, true or false"
    where = f"{file}{_line_of(source, location)}"
    key = _key(location)
    if problem["type"] == "extra_forbidden":
        hint = did_you_mean(str(location[-1]), _known_keys(location[:-1]))
        return f"{where}: unknown key {key!r}{hint}"
    if problem["type"] == "literal_error" and location[-1] == "[key]":
        hint = did_you_mean(str(location[-2]), get_args(ServiceKind))
        return f"{where}: unknown key {_key(location[:-1])!r}{hint}"
    if problem["type"] == "missing":
        return f"{where}: {key!r} is missing; add it"
    reason = problem["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    key = key.removesuffix(".[key]")
    if not location:
        return f"{where}: {reason}"
    return f"{where}: {key!r} is not usable: {reason}; correct it"


def _key(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _line_of(source: str, location: tuple[int | str, ...]) -> str:
    """Say on which line a key stands, when it stands on only one."""
    keys = [part for part in location if isinstance(part, str) and part != "[key]"]
    if not keys:
        return ""
    key = re.escape(keys[-1])
    pattern = re.compile(rf"^\s*(?:{key}\s*=|[\"']{key}[\"']\s*=|\[+[^\]]*(?:\b{key}|[\"']{key}[\"'])\]+)")
    lines = [number for number, line in enumerate(source.splitlines(), 1) if pattern.match(line)]
    return f" line {lines[0]}" if len(lines) == 1 else ""


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """Name the keys of the table at a location, by following the models' annotations."""
    if location == ("lines",):
        return [*Lines.model_fields, *BrainLines.model_fields]
    kind: Any = Agent
    for part in location:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[str(part)].annotation if part in kind.model_fields else None
            if isinstance(kind, UnionType):  # a table that need not be there
                kind = next((one for one in get_args(kind) if one is not NoneType), None)
        elif get_origin(kind) in (list, dict):
            kind = get_args(kind)[-1]
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _check_template(file: str, key: str, template: str, agent: Agent) -> None:
    if "{" not in template:
        return
    try:
        compiled(template).render(agent.call_variables())
    except jinja2.TemplateSyntaxError as error:
        where = f"line {error.lineno} of it"
        raise AgentError(
            f"{file}: {key!r} is not a template: {error.message} ({where}); correct it"
        ) from None
    except jinja2.UndefinedError:
        return  # a value that only a call brings
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise AgentError(f"{file}: the template {key!r} does not render: {error}; correct it") from None
