"""One session of one call: the bot's entry point, everywhere.

`async def bot(runner_args)` is called by Pipecat Cloud's base image, by Pipecat's development runner
(`python bot.py -t twilio -x HOST`, `-t telnyx`, WebRTC, evals) and by our own server, each with a connection that was
just opened. The cloud's image has no `server.py`: nothing that a call needs may come from `web/`.
"""

from __future__ import annotations

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

# Before numpy, whose native library reads its number of threads when it is imported
from calls.events.talk import Attached
from settings import Settings, SettingsError, load_settings, misspelt, read_given

# isort: split
import argparse
import asyncio
import importlib.util
import sys
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from loguru import logger
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams

from calls.call import Call
from calls.carried import Carried, read_carried
from calls.cloud_media import cloud_media_of
from calls.colleague import PRIVATE_PARAMETERS, Colleague
from calls.control import CallControl
from calls.database.call_database import DatabaseUnusable
from calls.do_not_call import DoNotCall
from calls.store import CallStore, default_store
from calls.transcript import heard_messages
from calls.transfer import Resume
from calls.way_back import WayBack, without_webhooks
from carriers import carrier_for, descriptor_of, descriptors
from carriers.carrier import Carrier, Direction
from carriers.cloud import CloudError
from conversation.agents.agent import Agent
from conversation.agents.contradictions import contradictions
from conversation.agents.errors import AgentError
from conversation.agents.files import choose_agent, names_agent
from conversation.agents.numbers import agent_of_number, any_bound
from conversation.agents.on_call import agent_on
from conversation.agents.owner import named_variables
from conversation.agents.speaking import said_in_english
from conversation.attached import hear_of_the_end, stream_began, stream_ended
from conversation.briefing import run_briefing
from conversation.hooks import hooks_are_done
from conversation.leftovers import leave_out_what_is_loaded
from conversation.lookup import Found, learn_numbers, who_calls
from conversation.overhearing import may_be_overheard
from conversation.pipeline import run_session, warm_up
from conversation.private_log import WORDS_ARE_LOGGED, keep_words_out, log_from
from conversation.services import ServiceError, beyond_the_brain, beyond_the_local_stack
from conversation.session import Session
from conversation.telling import Telling
from conversation.turnstile import begin_in_turn
from serializers import SerializerOptions, UnsupportedEncoding, serializer_for
from serializers.handshake import NotACarrierStream, read_stream_start
from serializers.start import HandshakeError, StreamStart
from serializers.transport import PhoneTransport

USAGE_ERROR = 2
"""Exit status when the configuration is at fault."""

POLICY_VIOLATION = 1008
"""WebSocket close code for a peer that does not speak the protocol (RFC 6455, section 7.4.1)."""


async def bot(runner_args: Any) -> None:
    """Answer one connection and talk until it is over. An error goes no further than our log.

    Pipecat Cloud's base application would only log the error's text, which may hold what a caller said, without where
    it happened. So the error stays here, and a line of our own reports it.

    Args:
        runner_args: See `session`.
    """
    try:
        await session(runner_args)
    except (SettingsError, AgentError, ServiceError) as error:
        logger.error(f"the session cannot be: {error}")
    except Exception as error:
        logger.opt(exception=error).error("the session has failed")


async def session(runner_args: Any) -> None:
    """Answer one connection and talk until it is over.

    Args:
        runner_args: What the host opened: `websocket` (a carrier's media stream or an eval harness) or
            `webrtc_connection`, and `body`, the host's own data about the session. The argument classes of Pipecat
            and of Pipecat Cloud differ; only these attributes are used.
    """
    settings = load_settings()
    keep_words_out(words_allowed=settings.log_callers_words)
    body = runner_args.body if isinstance(runner_args.body, dict) else {}
    websocket = getattr(runner_args, "websocket", None)
    if websocket is None and getattr(runner_args, "webrtc_connection", None) is None:
        logger.error(
            f"nobody can be heard in a session of {type(runner_args).__name__}: this bot talks over a carrier's media "
            "stream (the host's /ws) or a browser's WebRTC connection; start no Daily room and no bare session for it"
        )
        return
    if websocket is None:
        await _talk_without_a_phone(_webrtc_transport(runner_args), "webrtc", runner_args, body, settings)
        return
    try:
        start = await read_stream_start(websocket, body=body)
        encoding = descriptor_of(start.carrier).stream_encoding(settings)
        serializer = serializer_for(
            start,
            options=SerializerOptions(
                outbound_encoding=encoding.outbound,
                l16_enabled=encoding.outbound == "L16",
                l16_byte_order=encoding.l16_byte_order,
            ),
        )
    except NotACarrierStream as other:
        transport = _eval_transport(websocket, other.first_message)
        if transport is not None:
            await _talk_without_a_phone(transport, "eval", runner_args, body, settings)
            return
        await _refuse(websocket, other)
    except (HandshakeError, UnsupportedEncoding) as error:
        await _refuse(websocket, error)
    else:
        await _talk_on_the_phone(websocket, start, serializer, runner_args, settings)


async def _refuse(websocket: Any, error: Exception) -> None:
    logger.warning(f"media socket refused: {error}")
    await websocket.close(POLICY_VIOLATION)


async def _talk_on_the_phone(
    websocket: Any, start: StreamStart, serializer: Any, runner_args: Any, settings: Settings
) -> None:
    await begin_in_turn()
    carried = read_carried(start.parameters, settings.shared_secret, start.call_id)
    store = _store(settings)
    server = getattr(runner_args, "way_back", None)
    telling = Telling(store, settings) if server is None else None
    told = runner_args.body if isinstance(runner_args.body, dict) else {}
    call = await _call_of(start, carried, store, told.get("call_id"))
    carrier = carrier_for(start.carrier, settings, call.mode)
    named = (call.agent, start.parameters.get("agent"), start.agent)
    asked_secs = 0.0
    if call.to_number is None and not names_agent(settings, *named) and any_bound(settings.agents_dir):
        asked_secs = await learn_numbers(call, carrier, settings)
    agent = choose_agent(settings, *named, _agent_of_number(call, settings))
    call.agent = call.agent or agent.name
    if Colleague.of(call) is None:
        agent = agent_on(agent, call)
    if carrier is None:
        logger.warning(
            f"call {call.id}: no credentials for its carrier, so a hang-up only closes the media socket"
        )
    way_back = server or _way_back(start, settings)
    colleague = Colleague.of(call)
    found = Found() if colleague else await who_calls(call, carrier, settings, asked_secs=asked_secs)
    session = _session(
        call, agent, settings, carrier, way_back, resume=call.take_return(), looked_up=found.variables
    )
    found.when_late(lambda late: session.variables.update(_variables(call, agent, late)))
    transport = PhoneTransport(
        websocket,
        serializer,
        # No silence is needed after the goodbye: its mark says when it was heard.
        FastAPIWebsocketParams(audio_out_end_silence_secs=0),
        on_mark_sent=session.playout.sent,
        may_speak=lambda: not session.aside,
    )
    session.record(Attached(stream_id=start.stream_id))
    try:
        if colleague is not None:
            stream_began(call)
            await run_briefing(session, colleague, transport, settings)
        else:
            session.history = tuple(heard_messages(call.events))
            may_be_overheard(session, serializer)
            await _run(session, transport, runner_args, settings, carrier_marks=True)
    finally:
        # The carrier reports that a call is over, asks what is next when a stream was lost, or can be asked.
        # Without credentials and a server it can do none of these; with a server but no credentials, perhaps not.
        stream_ended(session, told=carrier is not None or (server is not None and not serializer.stopped))
        if server is None:
            await hear_of_the_end(session)
            await hooks_are_done(call)
        if serializer.ignored:
            logger.warning(f"call {call.id}: messages that were ignored: {dict(serializer.ignored)}")
        await store.flush()
        if telling is not None:
            await telling.finish(call)
        if carrier is not None:
            await carrier.aclose()


def _store(settings: Settings) -> CallStore:
    """Where calls are remembered. A database that cannot be used is found at start; a call goes on without it."""
    try:
        return default_store(settings.calls_database)
    except DatabaseUnusable as error:
        logger.error(f"calls are kept in memory only: {error}")
        return default_store()


async def _call_of(start: StreamStart, carried: Carried | None, store: CallStore, told: object) -> Call:
    """The call that a media stream belongs to: known here, known to the store, brought along, or new."""
    # Only what we signed or stored ourselves, or the host says, can name a call, or a colleague of a caller.
    parameters = {name: value for name, value in start.parameters.items() if name not in PRIVATE_PARAMETERS}
    call_id = told or (carried.call_id if carried else None)
    call_id = call_id if isinstance(call_id, str) else None
    if await store.restore(start.carrier, start.call_id) is None and call_id is not None:
        await store.fetch(call_id)
    call = store.open(
        carrier=start.carrier,
        carrier_call_id=start.call_id,
        call_id=call_id,
        direction=carried.direction if carried else "inbound",
        from_number=start.from_number,
        to_number=start.to_number,
        agent=carried.agent if carried else None,
        parameters={**parameters, **(carried.parameters if carried else {})},
    )
    if carried is not None:
        carried.restore(call)
    return call


def _agent_of_number(call: Call, settings: Settings) -> str | None:
    """The agent that the number is bound to which was called; none for a call that we made."""
    if call.direction is Direction.OUTBOUND:
        return None
    return agent_of_number(call.to_number, settings.agents_dir)


def _way_back(start: StreamStart, settings: Settings) -> WayBack | None:
    """How a caller comes back to a bot without a server of ours beside it; None without its address or a secret."""
    try:
        return without_webhooks(
            start.carrier,
            secret=settings.shared_secret,
            cloud_agent=settings.pipecat_cloud_agent or start.service_host,
            cloud_region=settings.pipecat_cloud_region,
            cloud_media=cloud_media_of(settings),
            public_url=settings.public_url,
        )
    except CloudError as error:
        logger.warning(f"callers cannot come back from a transfer: {error}")
        return None


async def _talk_without_a_phone(
    transport: BaseTransport, kind: str, runner_args: Any, body: dict[str, Any], settings: Settings
) -> None:
    """Talk over a connection that is no carrier's: a browser's, or an eval harness's."""
    agent = choose_agent(settings, body.get("agent"))
    store = _store(settings)
    telling = Telling(store, settings) if getattr(runner_args, "way_back", None) is None else None
    call = store.open(
        carrier=kind,
        carrier_call_id=str(runner_args.session_id or uuid.uuid4()),
        direction="inbound",
        agent=agent.name,
        parameters=body,
    )
    session = _session(call, agent, settings, None)
    session.record(Attached(stream_id=kind))
    try:
        await _run(session, transport, runner_args, settings, carrier_marks=False)
    finally:
        stream_ended(session, told=False)
        if telling is not None:
            await telling.finish(call)


def _session(
    call: Call,
    agent: Agent,
    settings: Settings,
    carrier: Carrier | None,
    way_back: WayBack | None = None,
    *,
    resume: Resume | None = None,
    looked_up: Mapping[str, Any] | None = None,
) -> Session:
    store = _store(settings)
    return Session(
        call=call,
        store=store,
        control=CallControl(
            call, carrier, store, way_back=way_back, do_not_call=DoNotCall(settings.dial_do_not_call)
        ),
        agent=agent,
        variables=_variables(call, agent, looked_up),
        data_dir=settings.data_dir,
        resume=resume,
        hang_up_pause_secs=settings.hang_up_pause_secs,
    )


def _variables(call: Call, agent: Agent, looked_up: Mapping[str, Any] | None) -> dict[str, Any]:
    inbound = call.direction is Direction.INBOUND
    return agent.call_variables(
        call.parameters,
        looked_up=looked_up,
        direction=call.direction.value,
        caller_number=call.from_number if inbound else call.to_number,
        called_number=call.to_number if inbound else call.from_number,
    )


async def _run(
    session: Session,
    transport: BaseTransport,
    runner_args: Any,
    settings: Settings,
    *,
    carrier_marks: bool,
) -> None:
    call = session.call
    stream_began(call)
    logger.info(f"call {call.id}: attached, agent {session.agent.name}")
    await run_session(
        session,
        transport,
        settings,
        carrier_marks=carrier_marks,
        handle_sigint=getattr(runner_args, "handle_sigint", False),
    )


def _webrtc_transport(runner_args: Any) -> BaseTransport:
    from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport

    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    return SmallWebRTCTransport(webrtc_connection=runner_args.webrtc_connection, params=params)


def _eval_transport(websocket: Any, first_message: dict[str, Any]) -> BaseTransport | None:
    """Pipecat's eval harness names itself in its first message; its flags are in it."""
    from pipecat.evals.fastapi_transport import EvalFastAPIWebsocketTransport
    from pipecat.evals.serializer import EvalSerializer, parse_eval_connect
    from pipecat.evals.transport import EvalTransportParams

    flags = parse_eval_connect(first_message)
    if flags is None:
        return None
    params = EvalTransportParams(audio_in_enabled=True, audio_out_enabled=True, serializer=EvalSerializer())
    return EvalFastAPIWebsocketTransport(websocket, params, flags)


async def prepare() -> None:
    """Load what the first call would otherwise wait for: models, services, the carriers' SDKs.

    What only looks wrong, a misspelt variable or a promise of the agent's that it cannot keep, is a warning in the log.

    Raises:
        SettingsError: A variable cannot be used.
        AgentError: The configured agent cannot be loaded.
        ServiceError: A key or a package is missing.
    """
    settings = load_settings()
    agent = choose_agent(settings)
    given = read_given().without(named_variables(settings))
    beyond = (
        *beyond_the_brain(agent, settings),
        *beyond_the_local_stack(agent, settings),
        *said_in_english(agent),
    )
    for line in (*misspelt(given), *contradictions(agent), *beyond):
        logger.warning(line)
    await warm_up(agent, settings)
    for one in descriptors():
        if carrier := carrier_for(one.name, settings, one.dialling_mode(settings)):
            await carrier.prepare()


class _WarmUp:
    """Prepares once, in a thread, for hosts that ask `readyz`."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._outcome: dict[str, Any] = {"ready": False, "reason": "loading"}

    def state(self) -> dict[str, Any]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._load, name="warm-up", daemon=True)
            self._thread.start()
        return self._outcome

    def _load(self) -> None:
        try:
            settings = load_settings()
            keep_words_out(words_allowed=settings.log_callers_words)
            if settings.log_callers_words:
                logger.warning(WORDS_ARE_LOGGED)
            asyncio.run(prepare())
            leave_out_what_is_loaded()
            self._outcome = {"ready": True}
        except (SettingsError, AgentError, ServiceError) as error:
            logger.error(f"not ready: {error}")
            self._outcome = {"ready": False, "reason": str(error)}


_warm_up = _WarmUp()


def readyz() -> dict[str, Any]:
    """Whether a call would be answered at once; Pipecat Cloud's base image asks before it sends one.

    Source: daily-co/pipecat-cloud-images, pipecat-base/app.py (`readyz` of the bot's module).
    """
    return _warm_up.state()


class _Preparing(argparse.ArgumentParser):
    """Loads the models when the command line is understood: neither for `--help` nor for a flag that does not exist."""

    def parse_args(self, *arguments: Any, **options: Any) -> Any:
        """What the base class does, and then what the first call would wait for."""
        parsed = super().parse_args(*arguments, **options)
        if parsed.transport in (None, "webrtc") and importlib.util.find_spec("aiortc") is None:
            advice = "no browser can call without aiortc: `make setup EXTRAS=webrtc` brings it"
            if parsed.transport:
                self.error(advice)
            print(advice)
        try:
            settings = load_settings()
            keep_words_out(words_allowed=settings.log_callers_words)
            log_from(settings.log_level)
            if settings.log_callers_words:
                print(WORDS_ARE_LOGGED)
            asyncio.run(prepare())
            leave_out_what_is_loaded()
        except (SettingsError, AgentError, ServiceError) as error:
            print(error, file=sys.stderr)
            sys.exit(USAGE_ERROR)
        return parsed


def main() -> None:
    """Run under Pipecat's development runner; its flags are shown by `python bot.py --help`."""
    from pipecat.runner.run import main as run_development_runner

    run_development_runner(_Preparing(description="Answer calls under Pipecat's development runner."))


if __name__ == "__main__":
    main()
