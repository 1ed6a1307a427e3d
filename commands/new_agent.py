"""`phonebot agent new`: an agent's files to begin with, which take calls as they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from conversation.agents.agent import NAME
from conversation.agents.errors import AgentError
from conversation.agents.files import load_agent

USAGE = 2

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True)
class Wishes:
    """What an agent is to have.

    Parameters:
        business: Whose telephone it answers.
        desk: The number of a person to put callers through to; empty for nobody.
        python: Whether it has a Python file for tools of its own.
    """

    business: str
    desk: str = ""
    python: bool = True


def new_agent(name: str, folder: Path, wishes: Wishes, *, tell: Callable[[str], None] = print) -> int:
    """Write the files of an agent.

    Args:
        name: The agent's name.
        folder: Where they go; it is made if it is not there.
        wishes: What it is to have.
        tell: Takes what is said about it.

    Returns:
        The exit status: 0, or 2 when nothing was written.
    """
    logger.remove()  # Pipecat says hello in the log when it is loaded
    if not NAME.fullmatch(name):
        return _refused(f"{name!r} cannot be an agent's name: use small letters, digits and hyphens")
    if wishes.desk and not _E164.fullmatch(wishes.desk):
        return _refused(f"{wishes.desk!r} is no number in E.164 form: write it like +12025550100")
    files = {folder / f"{name}.toml": _toml(name, wishes)}
    if wishes.python:
        files[folder / f"{name}.py"] = PYTHON
    there = [path for path in files if path.exists()]
    if there:
        return _refused(f"{there[0]} is there already: choose another name, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        return _refused(f"{folder}: cannot be written ({error.strerror}): choose another folder with --in")
    try:
        load_agent(name, folder)
    except AgentError as error:  # a business whose name no template takes
        for path in files:
            path.unlink()
        return _refused(str(error))
    tell("\n".join(f"wrote {path}" for path in files))
    tell(f"call it:  AGENTS_DIR={folder} AGENT={name} make call")
    tell(f"check it: phonebot agent check {folder / name}.toml")
    return 0


def _refused(why: str) -> int:
    print(f"phonebot agent new: {why}", file=sys.stderr)
    return USAGE


def _toml(name: str, wishes: Wishes) -> str:
    quoted = wishes.business.replace("\\", "\\\\").replace('"', '\\"')
    tools = ["end_call", "take_message", *(["transfer_call"] if wishes.desk else [])]
    own = "hours_today" if wishes.python else ""
    listed = ", ".join(f'"{tool}"' for tool in (*tools, *([own] if own else [])))
    parts = [TOML.format(business=quoted, tools=listed, desk=DESK_TASK if wishes.desk else "")]
    if wishes.desk:
        parts.append(DESK.format(number=wishes.desk))
    if own:
        parts.append(MENU)
    return "\n".join(parts)


TOML = '''# docs/agents.md has every key, docs/tools.md what can be written in Python.

greeting = "Thank you for calling {{{{ business }}}}. How can I help you?"

instructions = """
You answer the telephone for {{{{ business }}}}. Today is {{{{ today }}}}. Answer in one or two short sentences without
lists or markdown. Say only what you were told about the business. When you do not know something, take a message with
take_message.{desk} Say goodbye with end_call.
"""

tools = [{tools}]

[variables]
business = "{business}"

[[facts]]
topic = "our address"
questions = ["Where are you?", "What is your address?", "How do I get to you?"]
answer = "We are in the middle of town, opposite the station."
'''

DESK_TASK = " Put callers through with transfer_call when they ask for a person."

DESK = """[transfers.front-desk]
number = "{number}"
spoken = "the front desk"
description = "A person, somebody who works there"
"""

MENU = """[[facts]] # the local brain asks the tool; a hosted model does so by itself
topic = "our opening hours"
questions = ["When are you open?", "What are your opening hours?", "Are you open today?"]
tool = "hours_today"

[menu.1]
label = "our opening hours"
fact = "our opening hours"
"""

PYTHON = '''"""What this agent can do beyond its words: tools that the model calls, and hooks. See docs/tools.md."""

from datetime import datetime

from conversation.public import BotSession, ToolParams

OPEN = {"Saturday": "from nine until one", "Sunday": None}


async def hours_today(params: ToolParams, weekday: str = ""):
    """Say the opening hours.

    Args:
        params: The call of the tool.
        weekday: The day in English, such as Monday; today when it is empty.
    """
    now: datetime = params.app_resources.variables["now"]
    day = weekday.capitalize() or f"{now:%A}"
    hours = OPEN.get(day, "from nine until five")
    return f"On {day} we are open {hours}." if hours else f"On {day} we are closed."


async def on_call_start(session: BotSession) -> None:
    """Find out about the caller before the greeting; what is put here is in its template."""
    session.variables["seen_before"] = False
'''
