"""Where both Pipecat's serializers and ours have a message or a frame, the two are the same, key by key."""

from __future__ import annotations

import json

import pytest
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
)
from pipecat.processors.frameworks.rtvi.models import MESSAGE_LABEL
from pipecat.serializers.telnyx import TelnyxFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer

from serializers import StreamStart, serializer_for


@pytest.fixture(params=["twilio", "telnyx"])
def pair(request):
    """Pipecat's serializer and ours for the same stream."""
    ours = serializer_for(StreamStart(request.param, "MZ1", "c"))
    if request.param == "twilio":
        return TwilioFrameSerializer(
            "MZ1", params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
        ), ours
    params = TelnyxFrameSerializer.InputParams(auto_hang_up=False)
    return TelnyxFrameSerializer("MZ1", "PCMU", "PCMU", params=params), ours


RTVI = {"label": MESSAGE_LABEL, "type": "bot-ready"}


@pytest.mark.parametrize(
    "frame",
    [
        OutputAudioRawFrame(b"\x00\x10" * 320, 8000, 1),
        InterruptionFrame(),
        EndFrame(),
        CancelFrame(),
        OutputTransportMessageFrame(RTVI),
        OutputTransportMessageUrgentFrame(RTVI),
    ],
    ids=lambda frame: type(frame).__name__,
)
async def test_a_frame_becomes_the_same_message(pair, frame):
    theirs, ours = [await serializer.serialize(frame) for serializer in pair]
    assert (ours and json.loads(ours)) == (theirs and json.loads(theirs))


@pytest.mark.parametrize("button", KeypadEntry)
async def test_a_key_becomes_the_same_frame(pair, button):
    message = json.dumps({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": button.value}})
    theirs, ours = [await serializer.deserialize(message) for serializer in pair]
    assert isinstance(theirs, InputDTMFFrame)
    assert isinstance(ours, InputDTMFFrame)
    assert ours.button is theirs.button is button


@pytest.mark.parametrize(
    "message",
    [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {"event": "media", "media": {"track": "inbound", "chunk": "1"}},
        {"event": "dtmf", "dtmf": {"digit": "x"}},
        {"event": "dtmf"},
        {"event": "nothing that is known"},
    ],
    ids=json.dumps,
)
async def test_what_says_nothing_to_the_pipeline_becomes_no_frame(pair, message):
    assert [await serializer.deserialize(json.dumps(message)) for serializer in pair] == [None, None]
