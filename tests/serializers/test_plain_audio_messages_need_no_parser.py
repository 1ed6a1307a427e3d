"""Audio messages as the carriers document them are read without a parser of JSON, and mean the same as with one."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import InputAudioRawFrame

from serializers import serializer_for
from serializers.start import MediaFormat, StreamStart
from tests.serializers.test_serializer_survives_hostile_messages import unhurried

STREAM = "MZ1"
KEYS = {"twilio": ("sequenceNumber", "streamSid"), "telnyx": ("sequence_number", "stream_id")}
GOOD = base64.b64encode(b"\x7f" * 160).decode()


def message(carrier: str, chunk: str, payload: str, stream: str, *, id_first: bool = False) -> dict[str, Any]:
    number, stream_id = KEYS[carrier]
    media = {"media": {"track": "inbound", "chunk": chunk, "timestamp": "20", "payload": payload}}
    named = {stream_id: stream}
    return {"event": "media", number: "3"} | (named | media if id_first else media | named)


payloads = st.one_of(
    st.binary(max_size=40).map(lambda wire: base64.b64encode(wire).decode()),
    st.text("ABCdef0+/=", max_size=12),
    st.text(max_size=6),
)
chunks = st.one_of(st.integers(0, 12).map(str), st.text("0123456789", max_size=20), st.text(max_size=3))
streams = st.sampled_from([STREAM, STREAM, STREAM, "MZ2", ""])


@pytest.mark.parametrize("carrier", KEYS)
@unhurried
@given(said=st.lists(st.tuples(chunks, payloads, streams), max_size=12), id_first=st.booleans())
async def test_both_ways_are_one(carrier, said, id_first):
    start = StreamStart(carrier, STREAM, "CA1", MediaFormat("PCMU", 8000))
    plain, parsed = serializer_for(start), serializer_for(start)
    for one in said:
        whole = message(carrier, *one, id_first=id_first)
        heard = [
            await plain.deserialize(json.dumps(whole, separators=(",", ":"), ensure_ascii=False)),
            await parsed.deserialize(json.dumps(whole, indent=1)),
        ]
        audio = [frame.audio if isinstance(frame, InputAudioRawFrame) else frame for frame in heard]
        assert audio[0] == audio[1]
    assert plain.ignored == parsed.ignored


@pytest.mark.parametrize("id_first", [True, False])
@pytest.mark.parametrize("carrier", KEYS)
async def test_what_the_carriers_send_is_plain(carrier, id_first, monkeypatch):
    text = json.dumps(message(carrier, "7", GOOD, STREAM, id_first=id_first), separators=(",", ":"))
    monkeypatch.setattr("serializers.base.parse_message", None)  # nobody asks it
    serializer = serializer_for(StreamStart(carrier, STREAM, "CA1", MediaFormat("PCMU", 8000)))
    await serializer.setup(SimpleNamespace(audio_in_sample_rate=8000))
    frame = await serializer.deserialize(text)
    assert isinstance(frame, InputAudioRawFrame)
    assert len(frame.audio) == 320
