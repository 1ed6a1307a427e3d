"""How long a caller who asks questions waits for the answers, and how much memory the server needs meanwhile."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.figures import Figure, median
from bench.serving import API_KEY, rss_mb, serving, without_services
from emulator import PhoneNetwork, Report, Say
from emulator.line.speech import Voice

QUESTIONS = (
    "What are your opening hours?",
    "Where are you located?",
    "Do you take new patients?",
    "Can I pay by card?",
    "Is there parking?",
    "Thank you, goodbye.",
)


def credentials(network: PhoneNetwork, carrier: str) -> dict[str, str]:
    """The variables of one carrier, as most operators have them; each carrier's SDK takes memory of its own."""
    return {
        name: value if name.startswith(carrier.upper()) else ""
        for name, value in network.environment().items()
    }


async def measure_talk(
    calls: int, carrier: str, port: int, directory: Path
) -> tuple[list[Figure], list[Report]]:
    """Start the server twice, place calls to it, and collect the figures.

    Args:
        calls: How many calls, one after another.
        carrier: `twilio` or `telnyx`.
        port: A free port.
        directory: For the server's data and output.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    reports: list[Report] = []
    log = directory / "server.log"
    command = f"{sys.executable} server.py"
    voice = await asyncio.to_thread(Voice)
    async with PhoneNetwork(carrier, speak=voice.speak) as network:
        environment = {**credentials(network, carrier), "DATA_DIR": str(directory)}
        async with serving(command, {**environment, **without_services()}, port, log) as bare:
            without_models = rss_mb(bare.pid)
        async with serving(command, environment, port, log) as served:
            with_models = rss_mb(served.pid)
            for _ in range(calls):
                script = [Say(text) for text in QUESTIONS]
                base = f"http://127.0.0.1:{port}"
                result = await network.call(
                    served.voice_address(carrier) or base,
                    script,
                    api_key=API_KEY,
                    status_callback=f"{base}/{carrier}/status",
                )
                reports.append(result.report)
                print(f"  call {len(reports)} of {calls}: {len(result.report.errors)} errors", flush=True)
            after_calls = rss_mb(served.pid)
    answers = [report.first_audio_ms for report in reports if report.first_audio_ms is not None]
    responses = [
        turn.response_ms for report in reports for turn in report.turns[1:] if turn.response_ms is not None
    ]
    drops = [
        report.hangup_after_goodbye_ms for report in reports if report.hangup_after_goodbye_ms is not None
    ]
    return [
        Figure("answer to first audio, median", median(answers), "ms", 500),
        Figure("end of caller's speech to first audio, median", median(responses), "ms", 430),
        Figure("end of caller's speech to first audio, worst", max(responses, default=None), "ms"),
        Figure("end of goodbye to hang-up, median", median(drops), "ms", 500),
        Figure(
            "underruns per call", sum(report.underruns for report in reports) / max(1, len(reports)), "  "
        ),
        Figure("idle server without local models", without_models, "MB", 250),
        Figure("idle server with local models", with_models, "MB", 750),
        Figure(f"server after {calls} calls", after_calls, "MB", 750),
    ], reports
