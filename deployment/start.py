"""What a start finds out about a deployment: whether calls can be answered, and what would disappoint later."""

from __future__ import annotations

import asyncio
import importlib
from urllib.parse import urlsplit

from loguru import logger

from settings import Given, Settings

LOOK_OVER_SECS = 3
"""How long after its start the service asks others about itself: by then it answers its own public address."""


class StartError(Exception):
    """The service cannot start; the message is one line with cause and fix."""


def check(settings: Settings) -> list[str]:
    """Find out before listening whether calls could be answered.

    Returns:
        What answers them: one line, or a few; none when that is done elsewhere. Before it, what is to be known of the
        database.

    Raises:
        StartError: They could not; the message says why.
    """
    from calls.database.errors import DatabaseError
    from calls.do_not_call import DoNotCall, DoNotCallUnusable
    from carriers import credential_problems
    from conversation import services
    from conversation.agents.files import load_agent
    from deployment import database
    from deployment.checkup import DataDirUnusable, agent_problems, short_lines, use_data_dir
    from deployment.worker_plan import worker_findings
    from desk.api_keys import ApiKeys

    try:
        problems = short_lines(worker_findings(settings))
        problems = problems or ApiKeys(settings).problems_of_setting
        problems = problems or credential_problems(settings) or agent_problems(settings)
        if problems:
            raise StartError("\n".join(problems))
        use_data_dir(settings.data_dir)
        DoNotCall(settings.dial_do_not_call).load()
        told = database.open_database(settings)
        if settings.pipecat_cloud_public_key is not None:
            return told  # the bot talks on Pipecat Cloud
        return [*told, *services.describe(load_agent(settings.agent, settings.agents_dir), settings)]
    except (DataDirUnusable, DoNotCallUnusable) as error:
        raise StartError(str(error)) from None
    except DatabaseError as error:
        raise StartError(
            f"{error}. Calls cannot be kept; to start without a database, set DATABASE_URL=memory"
        ) from None
    except ModuleNotFoundError as error:
        raise StartError(
            f"the package {error.name} is not installed: `make setup` brings it (an image: build it anew)"
        ) from None


def notes(settings: Settings, given: Given) -> list[str]:
    """What would disappoint callers or the operator later, though calls are answered: a line each, as the doctor's."""
    from deployment.checkup import agent_findings, settings_findings, short_lines

    # PUBLIC_URL with http has a line of its own at a start.
    at_home = urlsplit(settings.public_url or "").scheme != "https"
    wrong = [one for one in settings_findings(settings, given) if one.subject != "PUBLIC_URL" or not at_home]
    return short_lines([*wrong, *agent_findings(settings)])


async def look_over(settings: Settings) -> None:
    """Log what the doctor finds by asking others; a start does not wait for it."""
    from deployment.checkup import short_lines

    await asyncio.sleep(LOOK_OVER_SECS)
    outside = await asyncio.to_thread(importlib.import_module, "deployment.outside")
    for line in short_lines(await outside.start_findings(settings)):
        logger.warning("{}", line)
