"""The doctor: looks at everything that a call would need, and says what is wrong and how to mend it.

One line each: ok, note, fault or not tried. No line has a secret in it. The exit status is 1 when there is a fault,
2 when the settings cannot be read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence

from loguru import logger

from carriers.checks import Finding, Verdict
from carriers.cloud import CloudError, cloud_documents
from deployment.checkup import NOT_SET, agent_findings, database_findings, disk_findings, settings_findings
from deployment.tunnel import find_tunnel
from settings import Given, Settings, SettingsError, load_settings, read_given

FAULTS = 1
UNREADABLE = 2


async def examine(settings: Settings, given: Given, *, offline: bool = False) -> list[Finding]:
    """Look at everything.

    Args:
        settings: The settings that are in effect, defaults included.
        given: The variables as the environment and `.env` had them.
        offline: Whether to ask no other services.
    """
    found = settings_findings(settings, given)
    if settings.pipecat_cloud_agent:
        try:
            cloud_documents(settings.pipecat_cloud_agent, settings.pipecat_cloud_region)
        except CloudError as error:
            found.append(Finding(Verdict.FAULT, "PIPECAT_CLOUD_AGENT", str(error)))
    found += agent_findings(settings) + disk_findings(settings) + await database_findings(settings)
    if offline:
        return found
    from deployment.outside import outside_findings

    tunnel = None
    if settings.public_url is None:
        tunnel = await asyncio.to_thread(find_tunnel, settings.ngrok_api_url, settings.port)
        if tunnel is None and not settings.pipecat_cloud_agent:
            text = "is not set, so only the emulator can call: set it, or start ngrok and the server anew"
            found.append(Finding(Verdict.NOTE, "PUBLIC_URL", text))
    return found + await outside_findings(settings, settings.public_url or tunnel)


def lines(findings: Sequence[Finding]) -> list[str]:
    """The findings as they are printed: faults last, where they are seen."""
    order = [Verdict.OK, Verdict.NOTE, Verdict.NOT_TRIED, Verdict.FAULT]
    unset = [one for one in findings if one.subject == NOT_SET]
    findings = [one for one in findings if one.subject != NOT_SET]
    width = max(len(one.subject) for one in findings)
    shown = [
        f"{one.verdict.value:<10} {one.subject:<{width}}  {one.text}"
        for one in sorted(findings, key=lambda one: order.index(one.verdict))
    ]
    faults = sum(one.verdict is Verdict.FAULT for one in findings)
    untried = sum(one.verdict is Verdict.NOT_TRIED for one in findings)
    last = "No fault found" if not faults else f"{faults} fault{'s' if faults > 1 else ''}"
    defaults = [f"Defaults count for {len(one.text.split(', '))} other settings." for one in unset]
    return [*shown, "", *defaults, last + (f", {untried} not tried" if untried else "") + "."]


EXAMPLES = """\
examples:
  %(prog)s                (asks the phone company, the services and the public address as well)
  %(prog)s --offline
  %(prog)s --json

exit status: 0 no fault, 1 a fault, 2 the settings cannot be read"""


def main(arguments: Sequence[str] | None = None, *, program: str = "python -m web.doctor") -> int:
    """Look, and print.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: How help calls the command.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description="Find what is missing, misspelt or wrong before a caller does.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--offline", action="store_true", help="ask no service outside this machine")
    options = parser.parse_args(arguments)
    logger.remove()
    try:
        settings, given = load_settings(), read_given()
    except SettingsError as error:
        findings = [Finding(Verdict.FAULT, "settings", line) for line in str(error).splitlines()]
        print(_json(findings) if options.json else "\n".join(lines(findings)))
        return UNREADABLE
    findings = asyncio.run(examine(settings, given, offline=options.offline))
    print(_json(findings) if options.json else "\n".join(lines(findings)))
    return FAULTS if any(one.verdict is Verdict.FAULT for one in findings) else 0


def _json(findings: Sequence[Finding]) -> str:
    found = [{"verdict": one.verdict.value, "subject": one.subject, "text": one.text} for one in findings]
    return json.dumps(
        {"ok": not any(one.verdict is Verdict.FAULT for one in findings), "findings": found}, indent=2
    )
