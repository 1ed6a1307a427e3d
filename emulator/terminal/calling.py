"""The `call` command: prepares voice, ears and server, places the call, and prints how it went."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from emulator.bot.served import SERVER_LOG, ServedBot, variables
from emulator.carriers.credentials import Credentials
from emulator.errors import EmulatorError
from emulator.legs.addressing import parse_target
from emulator.line.caller import KEYS, PAUSE_MS, Audio, Digits, HangUp, Manners, Say, ScriptItem
from emulator.line.colleague import Colleague, with_greetings
from emulator.line.impairments import IDEAL, Profile
from emulator.line.speech import Ears, Voice, read_wav, write_stereo
from emulator.network import PhoneNetwork
from emulator.report import Report
from emulator.terminal.printing import (
    LiveTranscript,
    colleagues_text,
    summary_text,
    timeline_text,
    turns_text,
)

DEFAULT_STORY = (("say", "What are your opening hours?"), ("say", "Thank you, goodbye."))
PROGRESS_SECS = 5.0


@dataclass
class CallOrder:
    """A call as ordered on the command line; see `emulator.terminal.cli` for what each option means."""

    carrier: str
    url: str
    credentials: Credentials
    script: Sequence[tuple[str, str]] | None
    from_number: str
    to_number: str
    codec: str
    parameters: dict[str, str] = field(default_factory=dict)
    status_callback: str | None = None
    colleagues: Sequence[Colleague] = ()
    patience: float = 0.9
    noise_db: float | None = None
    record: Path | None = None
    report: Path | None = None
    quiet: bool = False
    voice_report: bool = True
    serve: str | None = None
    server_log: Path | None = None
    api_key: str | None = None
    rest_port: int = 0
    mode: str = ""
    line: Profile = IDEAL
    method: str | None = None
    fallback_url: str | None = None


def script_of(order: Sequence[tuple[str, str]] | None, *, hang_up: bool = True) -> list[ScriptItem]:
    """The script for the options in their order; the default story if there are none.

    The default story ends with a goodbye, which the bot is to answer, and to hang up. In a script of one's own the
    caller hangs up after the last reply, if the bot has not done so by then.

    Args:
        order: The options.
        hang_up: Whether the caller of a script of one's own does so; not where it may go on with a colleague.

    Raises:
        EmulatorError: A key that no phone has, or a file that cannot be read.
    """
    script: list[ScriptItem] = []
    for kind, value in order or DEFAULT_STORY:
        if kind == "say":
            script.append(Say(value))
        elif kind == "wav":
            script.append(Audio(read_wav(Path(value)), f"({Path(value).name})"))
        elif not value or set(value) - KEYS - PAUSE_MS.keys():
            raise EmulatorError(
                f"--digits {value!r} is not usable: give keys 0-9 * # A-D, and w to wait half a second"
            )
        else:
            script.append(Digits(value))
    if order and hang_up:
        script.append(HangUp(after_reply=True))
    return script


async def place_call(order: CallOrder) -> Report:
    """Place the call and print how it goes. SIGTERM ends it like an interrupt, so a server started for it is stopped.

    Raises:
        EmulatorError: It cannot be placed; see the exception tree.
    """
    task = asyncio.current_task()
    if task is not None:
        with contextlib.suppress(NotImplementedError, RuntimeError):
            # Neither on Windows nor outside the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    script = script_of(order.script, hang_up=not order.colleagues)
    target = parse_target(order.url, order.carrier)
    async with AsyncExitStack() as stack:
        network = await stack.enter_async_context(
            PhoneNetwork(
                order.carrier, rest_port=order.rest_port, credentials=order.credentials, line=order.line
            )
        )
        served = None
        if order.serve is not None:
            served = _served(order, network, target.base)
            stack.push_async_callback(served.stop)
            await served.start()
            _say(order, f"server: {order.serve}   (output: {served.log})")
        # The server loads its models at the same time.
        if any(isinstance(item, Say) for item in script):
            network.speak = (await asyncio.to_thread(Voice)).speak
        if order.voice_report:
            network.transcribe = (await asyncio.to_thread(Ears)).transcribe
        colleagues = with_greetings(order.colleagues, in_words=network.speak is not None)
        prepared = await network.prepare(script)
        voice_url = None
        if served is not None:
            await _until_ready(order, served)
            if target.ours and not order.mode:
                voice_url = served.voice_address(order.carrier)
        if voice_url is not None and order.status_callback is None:
            order = replace(order, status_callback=f"{target.base}/{order.carrier}/status")
        return await _call(order, voice_url or order.url, network, prepared, colleagues)


async def _call(
    order: CallOrder,
    url: str,
    network: PhoneNetwork,
    script: Sequence[ScriptItem],
    colleagues: Sequence[Colleague],
) -> Report:
    live = LiveTranscript(lambda text: _say(order, text), network.transcribe)
    _say(order, f"calling {order.url} as {order.carrier}   (REST at {network.rest_url})\n")
    result = await network.call(
        url,
        script,
        from_number=order.from_number,
        to_number=order.to_number,
        codec=order.codec,
        parameters=order.parameters,
        status_callback=order.status_callback,
        noise_db=order.noise_db,
        manners=Manners(patience=order.patience),
        colleagues=colleagues,
        api_key=order.api_key or (order.credentials.api_key if order.serve is not None else None),
        recording=None if order.record is None else str(order.record),
        on_call=live.attach,
        on_server_event=live.server_event,
        mode=order.mode,
        method=order.method,
        fallback_url=order.fallback_url,
    )
    await live.finish()
    if order.record is not None:
        await asyncio.to_thread(write_stereo, order.record, [result.said], [result.heard])
        for number, one in enumerate(result.colleagues, start=1):
            path = order.record.with_stem(f"{order.record.stem}-colleague-{number}")
            if len(one.heard):
                await asyncio.to_thread(write_stereo, path, [one.said], [one.heard])
    if order.report is not None:
        await asyncio.to_thread(result.report.write, order.report)
    _say(order, f"\nWhat was said\n{turns_text(result.report)}")
    if result.colleagues:
        _say(order, f"\nWho was called\n{colleagues_text(result.colleagues)}")
    _say(order, f"\nWhat happened\n{timeline_text(result.timeline)}\n")
    print(summary_text(result.report), flush=True)
    return result.report


def _served(order: CallOrder, network: PhoneNetwork, base: str) -> ServedBot:
    assert order.serve is not None
    environment = network.environment() | variables(base, order.api_key or order.credentials.api_key)
    directory = order.record.parent if order.record is not None else Path("recordings")
    return ServedBot(order.serve, base, environment, order.server_log or directory / SERVER_LOG)


async def _until_ready(order: CallOrder, served: ServedBot) -> None:
    told = PROGRESS_SECS

    def tell(waited: float) -> None:
        nonlocal told
        if waited >= told:
            told += PROGRESS_SECS
            _say(order, f"server: starting, {waited:.0f} s so far")

    waited = await served.wait_until_ready(tell)
    _say(order, f"server: ready (waited {waited:.1f} s)")


def _say(order: CallOrder, text: str) -> None:
    if not order.quiet:
        print(text, flush=True)
