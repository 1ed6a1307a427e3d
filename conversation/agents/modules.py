"""An agent's own code: the file `NAME.py` beside `NAME.toml`, imported once, with the tools and hooks that are in it.

What is wrong with it is found then, and told in one line with the file, the line where it is known, and the fix.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from conversation.agents.errors import AgentError, did_you_mean

if TYPE_CHECKING:  # Pipecat takes a while to load, and what only reads settings does without
    from pipecat.adapters.llm.schemas.direct_function import DirectFunction

HOOKS: Mapping[str, int] = {
    "on_call_start": 1,
    "on_call_end": 1,
    "on_turn": 3,
    "processors": 1,
    "services": 1,
}
"""The hooks, with how many arguments each is called with."""


@dataclass(frozen=True)
class OwnCode:
    """What an agent's own code brings.

    Parameters:
        tools: Its direct functions by name, in the order of the file.
        hooks: Its hooks by name, of those in `HOOKS`.
        names: All that stands in it, by name: a flow finds its functions there.
    """

    tools: Mapping[str, DirectFunction] = field(default_factory=dict)
    hooks: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    names: Mapping[str, Any] = field(default_factory=dict, repr=False)


NO_CODE = OwnCode()
"""What an agent has that is a TOML file and nothing else."""

_loaded: dict[Path, OwnCode] = {}
_loading = threading.Lock()


@cache
def default_tools() -> dict[str, DirectFunction]:
    """The tools that every agent can have, by name; its own come besides."""
    from conversation import default_tools as ours

    return tools_of(ours)


def code_of(path: Path) -> OwnCode:
    """Import an agent's own code, once in the life of the process.

    Args:
        path: The file, which need not exist.

    Raises:
        AgentError: It cannot be imported, or something in it is no tool and no hook and seems to be meant as one.
    """
    path = path.resolve()
    with _loading:
        if path not in _loaded:
            if not path.is_file():
                return NO_CODE
            module = _import(path)
            _loaded[path] = OwnCode(tools_of(module), _hooks_of(module), vars(module))
        return _loaded[path]


def package_of(directory: Path) -> str:
    """The name of the package that a folder of agents is, so that a file in it can say `from . import another`."""
    directory = directory.resolve()
    name = f"phonebot_agents_{hashlib.sha256(str(directory).encode()).hexdigest()[:8]}"
    if name not in sys.modules:
        package = ModuleType(name, f"The agents' own code in {directory}.")
        package.__path__ = [str(directory)]
        package.__spec__ = ModuleSpec(name, None, is_package=True)
        package.__spec__.submodule_search_locations = package.__path__
        sys.modules[name] = package
    return name


def tools_of(module: ModuleType) -> dict[str, DirectFunction]:
    """The tools in a module: its public async functions whose first parameter is `params`.

    Functions that it has imported count only when its `__all__` names them.

    Raises:
        AgentError: One of them cannot be a tool.
    """
    listed = getattr(module, "__all__", ())
    tools: dict[str, DirectFunction] = {}
    for name, function in vars(module).items():
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        if function.__module__ != module.__name__ and name not in listed:
            continue
        if next(iter(inspect.signature(function).parameters), None) != "params":
            continue
        _check_tool(function)
        tools[function.__name__] = function
    return tools


def required_of(function: DirectFunction) -> list[str]:
    """The parameters that a tool cannot do without."""
    from pipecat.adapters.llm.schemas.direct_function import DirectFunctionWrapper

    return list(DirectFunctionWrapper(function).required)


def _import(path: Path) -> ModuleType:
    package = package_of(path.parent)
    name = f"{package}.{path.stem.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AgentError(f"{path.name}: is no Python file; correct its name")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        where = Path(error.filename or path).name
        raise AgentError(f"{where} line {error.lineno}: {error.msg}; correct it") from None
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        said = " ".join(str(error).split())
        raise AgentError(
            f"{path.name}{_line_in(path, error)}: raises {type(error).__name__} when it is imported"
            f"{f': {said}' if said else ''}; correct it, or install what is missing"
        ) from error
    return module


def _line_in(path: Path, error: BaseException) -> str:
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path
    ]
    return f" line {lines[-1]}" if lines else ""


def _where(function: Callable[..., Any]) -> str:
    code = function.__code__
    return f"{Path(code.co_filename).name} line {code.co_firstlineno}: {function.__name__}"


def _check_tool(function: Callable[..., Any]) -> None:
    import docstring_parser
    from pipecat.adapters.llm.schemas.direct_function import DirectFunctionWrapper

    where = _where(function)
    if not inspect.iscoroutinefunction(function):
        raise AgentError(
            f"{where} has a first parameter `params` and is no async function: write `async def`, as a tool needs it, "
            "or give the parameter another name"
        )
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise AgentError(f"{where} takes {parameter}: a tool's parameters have names; write each of them")
        if parameter.annotation is parameter.empty:
            raise AgentError(
                f"{where} has no type hint for {parameter.name}: the model is told its type by it; write "
                f"`{parameter.name}: str`, or the type that it has"
            )
    try:
        wrapper = DirectFunctionWrapper(function)
    except Exception as error:
        raise AgentError(
            f"{where} cannot be a tool: {type(error).__name__}: {error}; correct its type hints"
        ) from None
    if not wrapper.description:
        raise AgentError(f"{where} has no docstring: the model is told by it what the tool is for; write one")
    described = docstring_parser.parse(inspect.getdoc(function) or "").params
    unknown = [one.arg_name for one in described if one.arg_name not in (*wrapper.properties, "params")]
    if unknown:
        raise AgentError(
            f"{where} has no parameter {unknown[0]!r}, which its docstring describes"
            f"{did_you_mean(unknown[0], list(wrapper.properties))}"
        )


def _hooks_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    hooks: dict[str, Callable[..., Any]] = {}
    for name, function in vars(module).items():
        if not inspect.isfunction(function) or function.__module__ != module.__name__:
            continue
        if name not in HOOKS:
            if name.startswith("on_"):
                raise AgentError(f"{_where(function)} is no hook{did_you_mean(name, list(HOOKS))}")
            continue
        try:
            inspect.signature(function).bind(*range(HOOKS[name]))
        except TypeError:
            arguments = ("session", "who", "text")[: HOOKS[name]]
            raise AgentError(
                f"{_where(function)} must take {len(arguments)} argument(s): write {name}({', '.join(arguments)})"
            ) from None
        if name.startswith("on_") and not inspect.iscoroutinefunction(function):
            raise AgentError(f"{_where(function)} must be an async function: write `async def {name}`")
        hooks[name] = function
    return hooks
