"""The pipeline of one session: transport -> STT -> LLM -> TTS -> transport, built for a call and run to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import ErrorFrame, Frame, LLMContextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext, LLMContextMessage
from pipecat.processors.aggregators.llm_response_universal import (
    LLMUserAggregatorParams,
    UserTurnMessageAddedMessage,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.transports.base_transport import BaseTransport
from pipecat.workers.runner import WorkerRunner

from calls.events.talk import CallerSaid
from calls.policy import country_of
from calls.transcript import Message, call_successes, to_context
from conversation import services
from conversation.agents.agent import Agent
from conversation.agents.needed_variables import check_secrets
from conversation.call_context import CallContext
from conversation.clock import keep_time
from conversation.dead_air.floor import BeforeModel, BeforeVoice
from conversation.dead_air.guard import DeadAir
from conversation.dead_air.rescue import Rescue
from conversation.dead_air.trouble import ServiceTrouble
from conversation.failover.build import is_local_next
from conversation.first_words import open_conversation, record_from_the_start
from conversation.heard.ahead import AskedAhead
from conversation.heard.context import HeardAssistantAggregator, HeardUserAggregator, InterruptionsUnderWay
from conversation.heard.marks import PlayedMarks, SpokenMarks
from conversation.hooks import Hooks
from conversation.local.brain import LocalBrain
from conversation.local.dictation import Dictated
from conversation.local.lone_words import margin_after, said_to
from conversation.local.models import local_models
from conversation.local.recognisers import LocalStackMissing
from conversation.local.retrieval import Retriever
from conversation.local.saying_ahead import SaysAhead
from conversation.local.speech import LocalMoonshineSTT
from conversation.measuring import Waits
from conversation.multilingual.changing import Conversation, languages_told
from conversation.multilingual.processors import AnswerLanguage, LanguageGate, LanguageHeard, LanguageKeys
from conversation.outbound.first_seconds import outbound_opening
from conversation.outbound.processors import Phase
from conversation.services.catalogue import LOCAL
from conversation.services.one_system import OneSystemMessage
from conversation.services.service import PHONE_HZ, WIDE_HZ
from conversation.session import SOCKET_CLOSED, Session
from conversation.speakable import Aloud
from conversation.speech import Around, Speech, build_speech
from conversation.system_message import SystemMessage, system_message
from conversation.tools.face import Face
from conversation.tools.held import unless
from conversation.tools.mcp_servers import learn_all_tools
from conversation.tools.offered import tools_schema, usable_tools
from conversation.tools.running import register_tools
from conversation.turns.detectors import PHONE_VAD, load_turn_models, shared_vad
from conversation.turns.ears import open_ear
from conversation.turns.holding import PhoneVoice
from conversation.turns.keypad import KEYPAD_PREFIX, Keypad
from conversation.turns.second_thoughts import SecondThoughts
from conversation.turns.strategies import (
    MuteWhilePromised,
    after_a_noise,
    limit_duration,
    turn_strategies,
)
from conversation.turns.words import TurnWords, turn_words
from conversation.voice.keys import KeysToModel
from conversation.voice.turns import TurnsOfWords
from serializers.transport import PhoneTransport
from settings import Settings

if TYPE_CHECKING:
    from conversation.flows.running import CallFlow

AUDIO_IN_HZ = WIDE_HZ
"""The rate of a caller's audio that comes over no phone line."""

AUDIO_OUT_HZ = 8000
"""A phone line carries 8 kHz; a higher rate would only be resampled again."""

KEYPAD_PAUSE_SECS = 1.5
"""A pause this long ends a row of keys that was not ended by `#`."""


USUALLY_SAID = (
    *("did_not_understand", "off_topic", "offer_message"),
    *("message_start", "message_name", "message_number_known", "message_number", "message_prompt"),
)
"""Lines of the local brain that are rendered at the start; the others are kept once they were said."""


async def warm_up(agent: Agent, settings: Settings) -> None:
    """Load what an agent's first call would otherwise wait for; models load in a thread, once per process.

    Args:
        agent: Its fixed lines are rendered ahead; those of a hosted voice while calls go on.
        settings: Decides which services are used.

    Raises:
        services.ServiceError: A key or a package is missing.
        AgentError: A variable that the agent's tools need is not set.
    """
    choice = services.resolve(agent, settings)
    services.check(choice, settings)
    check_secrets(agent)
    await learn_all_tools(agent, settings.agents_dir)
    _speak_ahead(choice, agent, settings)
    local = {kind for kind in choice.kinds if choice.of(kind).is_local or is_local_next(choice, kind)}
    if choice.voice is None:
        await asyncio.to_thread(load_turn_models)
    elif not local:
        return
    models = local_models()
    try:
        await models.ready(stt="stt" in local, tts="tts" in local, brain="llm" in local)
    except LocalStackMissing as error:
        raise services.ServiceError(str(error)) from None
    if "tts" in local:
        variables = agent.call_variables()
        say = aloud_for(agent, variables)
        await models.warm([await say(agent.render(agent.greeting, variables))], AUDIO_OUT_HZ)
        lines = [agent.lines.goodbye, *agent.lines.silence_prompts]
        if "llm" in local:
            await asyncio.to_thread(models.retriever, agent)
            fixed = {
                name: line for name, line in agent.brain.model_dump().items() if line and "{" not in line
            }
            models.keep([await say(agent.render(line, variables)) for line in fixed.values()])
            lines += [fixed[name] for name in USUALLY_SAID if name in fixed]
            lines += [agent.brain.anything_else, *(fact.answer for fact in agent.facts if fact.answer)]
            # What is filled in with a flow's state is not known yet.
            lines += [node.say for node in agent.flow.nodes.values() if node.say and "{" not in node.say]
        models.warm_later([await say(agent.render(line, variables)) for line in lines], AUDIO_OUT_HZ)


def _speak_ahead(choice: services.ServiceChoice, agent: Agent, settings: Settings) -> None:
    """Have a hosted voice speak what it says in every call; nothing waits for it, and no start fails with it."""
    if settings.voice_cache_mb and choice.says_lines and not choice.of("tts").is_local:
        alone = settings.model_copy(
            update={"preconnect": 0}
        )  # what is open in a loop of its own is of no use here
        say = aloud_for(agent, agent.call_variables())
        services.speak_ahead_later(agent, lambda: services.build_tts(choice, agent, alone), say, AUDIO_OUT_HZ)


def aloud_for(agent: Agent, variables: Mapping[str, Any]) -> Aloud:
    """What turns an agent's text into words for the voice; telephone numbers as in the country of our own number."""
    return Aloud(
        agent.pronounce, region=country_of(variables["called_number"]) or "US", language=agent.language
    )


def _flow_on(
    session: Session, face: Face, told: SystemMessage, offered: ToolsSchema, llm: LLMService[Any]
) -> CallFlow | None:
    """The agent's call flow as it goes on this call. Nobody who has none loads what flows need."""
    if session.agent.call_flow is None:
        return None
    from conversation.flows.running import CallFlow

    brain = llm if isinstance(llm, LocalBrain) else None
    flow = CallFlow(session, face, session.agent.call_flow, told, offered, keyless=brain is not None)
    if brain is not None:
        brain.follow(flow.place)
    return flow


def _restore(context: CallContext, history: Sequence[Message]) -> None:
    """Put the conversation of earlier sessions into a context, with where the bot was interrupted in it."""
    for number, message in enumerate(history, start=1):
        made = cast(list[LLMContextMessage], to_context([message], first=number))
        context.add_messages(made)
        if message.interrupted and made:
            context.was_cut(made[-1])


def _tell_what_is_expected(speech: Speech, session: Session) -> None:
    """Have the local recogniser know what callers of this agent say, alone and at all, and what they were asked for."""

    def nearness(texts: Sequence[str]) -> Sequence[float]:
        retriever: Retriever = local_models().retriever(session.agent)
        return retriever.nearness(texts)

    knows = isinstance(speech.llm, LocalBrain)
    for ear in speech.ears:
        if isinstance(ear, LocalMoonshineSTT):
            words, known = said_to(session.agent), turn_words(session.agent.language)

            def margin(known: TurnWords = known) -> float:
                said = session.playout.said_lately
                return margin_after(said, known.asks_for_dictation(said))

            def asked(known: TurnWords = known) -> Dictated | None:
                said = session.playout.said_lately
                if known.asks_for_letters(said):
                    return Dictated.LETTERS
                return Dictated.NUMBER if known.asks_for_number(said) else None

            ear.listen_for(words, margin, asked, nearness if knows else None)


def _dictates(session: Session) -> bool:
    """Whether the caller was asked for what may be a row of keys."""
    return turn_words(session.agent.language).asks_for_dictation(session.playout.said_lately)


def _wants_wide(speech: Speech, of_hooks: bool, choice: services.ServiceChoice) -> bool:
    """Whether a recogniser wants more than the rate of a phone line. An owner's class may say it itself."""
    known = WIDE_HZ if of_hooks else max(service.hears_hz for service in choice.each("stt"))
    return bool(getattr(speech.ears[0], "hears_hz", known) > PHONE_HZ)


async def run_session(
    session: Session,
    transport: BaseTransport,
    settings: Settings,
    *,
    carrier_marks: bool,
    handle_sigint: bool = False,
) -> None:
    """Talk until the call, or this session to it, is over.

    Args:
        session: The session.
        transport: A phone's, a browser's or an eval's.
        settings: Keys and choices for the services.
        carrier_marks: True for a carrier's media socket, which returns marks itself. Others get RTVI instead.
        handle_sigint: Whether Ctrl-C ends the session (only where the session is the whole process).
    """
    agent = session.agent
    face = Face(session)
    hooks = Hooks(session, face)
    own = await hooks.services()
    choice = services.resolve(agent, settings)
    say = aloud_for(agent, session.variables)

    async def tell(frame: Frame) -> None:
        await before_model.tell(frame)

    async def interrupt(frame: Frame) -> None:
        await before_model.interrupt(frame)

    async def begin(message: str) -> None:
        context.add_message({"role": "developer", "content": message})
        await tell(LLMContextFrame(context))

    def keys_said(keys: str) -> bool:
        rescue.caller_said(keys)
        return opening is None or opening.takes(LLMContext([{"role": "user", "content": keys}]))

    def is_closed() -> bool:
        return session.ending or session.aside or rescue.has_the_word

    def is_shut() -> bool:
        return is_closed() and not speech.is_saying_a_line

    def opens() -> bool:
        return opening is not None and opening.has_the_word

    def may_open() -> bool:
        return opening is not None and opening.phase is not Phase.OVER

    def may_be_asked_ahead() -> bool:
        # What stands before the model decides on each request, or notes it, and some of these are never answered.
        return not (is_shut() or may_open() or at["before_llm"])

    def is_deaf() -> bool:
        return session.deaf or (opening is not None and opening.is_deaf)

    def told_now() -> SystemMessage:
        spoken = session.tongue.spoken if session.tongue is not None else ()
        now_in = session.agent
        return system_message(
            now_in, session.variables, list(tools), languages=languages_told(now_in, spoken)
        )

    around = Around(
        tell,
        begin,
        is_silent=lambda: is_closed() or opens(),
        keys=lambda llm: KeysToModel(llm, session, KEYPAD_PREFIX, interrupt, keys_said, is_deaf),
    )

    def failed_over(*what: Any) -> None:
        trouble.failed_over(*what)

    speech = build_speech(choice, own, session, settings, say, around, failed_over)
    llm = face.llm = speech.llm
    _tell_what_is_expected(speech, session)
    if isinstance(llm, LocalBrain) and choice.tts == LOCAL and speech.tts is not None and "tts" not in own:
        llm.say_ahead(SaysAhead(local_models(), say, AUDIO_OUT_HZ))
    conversation = None
    if agent.languages:
        conversation = session.tongue = Conversation(
            session, choice, settings, speech.kinds, own, say, speech.words, lambda: str(told_now())
        )
    tools = usable_tools(agent, face)
    register_tools(llm, unless(opens, tools) if speech.model_hears else tools, session, face)

    opening = outbound_opening(session, None if speech.model_hears or isinstance(llm, LocalBrain) else llm)
    ahead: set[str] = set()
    if opening is not None and choice.tts == LOCAL and speech.tts is not None and "tts" not in own:
        # A whole message takes the local voice seconds; the box records from its beep on.
        ahead = local_models().warm_later([await say(words) for words in opening.words()], AUDIO_OUT_HZ)

    told, offered = told_now(), tools_schema(tools.values(), face)
    flow = _flow_on(session, face, told, offered, llm)
    context = CallContext(
        # A flow gives the model its instructions besides, as a node may begin the conversation anew.
        messages=[{"role": "system", "content": str(told)}] if flow is None else [],
        tools=offered,
    )
    _restore(context, session.history)
    session.succeeded.update(call_successes(session.history))
    speech.begin_with(context, agent.language)
    if conversation is not None:
        conversation.context = context
    interruptions = InterruptionsUnderWay()
    thoughts = SecondThoughts(lambda: turn_words(session.agent.language))
    if not speech.model_hears:  # which cannot be asked words that it has heard before
        session.second_thoughts = thoughts
    in_hz, has_ear = AUDIO_IN_HZ, False
    if isinstance(transport, PhoneTransport) and not speech.model_hears:
        has_ear = True
        if transport.heard_hz <= PHONE_HZ and not _wants_wide(speech, "stt" in own, choice):
            in_hz = PHONE_HZ
        # The beep of a box is timed to 20 ms: as long as one may come, nothing is gathered.
        transport.listen(
            open_ear(PHONE_VAD),
            at_once=lambda: opening is not None and opening.beeps.listening,
            though_muted=lambda: thoughts.listening,
        )
    user = HeardUserAggregator(
        context,
        interruptions,
        LLMUserAggregatorParams(
            # A model that hears by itself says when turns begin and end, and Pipecat follows it.
            vad_analyzer=None if has_ear or speech.model_hears else shared_vad(params=PHONE_VAD),
            user_turn_strategies=None
            if speech.model_hears
            else turn_strategies(
                session,
                bot_begins=opening is None,
                understands=llm.understands if isinstance(llm, LocalBrain) else None,
                voice=PhoneVoice(transport, session.playout, undone=session.interruption_undone)
                if isinstance(transport, PhoneTransport)
                else None,
            ),
            empty_user_turn=after_a_noise(),
            user_mute_strategies=[MuteWhilePromised(session), *([opening.mute] if opening else [])],
        ),
        # The local brain joins turns by itself, and counts them.
        joins=not (speech.model_hears or isinstance(llm, LocalBrain)),
        over_goodbye=thoughts.hear,
        ahead=AskedAhead(may_be_asked_ahead, lambda: before_voice.may_ask())
        if settings.ask_ahead and conversation is None and isinstance(llm, OneSystemMessage)
        else None,
    )
    assistant = HeardAssistantAggregator(
        context, session.playout, interruptions, user if speech.model_hears else None
    )

    dead_air = DeadAir(agent.dead_air, session.playout, first_audio_secs=settings.first_audio_secs)
    rescue = Rescue(
        session,
        dead_air,
        others_turn=opens,
        write_down=user.push_aggregation if speech.model_hears else None,
        fail_over=speech.fail_over if speech.switches else None,
    )
    session.floor = rescue
    session.line = marks = SpokenMarks(session, interruptions, dead_air)

    line_of_model = speech.line_of_model if speech.model_hears else None
    before_voice = BeforeVoice(dead_air, is_shut, marks.is_own, speech.hush, line_of_model)
    session.mouth = before_voice
    before_model = BeforeModel(dead_air, before_voice, model_hears=speech.model_hears, is_held=opens)
    if speech.model_hears:
        session.mind = before_model

    at = await hooks.processors()
    processors: list[FrameProcessor] = [
        transport.input(),
        *([opening.beeps] if opening else []),
        Keypad(
            timeout=KEYPAD_PAUSE_SECS,
            prefix=KEYPAD_PREFIX,
            is_whole=lambda key: key in agent.menu and not _dictates(session),
        ),
        *([LanguageKeys(conversation, KEYPAD_PREFIX)] if conversation and not opening else []),
        *at["before_stt"],
        *speech.ears,
        *at["after_stt"],
        *([LanguageHeard(conversation)] if conversation else []),
        *([opening.listener] if opening and not speech.model_hears else []),
        *([flow.offers] if flow else []),
        user,
        # The words that a model hears come from it, up the pipeline.
        *([opening.listener, TurnsOfWords(may_open)] if opening and speech.model_hears else []),
        *([opening.gate] if opening else []),
        *([LanguageGate(conversation, KEYPAD_PREFIX)] if conversation and not speech.model_hears else []),
        *at["before_llm"],
        before_model,
        llm,
        *at["after_llm"],
        speech.words,
        *([AnswerLanguage(conversation)] if conversation and not speech.model_hears else []),
        before_voice,
        *at["before_tts"],
        *speech.voice,
        *at["after_tts"],
        marks,
        transport.output(),
    ]
    if not carrier_marks:
        processors.append(PlayedMarks(session))
    processors.append(assistant)

    worker = PipelineWorker(
        Pipeline(processors),
        params=PipelineParams(audio_in_sample_rate=in_hz, audio_out_sample_rate=AUDIO_OUT_HZ),
        # RTVI and turn tracking cost a third of a call's processor time, and no client on a phone line reads them.
        enable_rtvi=not carrier_marks,
        enable_turn_tracking=False,
        # The silent caller and the longest duration are our own business, with words instead of a dropped line.
        idle_timeout_secs=None,
        app_resources=face,
    )
    session.worker = worker
    if flow is not None:
        flow.join(worker, llm, user, assistant, transport)

    not_understood = (agent.brain.did_not_understand, agent.brain.say_it_differently, agent.brain.help)
    waits = Waits(
        session,
        [session.render(line) for line in not_understood] if isinstance(llm, LocalBrain) else (),
        transport if isinstance(transport, PhoneTransport) else None,
    )
    ear = llm if speech.model_hears else speech.ears[0]
    waits.follow(user, llm, speech.tts, model_hears=speech.model_hears, ear=ear)

    hosts: dict[str, str] = {kind: choice.of(kind).host(settings) for kind in choice.kinds}
    trouble = ServiceTrouble(session, speech.kinds, hosts, dead_air, rescue)
    tasks: list[asyncio.Task[None]] = []

    if speech.tts is not None:

        @speech.tts.event_handler("on_tts_request")
        async def on_tts_request(_tts: Any, _context_id: str, _text: str) -> None:
            dead_air.voice_was_asked()

    if speech.model_hears:

        @user.event_handler("on_user_turn_message_added")
        async def on_user_turn_message_added(_aggregator: Any, message: UserTurnMessageAddedMessage) -> None:
            session.record(CallerSaid(text=message.content))
            rescue.caller_said(message.content)

    @user.event_handler("on_user_turn_stopped")
    async def on_user_turn_stopped(_aggregator: Any, _strategy: Any, message: UserTurnStoppedMessage) -> None:
        if speech.model_hears:
            return  # what was said is known later
        if message.content:
            session.record(CallerSaid(text=message.content))
        rescue.caller_said(message.content or "")

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: Any, _client: Any) -> None:
        tasks.extend(
            asyncio.create_task(work)
            for work in (
                limit_duration(session),
                record_from_the_start(session),
                rescue.watch(),
                keep_time(session, tells=not isinstance(llm, LocalBrain)),
            )
        )
        await waits.begin(user)
        await hooks.begin()
        if flow is not None:
            await flow.begin()
        await (opening.begin() if opening else open_conversation(session))

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: Any, _client: Any) -> None:
        session.detached(SOCKET_CLOSED)
        await worker.cancel(reason="the media socket is gone")

    @worker.event_handler("on_pipeline_error")
    async def on_pipeline_error(_worker: Any, frame: ErrorFrame) -> None:
        await trouble.take(frame)

    runner = WorkerRunner(handle_sigint=handle_sigint)
    await runner.add_workers(worker)
    try:
        await runner.run()
    finally:
        for task in tasks:
            task.cancel()
        session.detached("pipeline ended")
        waits.end()
        await rescue.close()
        await hooks.close()
        await session.settle()
        await face.close()
        if opening is not None:
            await opening.close()
        if flow is not None:
            await flow.close()
        if ahead:
            local_models().forget(ahead)
