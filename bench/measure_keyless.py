"""How callers fare when several talk to the services on this machine at a time: they hear, understand and speak here.

Hosted services cost this machine next to nothing, local ones most of its time; so this, and not the comparison, says
how many such calls a machine can take.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from bench.arithmetic import spread
from bench.figures import Figure, median
from bench.measure_talk import QUESTIONS, credentials
from bench.serving import API_KEY, serving
from emulator import PhoneNetwork, Report, Say
from emulator.line.speech import Voice

APART_SECS = 0.7
"""From one call to the next: people do not call at the same moment."""


async def measure_keyless(
    at_once: Sequence[int], carrier: str, port: int, directory: Path
) -> tuple[list[Figure], list[str]]:
    """Start the server with its own services, and place calls to it, so many at a time.

    Args:
        at_once: How many calls at a time; one number after the other.
        carrier: `twilio` or `telnyx`.
        port: A free port.
        directory: For the server's data and output.

    Returns:
        The figures, and what went wrong, one sentence each.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    figures: list[Figure] = []
    problems: list[str] = []
    # Said once for all calls: the caller's voice would take the time of the bot's.
    speak = cache((await asyncio.to_thread(Voice)).speak)
    for text in QUESTIONS:
        await asyncio.to_thread(speak, text)
    async with PhoneNetwork(carrier, speak=speak) as network:
        environment = {**credentials(network, carrier), "DATA_DIR": str(directory / "keyless")}
        command = f"{sys.executable} server.py"
        async with serving(command, environment, port, directory / "keyless.log") as served:
            voice_url = served.voice_address(carrier) or f"http://127.0.0.1:{port}"
            for calls in at_once:
                reports = await _crowd(network, voice_url, calls)
                figures += _figures(calls, reports)
                problems += [error for report in reports for error in report.errors]
                print(f"  {calls} keyless calls at a time are over", flush=True)
    return figures, problems


async def _crowd(network: PhoneNetwork, voice_url: str, calls: int) -> list[Report]:
    async def one(number: int) -> Report:
        await asyncio.sleep(number * APART_SECS)
        script = [Say(text) for text in QUESTIONS]
        return (await network.call(voice_url, script, api_key=API_KEY)).report

    return await asyncio.gather(*(one(number) for number in range(calls)))


def _figures(calls: int, reports: Sequence[Report]) -> list[Figure]:
    responses = [
        turn.response_ms for report in reports for turn in report.turns[1:] if turn.response_ms is not None
    ]
    found = spread([float(response) for response in responses])
    many = f"keyless, {calls} call{'s' if calls > 1 else ''} at a time"
    return [
        Figure(f"{many}: caller stops to answer, median", median(responses), "ms"),
        Figure(f"{many}: 95th percentile", None if found is None else found.p95, "ms"),
        Figure(f"{many}: underruns per call", sum(report.underruns for report in reports) / calls, "  "),
    ]
