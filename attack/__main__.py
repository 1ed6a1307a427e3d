"""Attack the real server as strangers would, beside calls that must not notice. Loopback only.

The last line of the output is one JSON object: how many tries there were, how many of them got something (`accepted`),
what they set off (`bots_started`, `carrier_requests`), what failed in the server (`unhandled`: answers of 5xx, and
errors in its log), and whether all calls beside it were good ones. The exit status is 0 when all is 0 and the calls
were good.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import os
import re
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import websockets

from attack.beside import Beside
from attack.genuine import genuine_event, genuine_form
from attack.knowledge import Knowledge
from bench.measure_control import AGENT
from bench.serving import API_KEY, serving, without_services
from emulator import EmulatorError, PhoneNetwork

FULL, QUICK = 10_000, 1_000
ERROR_LINE = re.compile(r"\| (?:ERROR|CRITICAL) |^(?:ERROR|CRITICAL):|Traceback \(most recent call last\)")
UNPROVED = {"ALLOW_UNSIGNED_WEBHOOKS": "true", "ALLOW_TOKENLESS_STREAMS": "true"}
SETTLES_SECS = 2.0


async def attack(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Run it; returns the outcome, with `details` for people.

    Raises:
        EmulatorError: The server cannot be started.
    """
    agents = directory / "agents"
    agents.mkdir()
    (agents / "bench.toml").write_text(AGENT, encoding="utf-8")
    log = directory / "server.log"
    async with PhoneNetwork("twilio") as twilio, PhoneNetwork("telnyx") as telnyx:
        ours = {name: value for name, value in telnyx.environment().items() if name.startswith("TELNYX")}
        environment = {
            **twilio.environment(),
            **ours,
            **without_services(),
            **(UNPROVED if arguments.weaken else {}),
            "AGENTS_DIR": str(agents),
            "AGENT": "bench",
            "DATA_DIR": str(directory / "data"),
            "LOG_LEVEL": "INFO",
        }
        read_key, revoked_key = await _keys(environment)
        command = f"{sys.executable} -m attack.talkative_bot"
        async with serving(command, environment, arguments.port, log) as served:
            url = f"http://127.0.0.1:{arguments.port}"
            printed = {name: served.voice_address(name) for name in ("twilio", "telnyx")}
            voice_urls = {name: address for name, address in printed.items() if address}
            beside = Beside(url, [twilio, telnyx], voice_urls, arguments.calls)
            known = await _learn(url, twilio, beside)
            known.read_key, known.revoked_key = read_key, revoked_key
            known.session = await _session(url)
            enough = asyncio.Event()
            calling = asyncio.create_task(beside.keep_calling(enough))
            await asyncio.sleep(2)
            known.call_ids = list(beside.call_ids)
            got = await _strangers(arguments, known)
            enough.set()
            await calling
            await asyncio.sleep(SETTLES_SECS)
            strangers_calls, started = await _what_was_set_off(url, beside)
        requests = [
            f"{entry.method} {entry.path}"
            for network in (twilio, telnyx)
            for entry in network.requests.entries
            if not any(
                call_id in entry.path or call_id in entry.fields.values() for call_id in beside.call_ids
            )
        ]
    errors = [line for line in log.read_text("utf-8", "replace").splitlines() if ERROR_LINE.search(line)]
    return {
        "tried": sum(got["tried"].values()),
        "accepted": sum(got["accepted"].values()) + len(strangers_calls),
        "bots_started": started,
        "carrier_requests": len(requests),
        "unhandled": sum(got["failed"].values()) + len(errors),
        "legitimate_ok": not beside.problems and beside.finished >= arguments.calls,
        "details": [
            *(f"tried {count} x {kind}" for kind, count in sorted(got["tried"].items())),
            *(f"accepted {count} x {kind}" for kind, count in sorted(got["accepted"].items())),
            *got["examples"],
            *(f"a call was opened: {call}" for call in strangers_calls[:5]),
            *(f"a carrier was asked: {request}" for request in requests[:5]),
            *errors[:10],
            *beside.problems,
            f"{beside.finished} legitimate calls",
        ],
    }


async def _keys(environment: Mapping[str, str]) -> tuple[str, str]:
    """Make a key that may read, and one that may do everything and is revoked, as an operator does."""
    read_key = await _phonebot(environment, "key", "new", "reader", "--scope", "read", "--per-minute", "0")
    revoked = await _phonebot(environment, "key", "new", "gone", "--scope", "admin", "--per-minute", "0")
    await _phonebot(environment, "key", "revoke", "gone")
    return read_key, revoked


async def _phonebot(environment: Mapping[str, str], *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "phonebot.py", *arguments),
        env={**os.environ, **environment, "PHONEBOT_ENV_FILE": ""},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise EmulatorError(f"phonebot {arguments[0]} {arguments[1]} ended with status {process.returncode}")
    return out.decode().strip()


async def _session(url: str) -> str:
    """Log in with a browser that has the key of the settings; returns the cookie."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.post("/console/login", data={"key": API_KEY}, headers={"Origin": url})
    [(name, value)] = answer.cookies.items()
    return f"{name}={value}"


async def _learn(url: str, network: PhoneNetwork, beside: Beside) -> Knowledge:
    """See a carrier's traffic: one call's webhook, and its media socket, which the carrier opens and leaves."""
    known = Knowledge(int(url.rpartition(":")[2]))
    form = genuine_form(url, "/twilio/voice", network.credentials)
    call_id = dict(httpx.QueryParams(form.body))["CallSid"]
    beside.call_ids.append(call_id)
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(
            url + form.path, content=form.body, headers={"Content-Type": form.content_type, **form.headers}
        )
    answer.raise_for_status()
    found = re.search(r'url="([^"]+)"', answer.text)
    if found is None:
        raise EmulatorError(
            f"the server answered a genuine webhook with no media stream: {answer.text[:200]}"
        )
    async with websockets.connect(found.group(1)) as socket:
        start = {"callSid": call_id, "streamSid": "MZ1", "accountSid": network.credentials.twilio_account_sid}
        await socket.send(json.dumps({"event": "start", "streamSid": "MZ1", "start": start}))
        await socket.recv()
    known.keyed = await _keyed_addresses(beside)
    known.used_tokens = ["/" + found.group(1).split("/", 3)[3]]
    known.seen = [
        form,
        genuine_form(url, "/twilio/status?call=call_1", network.credentials),
        genuine_event(network.credentials),
    ]
    return known


async def _keyed_addresses(beside: Beside) -> list[str]:
    """The addresses with a key, each for one call, in a document that Telnyx asks for without a signature."""
    call_id = f"v3:{uuid.uuid4().hex}"
    beside.call_ids.append(call_id)
    form = {"CallSid": call_id, "From": "+12025550143", "To": "+12025550100", "CallStatus": "ringing"}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(beside.voice_urls.get("telnyx", beside.url + "/telnyx/voice"), data=form)
    answer.raise_for_status()
    found = re.findall(r"http://[^<\"]+/telnyx/[^<\"]+", html.unescape(answer.text))
    if not found:
        raise EmulatorError(f"Telnyx' document names no address of ours: {answer.text[:200]}")
    return ["/" + address.split("/", 3)[3] for address in found]


async def _strangers(arguments: argparse.Namespace, known: Knowledge) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "attack.strangers"),
        *("--tries", str(arguments.tries), "--seed", str(arguments.seed), "--rate", str(arguments.rate)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(known.to_json().encode())
    if process.returncode:
        raise EmulatorError(f"the strangers gave up with status {process.returncode}")
    got: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return got


async def _what_was_set_off(url: str, beside: Beside) -> tuple[list[str], int]:
    """The calls that the strangers opened, and the number of sessions beyond one for each genuine call."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
        calls = (await http.get("/calls", params={"limit": 1000})).json()["calls"]
        strange = [call["id"] for call in calls if call["carrier_call_id"] not in beside.call_ids]
        started = 0
        for call in calls:
            events = (await http.get(f"/calls/{call['id']}")).json()["events"]
            sessions = sum(event["kind"] == "attached" for event in events)
            started += sessions if call["id"] in strange else max(0, sessions - 1)
    return strange, started


def main() -> int:
    """Attack.

    Returns:
        0 when the strangers got nothing and no caller noticed, 1 when one of both happened, 2 when nothing was tried.
    """
    parser = argparse.ArgumentParser(prog="python -m attack", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} tries instead of {FULL}")
    parser.add_argument("--tries", type=int, help="another number of tries")
    parser.add_argument("--seed", type=int, default=1, help="decides the tries (default 1)")
    parser.add_argument("--rate", type=float, default=80, help="tries a second at most (default 80)")
    parser.add_argument("--calls", type=int, default=5, help="calls at a time beside it (default 5)")
    parser.add_argument("--port", type=int, default=7863, help="a free port for the server (default 7863)")
    parser.add_argument(
        "--weaken",
        action="store_true",
        help="allow unsigned webhooks and sockets, to see that the attack finds it",
    )
    arguments = parser.parse_args()
    arguments.tries = arguments.tries or (QUICK if arguments.quick else FULL)
    try:
        with TemporaryDirectory(prefix="attack-") as directory:
            outcome = asyncio.run(attack(arguments, Path(directory)))
    except EmulatorError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(outcome.pop("details")))
    print(json.dumps(outcome))
    harm = sum(outcome[what] for what in ("accepted", "bots_started", "carrier_requests", "unhandled"))
    return 0 if not harm and outcome["legitimate_ok"] and outcome["tried"] >= arguments.tries else 1


if __name__ == "__main__":
    sys.exit(main())
