"""What hears, answers and speaks in a pipeline: three services, or one of speech to speech in their place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.services.tts_service import TTSService

from conversation import services
from conversation.services.service import Kind
from conversation.session import Session
from conversation.speakable import Aloud, SpeakableText
from conversation.voice.lines import ModelsLines, Tell, WholeSentences
from settings import Settings


@dataclass(frozen=True)
class Speech:
    """The services of a session, and where they stand in its pipeline.

    Parameters:
        llm: Who answers, and of whom the tools are.
        ears: What stands between the line and the caller's turns.
        words: What makes of a model's words those that the voice gets.
        voice: What the bot's own lines are given to.
        tts: The voice, where it is a service of its own.
        kinds: What each service is, for its errors.
        model_hears: Whether the model takes the caller's sound and keeps the turns itself.
    """

    llm: LLMService
    ears: tuple[FrameProcessor, ...]
    words: FrameProcessor
    voice: FrameProcessor
    tts: TTSService | None
    kinds: dict[FrameProcessor, Kind]
    model_hears: bool

    @property
    def is_saying_a_line(self) -> bool:
        """Whether the model is heard though it is not to be heard any more: it says a line of ours."""
        return isinstance(self.voice, ModelsLines) and self.voice.saying

    async def hush(self) -> None:
        """Have the voice wait no longer for the sound of what it was given."""
        if self.tts is not None:
            for context_id in self.tts.get_audio_contexts():
                await self.tts.remove_audio_context(context_id)


def build_speech(
    choice: services.ServiceChoice,
    session: Session,
    settings: Settings,
    say: Aloud,
    *,
    tell: Tell,
    is_shut: Callable[[], bool],
    keys: Callable[[], FrameProcessor],
) -> Speech:
    """Build the services that an agent has chosen.

    Args:
        choice: Its services.
        session: The session.
        settings: Keys and time-outs.
        say: Makes of an agent's text what a voice speaks.
        tell: Reaches a model that hears by itself.
        is_shut: Whether the model is not to be heard any more.
        keys: Makes what hands keys to such a model.

    Raises:
        services.ServiceError: See `services.check()`.
    """
    agent = session.agent
    if choice.voice is None:
        stt = services.build_stt(choice, agent, settings)
        tts = services.build_tts(choice, agent, settings)
        tts.add_text_transformer(say)
        llm = services.build_llm(
            choice, agent, settings, variables=session.variables, succeeded=session.succeeded
        )
        kinds: dict[FrameProcessor, Kind] = {stt: "stt", llm: "llm", tts: "tts"}
        return Speech(llm, (stt,), SpeakableText(agent.language), tts, tts, kinds, model_hears=False)
    llm = services.build_voice(choice, agent, settings)
    lines = ModelsLines(tell, is_shut)
    return Speech(llm, (keys(),), WholeSentences(), lines, None, {llm: "llm"}, model_hears=True)
