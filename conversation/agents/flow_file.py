"""An agent's call flow: the file `NAME.flow.yaml` beside `NAME.toml`, read into Pipecat Flows' configuration.

Its format is Pipecat's (`pipecat.flows.FlowConfig`). What is wrong in it is told with the file, the node, and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from conversation.agents.errors import AgentError, did_you_mean

if TYPE_CHECKING:
    from pipecat.flows import FlowConfig
    from pydantic import ValidationError

FLOW = ".flow.yaml"
"""How a flow's file ends, behind the agent's name."""


def flow_file(agent: Path) -> Path:
    """Where the flow of an agent is, if it has one.

    Args:
        agent: Its TOML file.
    """
    return agent.with_name(f"{agent.stem}{FLOW}")


def read_flow(path: Path) -> FlowConfig:
    """Read a flow.

    Args:
        path: The file. It is the owner's, so it may include others of theirs (`!include`).

    Raises:
        AgentError: It cannot be read, or is no flow.
    """
    # Flows bring a good part of Pipecat with them: nobody without a flow waits for that.
    from pipecat.flows import FlowConfig
    from pydantic import ValidationError

    file = path.name
    try:
        text = path.read_text(encoding="utf-8-sig")
        for line in _names_used_twice(text):
            raise AgentError(f"{file} {line}")
        return FlowConfig.from_yaml(text, base_dir=path.parent)
    except UnicodeDecodeError:
        raise AgentError(f"{file}: is not UTF-8 text; save it as UTF-8") from None
    except yaml.YAMLError as error:
        raise AgentError(
            f"{file}{_place(error)}: is not valid YAML: {_why(error)}; correct that place"
        ) from None
    except OSError as error:
        other = Path(error.filename or path).name
        raise AgentError(f"{file}: {other} cannot be read ({error.strerror}); correct its name") from None
    except RecursionError:
        raise AgentError(f"{file}: has lists in lists without end; correct them") from None
    except ValidationError as error:
        raise AgentError("\n".join(dict.fromkeys(_explained(file, error)))) from None
    except ValueError as error:  # the whole file is no table
        raise AgentError(
            f"{file}: {str(error).removeprefix('flow config: ')}: write `initial_node:` and `nodes:`"
        ) from None


def _names_used_twice(text: str) -> Iterator[str]:
    """Find names that stand twice in one table: YAML's loader would keep the last, and say nothing."""
    todo = [yaml.compose(text, yaml.SafeLoader)]
    while todo:
        part = todo.pop()
        if isinstance(part, yaml.SequenceNode):
            todo += part.value
        elif isinstance(part, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in part.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in seen:
                        yield f"line {key.start_mark.line + 1}: {key.value!r} is there twice; rename one, or remove it"
                    seen.add(key.value)
                todo.append(value)


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" line {mark.line + 1}" if mark is not None else ""


def _why(error: yaml.YAMLError) -> str:
    return " ".join(str(getattr(error, "problem", None) or "it cannot be read").split())


def _explained(file: str, error: ValidationError) -> Iterator[str]:
    """Make a line of each mistake that pydantic has found."""
    from pipecat.flows import FlowConfig

    for problem in error.errors():
        location, given = [part for part in problem["loc"] if part not in _KINDS], problem.get("input")
        where = _where(location)
        reason = problem["msg"].removeprefix("Value error, ")
        match problem["type"]:
            case "string_type" if isinstance(given, dict):
                continue  # it is meant as a branch, whose own mistakes come besides
            case "extra_forbidden":
                known = _known_keys(FlowConfig, location)
                yield f"{file}: {where}unknown key {location[-1]!r}{did_you_mean(str(location[-1]), known)}"
                continue
            case "missing":
                yield f"{file}: {where}{str(location[-1])!r} is missing; add it"
                continue
        if unknown := re.search(r"unknown node '(.+)'|initial_node '(.+)' is not", reason):
            nodes = list(given.get("nodes") or {}) if isinstance(given, dict) else []
            hint = did_you_mean(unknown[1] or unknown[2], [str(one) for one in nodes])
            yield f"{file}: {reason}{hint}"
            continue
        key = (
            f"{location[-1]!r}: "
            if location and isinstance(location[-1], str) and not where.endswith(f"{location[-1]!r}: ")
            else ""
        )
        yield f"{file}: {where}{key}{reason[:1].lower()}{reason[1:]}; correct it"


_KINDS = ("str", "Branch", "FlowConfig.Branch")
"""What pydantic puts into the place of a mistake for each type that a value could have."""


def _where(location: list[Any]) -> str:
    if location[:1] == ["nodes"] and len(location) > 1:
        return f"node {str(location[1])!r}: "
    return "global_functions: " if location[:1] == ["global_functions"] and len(location) > 1 else ""


def _known_keys(config: type[FlowConfig], location: list[Any]) -> list[str]:
    match location[:-1]:
        case []:
            model: Any = config
        case ["nodes", _]:
            model = config.Node
        case [*_, "transition_to"]:
            model = config.Branch
        case [*_, "task_messages", _]:
            model = config.Message
        case _:
            model = config.Function
    return list(model.model_fields)
