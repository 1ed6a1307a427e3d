"""Measure what a caller waits for and what the service needs, on this machine and without any key.

Each figure is printed beside its target. A shared machine is noisy: compare medians of runs made together, and take the
exit status for "it ran", not for a verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from emulator import EmulatorError, PhoneNetwork, Report, Say
from emulator.served import ServedBot
from emulator.speech import Voice

QUESTIONS = (
    "What are your opening hours?",
    "Where are you located?",
    "Do you take new patients?",
    "Can I pay by card?",
    "Is there parking?",
    "Thank you, goodbye.",
)

API_KEY = "bench"


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Parameters:
        name: What was measured.
        value: The value; None when nothing was measured.
        unit: `ms` or `MB`.
        target: What it should be at most; None for a figure without one.
    """

    name: str
    value: float | None
    unit: str
    target: float | None = None

    def line(self) -> str:
        """The figure as a line of a table."""
        value = "      -" if self.value is None else f"{self.value:7.0f}"
        target = "" if self.target is None else f"   (target: at most {self.target:.0f})"
        return f"{self.name:<52}{value} {self.unit}{target}"


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(shown.stdout) * 1024 / 1e6


def _without_services() -> dict[str, str]:
    """Variables that make the server use hosted services, so that no local model is loaded; none is called."""
    return {"STT": "openai", "LLM": "openai", "TTS": "openai", "OPENAI_API_KEY": "none"}


def _credentials(network: PhoneNetwork, carrier: str) -> dict[str, str]:
    """The variables of one carrier, as most operators have them; each carrier's SDK takes memory of its own."""
    return {
        name: value if name.startswith(carrier.upper()) else ""
        for name, value in network.environment().items()
    }


async def _serve(environment: dict[str, str], port: int, log: Path) -> ServedBot:
    served = ServedBot(
        f"{sys.executable} server.py",
        f"http://127.0.0.1:{port}",
        {**environment, "PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}", "API_KEY": API_KEY},
        log,
    )
    await served.start()
    await served.wait_until_ready(lambda _: None)
    return served


async def measure(calls: int, carrier: str, port: int) -> tuple[list[Figure], list[Report]]:
    """Start the server twice, place calls to it, and collect the figures.

    Args:
        calls: How many calls, one after another.
        carrier: `twilio` or `telnyx`.
        port: A free port.

    Raises:
        EmulatorError: The server cannot be started or reached.
    """
    reports: list[Report] = []
    with TemporaryDirectory() as directory:
        log = Path(directory) / "server.log"
        voice = await asyncio.to_thread(Voice)
        async with PhoneNetwork(carrier, speak=voice.speak) as network:
            environment = {**_credentials(network, carrier), "DATA_DIR": directory}
            bare = await _serve({**environment, **_without_services()}, port, log)
            without_models = rss_mb(bare.pid)
            await bare.stop()

            served = await _serve(environment, port, log)
            try:
                with_models = rss_mb(served.pid)
                for _ in range(calls):
                    script = [Say(text) for text in QUESTIONS]
                    result = await network.call(f"http://127.0.0.1:{port}", script, api_key=API_KEY)
                    reports.append(result.report)
                    print(f"  call {len(reports)} of {calls}: {len(result.report.errors)} errors", flush=True)
                after_calls = rss_mb(served.pid)
            finally:
                await served.stop()
    answers = [report.first_audio_ms for report in reports if report.first_audio_ms is not None]
    responses = [
        turn.response_ms for report in reports for turn in report.turns[1:] if turn.response_ms is not None
    ]
    drops = [
        report.hangup_after_goodbye_ms for report in reports if report.hangup_after_goodbye_ms is not None
    ]
    return [
        Figure("answer to first audio, median", _median(answers), "ms", 500),
        Figure("end of caller's speech to first audio, median", _median(responses), "ms", 750),
        Figure("end of caller's speech to first audio, worst", max(responses, default=None), "ms"),
        Figure("end of goodbye to hang-up, median", _median(drops), "ms", 300),
        Figure(
            "underruns per call", sum(report.underruns for report in reports) / max(1, len(reports)), "  "
        ),
        Figure("idle server without local models", without_models, "MB", 250),
        Figure("idle server with local models", with_models, "MB", 750),
        Figure(f"server after {calls} calls", after_calls, "MB", 750),
    ], reports


def _median(values: list[int]) -> float | None:
    return statistics.median(values) if values else None


def main() -> int:
    """Run the bench.

    Returns:
        0 when all calls went well, 1 when one did not, 2 when nothing could be measured.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=3, help="calls to place, one after another (default 3)")
    parser.add_argument("--carrier", choices=("twilio", "telnyx"), default="twilio")
    parser.add_argument("--port", type=int, default=7862, help="a free port for the server (default 7862)")
    parser.add_argument("--json", type=Path, help="also write the figures and reports to this file")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{arguments.calls} calls over {arguments.carrier}, {os.cpu_count()} cores, load {load:.1f} before")
    try:
        figures, reports = asyncio.run(measure(arguments.calls, arguments.carrier, arguments.port))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(figure.line() for figure in figures))
    problems = [error for report in reports for error in report.errors]
    print("\n".join(f"problem: {problem}" for problem in problems))
    if arguments.json:
        text = json.dumps(
            {"figures": [asdict(figure) for figure in figures], "reports": [r.as_dict() for r in reports]},
            indent=2,
        )
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
