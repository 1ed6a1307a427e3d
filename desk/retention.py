"""How long what calls have left is kept, as the settings say; and one caller, who has asked to be forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from calls.call import Call
from calls.database.errors import DatabaseError
from calls.errors import NotPossible
from calls.forgetting import Forgetting, Forgotten, Retention
from calls.store import CallStore
from carriers.carrier import Carrier
from carriers.numbers import phone_number
from conversation.agents.files import agent_names
from settings import Settings

if TYPE_CHECKING:
    from desk.service import Service

JOB = "retention"
"""The name of the job, of which one process does the part that is done to the database."""

EVERY_SECS = 24 * 3600.0

START_SECS = 30.0
"""How long after the start it begins: those who call a server that has just come up come first."""

LOOK_SECS = 60.0
"""How often it is looked whether it is time, or whether the job has become this process's."""

AGAIN_SECS = 3600.0
"""When to try again after something has failed."""

NOT_ERASED = (
    "the carrier's own logs of calls, numbers and billing: ask the carrier",
    "what was sent already: to the webhook's receiver, by mail, to services that agents' tools ask",
    "what providers of speech and language models keep: see your contracts with them",
    "the do-not-call list (DIAL_DO_NOT_CALL), so that nobody calls the number by mistake",
    "copies: backups and replicas of the database, snapshots of the disk, logs of a proxy with this request's address",
)
"""What is not ours to erase, or must stay."""


def retention_of(settings: Settings) -> Retention:
    """For how long each kind of data is kept."""
    own = (
        settings.retain_numbers_days,
        settings.retain_transcripts_days,
        settings.retain_recordings_days,
        settings.retain_events_days,
    )
    return Retention(*(settings.retain_days if days is None else days for days in own))


async def forget_daily(service: Service) -> None:
    """Forget what is older than it may be: soon after the start, and every day, until cancelled."""
    retention = retention_of(service.settings)
    if retention.is_for_ever:
        return
    forgetting = Forgetting(service.store, service.carrier, service.settings.data_dir)
    clock = asyncio.get_running_loop().time
    due = clock() + START_SECS
    while True:
        await asyncio.sleep(max(0.0, min(due - clock(), LOOK_SECS)))
        forgetting.purge_memory(retention)
        if clock() < due:
            continue
        if not await service.store.holds(JOB):
            await asyncio.sleep(LOOK_SECS)
            continue
        due = clock() + (EVERY_SECS if await _forget(forgetting, retention) else AGAIN_SECS)


async def _forget(forgetting: Forgetting, retention: Retention) -> bool:
    try:
        done = await forgetting.purge(retention)
    except (DatabaseError, OSError) as error:
        logger.error("What is old was not forgotten, and is tried again in an hour: {}", error)
        return False
    if done.calls or done.messages:
        logger.info(
            "Forgotten, as RETAIN_..._DAYS say: parts of {} calls, {} whole ones, {} recordings, {} messages",
            done.calls,
            done.deleted,
            done.recordings,
            done.messages,
        )
    if done.recordings_left:
        logger.warning(
            "{} recordings that are older than RETAIN_RECORDINGS_DAYS were not deleted at the carrier, and are tried "
            "again tomorrow",
            done.recordings_left,
        )
    return True


async def erase_caller(
    number: str,
    store: CallStore,
    settings: Settings,
    carrier_of: Callable[[Call], Carrier | None],
    *,
    by: str | None = None,
) -> Forgotten:
    """Forget one caller.

    Args:
        number: As a person writes it, with country code, or a SIP address.
        store: The calls.
        settings: Where the agents and the messages are.
        carrier_of: The carrier of a call; None when there are no credentials for it.
        by: Which of the operator's people has asked for it.

    Raises:
        NotPossible: This is no number.
        UnderWay: A call of theirs is running; nothing was done.
        DatabaseError: The database did not answer.
        OSError: The file of messages cannot be changed.
    """
    wanted = phone_number(number)
    if wanted is None:
        raise NotPossible(
            "this is not a telephone number: write it in E.164, with + and country code, like +14155550100"
        )
    forgetting = Forgetting(store, carrier_of, settings.data_dir)
    done = await forgetting.erase(wanted, agents=agent_names(settings.agents_dir), by=by)
    logger.info(
        "A caller was erased: {} calls, {} recordings deleted and {} left",
        done.calls,
        done.recordings,
        done.recordings_left,
    )
    return done
