"""An owner's own service: `module:Class` in an agent's `[services]`, from the agent's folder or any installed module.

A module of the folder is looked for first. The folder is a package of its own, so that its modules can import one
another (`from . import other`) and never stand in the way of modules that are called alike elsewhere.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

from conversation.agents.modules import package_of
from conversation.services.service import WIDE_HZ, Kind, Service, ServiceError

NAMED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""How a class is named: `module:Class`, the module perhaps in packages."""


def own_service(kind: Kind, named: str, folder: Path) -> Service:
    """The service that an agent names as `module:Class`.

    Args:
        kind: The job that it is to do.
        named: As it stands in the agent's file.
        folder: Where the agent's file is.

    Raises:
        ServiceError: It is not written as a module and a class.
    """
    if not NAMED.fullmatch(named):
        raise ServiceError(
            f'services: {kind} = "{named}" is no service: write module:Class, such as my_{kind}:My{kind.upper()}.'
        )
    return Service(
        kind,
        named,
        named,
        extra="",
        automatic=lambda _: False,
        takes_arguments=True,
        hears_hz=WIDE_HZ,  # what it takes is not known, and what takes a telephone's rate takes this one
        folder=folder,
    )


def load_own(service: Service) -> type:
    """Import an owner's class.

    Raises:
        ServiceError: The module does not import, has no such class, or the class is no service of this kind.
    """
    assert service.folder is not None
    module_name, _, name = service.name.partition(":")
    where = f"services: {service.kind} {service.name}"
    try:
        module = _module(module_name, service.folder.resolve())
    except ModuleNotFoundError as error:
        if error.name is not None and _is_of(module_name, error.name, service.folder):
            raise ServiceError(
                f"{where}: there is no module {module_name}, neither in {service.folder} nor installed: "
                "correct the name, or put the file beside the agent's."
            ) from None
        raise _broken(where, error) from error
    except Exception as error:  # whatever an owner's module raises while it is imported
        raise _broken(where, error) from error
    found = getattr(module, name, None)
    if not isinstance(found, type):
        classes = [one for one, value in vars(module).items() if isinstance(value, type)]
        close = difflib.get_close_matches(name, classes, n=1)
        guess = f"did you mean {close[0]}?" if close else "correct the name."
        raise ServiceError(f"{where}: {module_name} has no class {name}: {guess}")
    base = _base(service.kind)
    if not issubclass(found, base):
        raise ServiceError(f"{where}: {name} must be a subclass of Pipecat's {base.__name__}.")
    if inspect.isabstract(found):
        raise ServiceError(
            f"{where}: {name} must have the method {', '.join(sorted(getattr(found, '__abstractmethods__', ())))}."
        )
    return found


def _base(kind: Kind) -> type:
    from pipecat.services.llm_service import LLMService
    from pipecat.services.stt_service import STTService
    from pipecat.services.tts_service import TTSService

    bases: dict[Kind, type] = {"stt": STTService, "llm": LLMService, "tts": TTSService, "voice": LLMService}
    return bases[kind]


def _broken(where: str, error: Exception) -> ServiceError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return ServiceError(
        f"{where} cannot be imported ({reason[:300]}): mend the module, or install what it needs."
    )


def _is_of(wanted: str, missing: str, folder: Path) -> bool:
    """Whether the module that is missing is the wanted one, or a package that it is in."""
    missing = missing.removeprefix(f"{package_of(folder)}.")
    return f"{wanted}.".startswith(f"{missing}.")


def _module(name: str, folder: Path) -> ModuleType:
    if (folder / f"{name.partition('.')[0]}.py").exists() or (folder / name.partition(".")[0]).is_dir():
        return importlib.import_module(f"{package_of(folder)}.{name}")
    return importlib.import_module(name)
