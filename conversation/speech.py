"""What hears, answers and speaks in a pipeline: three services, or one of speech to speech in their place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.tts_service import TTSService

from conversation import services
from conversation.dead_air.causes import Cause
from conversation.dead_air.floor import Line
from conversation.dead_air.rescue import FailOver
from conversation.failover import build
from conversation.failover.ears import Ears
from conversation.failover.models import Models
from conversation.failover.switching import FailedOver, Switch
from conversation.failover.voices import Voices
from conversation.local.brain import LocalBrain
from conversation.local.speech import LocalPiperTTS
from conversation.services.service import Kind
from conversation.session import Session
from conversation.speakable import Aloud, SpeakableText
from conversation.voice.beginning import BegunBefore
from conversation.voice.lines import ModelsLines, Tell
from conversation.voice.own_voice import OwnVoice
from conversation.voice.sentences import WholeSentences
from settings import Settings


@dataclass(frozen=True)
class Speech:
    """The services of a session, and where they stand in its pipeline.

    Parameters:
        llm: Who answers, and of whom the tools are.
        ears: What stands between the line and the caller's turns.
        words: What makes of a model's words those that the voice gets.
        voice: What the bot's own lines are given to, and what belongs around it.
        tts: The voice, where it is a service of its own.
        kinds: What each service is, for its errors.
        model_hears: Whether the model takes the caller's sound and keeps the turns itself.
    """

    llm: Any
    ears: tuple[FrameProcessor, ...]
    words: FrameProcessor
    voice: tuple[FrameProcessor, ...]
    tts: TTSService | Voices | None
    kinds: Mapping[FrameProcessor, Kind]
    model_hears: bool

    @property
    def is_saying_a_line(self) -> bool:
        """Whether the model is heard though it is not to be heard any more: it says a line of ours."""
        return any(isinstance(part, ModelsLines) and part.saying for part in self.voice)

    def line_of_model(self) -> Line | None:
        """Which line of ours the model says now, if it does."""
        return next((part.line for part in self.voice if isinstance(part, ModelsLines)), None)

    def begin_with(self, context: LLMContext, language: str) -> None:
        """Tell a model that hears by itself what its session begins with.

        Pipecat tells some of them what it has to say of tools that go on beside the talk, and then leaves out what a
        context says of the agent. Source: `LLMService._compose_system_instruction`, and `discard_context_system` in the
        adapters of such services.
        """
        if isinstance(self.llm, BegunBefore):
            self.llm.begin_with(context, language)
        elif self.model_hears:
            for message in context.get_messages():
                if isinstance(message, dict) and message["role"] == "system":
                    self.llm.append_system_instruction(str(message["content"]))

    @property
    def switches(self) -> list[Switch]:
        """Those of its services that have others behind them."""
        return [one for one in (*self.ears, self.llm, self.tts) if isinstance(one, Switch)]

    async def fail_over(self, cause: Cause) -> FailOver:
        """Have another service go on for the one at fault, if one is there."""
        for switch in self.switches:
            if isinstance(switch, Ears):
                if cause.is_recogniser:
                    return FailOver.GOES_ON if await switch.ask_another() else FailOver.NONE_LEFT
            elif isinstance(switch, Models):
                if cause in (Cause.MODEL_STALLED, Cause.MODEL_SILENT, Cause.MODEL_FAILED):
                    is_asked = switch.is_asked
                    if switch.next_fit() is not None and await switch.move_on(
                        "silent" if cause is Cause.MODEL_SILENT else "stalled"
                    ):
                        return FailOver.GOES_ON if is_asked else FailOver.ASK_IT
            elif cause.is_voice and switch.next_fit() is not None and await switch.move_on("stalled"):
                return FailOver.GOES_ON
        return FailOver.NONE_LEFT

    async def hush(self) -> None:
        """Have the voice wait no longer for the sound of what it was given."""
        if self.tts is not None:
            for context_id in self.tts.get_audio_contexts():
                await self.tts.remove_audio_context(context_id)


@dataclass(frozen=True)
class Around:
    """What the rest of a pipeline does for a model that hears by itself.

    Parameters:
        tell: Hands it a frame.
        begin: Sets its session up, with a message for it.
        is_silent: Whether it is not to be heard now, but for lines of ours.
        keys: Makes what hands keys to it.
    """

    tell: Tell
    begin: Callable[[str], Awaitable[None]]
    is_silent: Callable[[], bool]
    keys: Callable[[LLMService[Any]], FrameProcessor]


def build_speech(
    choice: services.ServiceChoice,
    own: Mapping[str, Any],
    session: Session,
    settings: Settings,
    say: Aloud,
    around: Around,
    failed_over: FailedOver,
) -> Speech:
    """Build the services that an agent has chosen.

    Args:
        choice: Its services.
        own: Service objects of the agent's own code by kind, in place of the named ones.
        session: The session.
        settings: Keys and time-outs.
        say: Makes of an agent's text what a voice speaks.
        around: What a model needs that hears by itself.
        failed_over: Told when one service of a list goes on for another.

    Raises:
        services.ServiceError: See `services.check()`.
    """
    agent = session.agent
    if choice.voice is None:
        listed = build.Lists(choice, settings, failed_over, lambda: session.agent)
        stt = own.get("stt") or listed.ears() or services.build_stt(choice, agent, settings)
        tts = own.get("tts") or listed.voices(say)
        if tts is None:
            tts = services.build_tts(choice, agent, settings)
        if not isinstance(tts, Voices):
            tts.add_text_transformer(say)
        llm = (
            own.get("llm")
            or listed.models(session.variables, session.succeeded)
            or services.build_llm(
                choice, agent, settings, variables=session.variables, succeeded=session.succeeded
            )
        )
        # What the local brain says is rendered before it is asked for, sentence by sentence.
        renders = isinstance(tts, LocalPiperTTS) and not isinstance(llm, LocalBrain)
        words = SpeakableText(agent.language, first_clause=renders)
        kinds: dict[FrameProcessor, Kind] = {stt: "stt", llm: "llm", tts: "tts"}
        for one in (stt, llm, tts):
            if isinstance(one, Switch):
                kinds |= {place: one.kind for place in one.services}
        return Speech(llm, (stt,), words, (tts,), tts, kinds, model_hears=False)
    llm = own.get("voice") or services.build_voice(choice, agent, settings)
    ears = (around.keys(llm),)
    if choice.has_own_tts or "tts" in own:
        tts = own.get("tts") or services.build_tts(choice, agent, settings)
        tts.add_text_transformer(say)
        sentences = WholeSentences(around.is_silent)

        async def begin(message: str) -> None:
            sentences.leave_out_next()
            await around.begin(message)

        before = OwnVoice(around.tell, None if isinstance(llm, BegunBefore) else begin)
        voice = (before, tts, before.behind)
        return Speech(llm, ears, sentences, voice, tts, {llm: "voice", tts: "tts"}, model_hears=True)
    lines = ModelsLines(around.tell)
    sentences = WholeSentences(lambda: around.is_silent() and not lines.saying, lambda: lines.keeps)
    return Speech(llm, ears, sentences, (lines,), None, {llm: "voice"}, model_hears=True)
