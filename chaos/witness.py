"""From a call on the emulator's network to what was seen of it."""

from __future__ import annotations

import numpy as np

from chaos import talk
from chaos.judging import Sentence, Witnessed
from chaos.schedule import IN, PlannedCall
from emulator.legs.call import Call
from emulator.line.codecs import FRAME_SAMPLES, SAMPLE_RATE, Pcm
from emulator.line.earpiece import AUDIBLE
from emulator.line.tonespeech import ToneEars
from emulator.stories.ears import spoken_parts

PARTLY = 0.5
"""What part of a sentence has to be heard: fewer words may be another one's."""

LAST_WORD_MS = 600
"""How long after the last word that was recognised the sentence goes on, where its very last one was torn."""

FRAME_SECS = FRAME_SAMPLES / SAMPLE_RATE


def witness(planned: PlannedCall, call: Call, *, forced: bool) -> Witnessed:
    """Write down what was seen of a call that is over, and forget its audio. Takes a while: call it in a thread.

    Args:
        planned: What it was to be.
        call: The call.
        forced: Whether it was ended here because nothing else ended it.
    """
    zero = call.timeline.zero
    heard, said = _audio(call.line.heard), _audio(call.line.said)
    call.line.heard.clear()
    call.line.said.clear()
    ears = ToneEars(heard)
    gaps = [entry.at_ms for entry in call.timeline.of("underrun")]
    sentences = [
        Sentence(
            text,
            zero + found.start_ms / 1000,
            zero + found.end_ms / 1000,
            found.share,
            sum(found.start_ms <= gap <= found.end_ms + LAST_WORD_MS for gap in gaps),
        )
        for text in talk.BOT_SENTENCES
        if text != (talk.CALLING if planned.direction == IN else talk.GREETING)  # of another call
        and (found := ears.find(text)) is not None
        and found.share >= PARTLY
    ]
    answered = call.leg.answered_at is not None
    ends = call.timeline.of("hang_up")
    says = call.timeline.of("say")
    by_caller = call.ended_by == "caller"
    return Witnessed(
        number=planned.number,
        name=planned.name,
        call_id=call.leg.call_id,
        answered=zero if answered else None,
        over=None if forced or not ends else zero + ends[0].at_ms / 1000,
        ended_by=call.ended_by,
        gave_up=by_caller and not call.caller.left_as_planned,
        streams=[zero + entry.at_ms / 1000 for entry in call.timeline.of("stream_open")],
        sounds=[(zero + start / 1000, zero + end / 1000) for start, end in spoken_parts(heard)],
        heard=sorted(sentences, key=lambda one: one.start),
        said=[
            Sentence(line.said, zero + line.start_ms / 1000, zero + line.end_ms / 1000)
            for line in call.caller.lines
        ],
        answers={asked: answer for asked, _, answer in talk.QUESTIONS},
        farewell=talk.FAREWELL,
        known=(talk.KNOWN, talk.UNKNOWN),
        quiet_secs=quiet_secs(heard, said) if answered else 0.0,
        underruns=len(gaps),
        told_after_secs=(says[0].at_ms - call.timeline.entries[0].at_ms) / 1000 if says else None,
        problems=list(call.errors),
        timeline=str(call.timeline),
    )


def nobody(planned: PlannedCall, why: str) -> Witnessed:
    """A call that never was one."""
    who = "called" if planned.direction == IN else "could be called"
    return Witnessed(planned.number, planned.name, "", problems=[f"nobody {who}: {why}"])


def _audio(frames: list[Pcm]) -> Pcm:
    return np.concatenate([np.zeros(0, dtype=np.int16), *frames])


def quiet_secs(heard: Pcm, said: Pcm) -> float:
    """The longest time in which neither side is audible, in seconds; both begin with the answer, at 8 kHz."""
    count = len(heard) // FRAME_SAMPLES
    loud = _loud(heard, count) | _loud(said, count)
    edges = np.concatenate([[-1], np.flatnonzero(loud), [count]])
    return round(float(np.max(np.diff(edges)) - 1) * FRAME_SECS, 2)


def _loud(samples: Pcm, count: int) -> np.ndarray:
    whole = np.zeros(count * FRAME_SAMPLES, dtype=np.float64)
    part = samples[: len(whole)]
    whole[: len(part)] = part
    loud: np.ndarray = np.sqrt((whole.reshape(count, FRAME_SAMPLES) ** 2).mean(axis=1)) >= AUDIBLE
    return loud


def stream_port(call: Call) -> int | None:
    """The port of the carrier's end of the media socket that a call has open now; None without one."""
    changes = call.timeline.of("stream_open", "socket_closed")
    return changes[-1].data.get("port") if changes and not call.over else None
