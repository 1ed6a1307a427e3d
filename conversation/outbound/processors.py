"""The processors that stand in the pipeline of a call that the bot has placed, and the names of what they report.

They listen, hold back and mute; `conversation.outbound.first_seconds` decides what follows.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import Protocol

from pipecat.classifiers.base_classifier import BaseClassifier
from pipecat.extensions.voicemail.voicemail_detector import VoicemailDetector
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.turns.user_mute import BaseUserMuteStrategy

DECISION_SECS = 0.7
"""A pause this long ends what a person says first. Recordings pause too, but what they say next puts it right."""


class Verdict(Enum):
    """What has answered."""

    HUMAN = "human"
    MACHINE = "machine"
    FAX = "fax"
    SCREEN = "screen"


class Evidence(IntEnum):
    """How much a witness counts; see `conversation.outbound.first_seconds`."""

    SILENCE = auto()
    LISTENING = auto()
    CARRIER = auto()
    PLAIN = auto()


class Phase(Enum):
    """How far the opening has come."""

    LISTENING = auto()
    """Nothing is said yet."""
    GREETED = auto()
    """Taken for a person, who has not answered yet."""
    SCREENED = auto()
    """A telephone asks who calls before it rings, see `conversation.outbound.screened`."""
    WAITING = auto()
    """Taken for a machine, whose greeting is not over."""
    LEAVING = auto()
    """The bot is saying its message, perhaps to a person who was taken for a machine."""
    OVER = auto()
    """The conversation has begun, or the call is ending."""


class Opening(Protocol):
    """What the processors need of a call's opening."""

    phase: Phase

    @property
    def is_deaf(self) -> bool:
        """Whether nothing that the other side says may cut a message short."""
        ...

    def heard(self, frame: Frame) -> None:
        """Take what the other side does."""
        ...

    def takes(self, context: LLMContext) -> bool:
        """Whether the model may answer what was said."""
        ...


class GreetingListener(VoicemailDetector):
    """Pipecat's detector, as one witness among others.

    Its own rules would hold back what we want to say to a machine, and could not be overruled.
    """

    def __init__(self, opening: Opening, classifier: BaseClassifier, *, quiet_secs: float):
        """Initialize the processor.

        Args:
            opening: Is told what is heard.
            classifier: Tells a person from a recording.
            quiet_secs: A machine that is silent for this long, in seconds, is taken to be recording.
        """
        super().__init__(
            classifier=classifier, voicemail_response_delay=quiet_secs, decision_timeout=DECISION_SECS
        )
        self._opening = opening

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Listen while it matters; pass everything else by the detector."""
        speech = isinstance(frame, TranscriptionFrame | UserStartedSpeakingFrame | UserStoppedSpeakingFrame)
        if speech or isinstance(frame, VADUserStartedSpeakingFrame):
            self._opening.heard(frame)
        if speech and self._opening.phase is Phase.LISTENING:
            await super().process_frame(frame, direction)
        else:
            await FrameProcessor.process_frame(self, frame, direction)
            await self.push_frame(frame, direction)

    async def broadcast_interruption(self) -> None:
        """Leave it to the opening whether a verdict of the detector stops the bot."""


class ModelGate(FrameProcessor):
    """Keeps from the model what is not for it: a "Hello?" that the greeting answers, a machine's words."""

    def __init__(self, opening: Opening):
        """Initialize the processor.

        Args:
            opening: Decides.
        """
        super().__init__()
        self._opening = opening

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Drop contexts that are not to be answered."""
        await super().process_frame(frame, direction)
        if (
            isinstance(frame, LLMContextFrame)
            and direction is FrameDirection.DOWNSTREAM
            and not self._opening.takes(frame.context)
        ):
            return
        await self.push_frame(frame, direction)


class MuteWhileLeaving(BaseUserMuteStrategy):
    """A box that goes on talking does not cut a message short."""

    def __init__(self, opening: Opening):
        """Initialize the strategy.

        Args:
            opening: Whose phase is followed.
        """
        super().__init__()
        self._opening = opening

    async def process_frame(self, frame: Frame) -> bool:
        """Whether the other side is muted now."""
        return self._opening.is_deaf
