"""PCMU, PCMA and L16 to and from 16-bit PCM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipecat.audio.utils import (
    alaw_to_pcm,
    create_stream_resampler,
    pcm_to_alaw,
    pcm_to_ulaw,
    ulaw_to_pcm,
)

from serializers.codecs import UnsupportedEncoding, codec_for, normalise_encoding

# A busy machine is no failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

EVERY_SAMPLE = np.arange(-32768, 32768, dtype="<i2").tobytes()
EVERY_CODE = bytes(range(256))

pcm = st.lists(st.integers(-32768, 32767), max_size=400).map(lambda s: np.array(s, dtype="<i2").tobytes())


@pytest.mark.parametrize(("encoding", "encode"), [("PCMU", pcm_to_ulaw), ("PCMA", pcm_to_alaw)])
async def test_every_sample_is_encoded_as_pipecat_encodes_it(encoding, encode):
    expected = await encode(EVERY_SAMPLE, 8000, 8000, create_stream_resampler())
    assert codec_for(encoding).encode(EVERY_SAMPLE) == expected


@pytest.mark.parametrize(("encoding", "decode"), [("PCMU", ulaw_to_pcm), ("PCMA", alaw_to_pcm)])
async def test_every_code_is_decoded_as_pipecat_decodes_it(encoding, decode):
    expected = await decode(EVERY_CODE, 8000, 8000, create_stream_resampler())
    assert codec_for(encoding).decode(EVERY_CODE) == expected


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
@unhurried
@given(samples=pcm)
def test_g711_gives_back_the_audio_within_its_quantisation(encoding, samples):
    codec = codec_for(encoding)
    wire = codec.encode(samples)
    before = np.frombuffer(samples, dtype="<i2").astype(int)
    after = np.frombuffer(codec.decode(wire), dtype="<i2").astype(int)
    assert len(wire) == len(before)
    # A segment's step is 1/16 of its start; µ-law clips at 32635. The floor is the smallest step.
    assert np.all(np.abs(after - before) <= np.maximum(np.abs(before) / 16, 16))


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
def test_g711_is_stable_after_the_first_coding(encoding):
    codec = codec_for(encoding)
    once = codec.decode(codec.encode(EVERY_SAMPLE))
    assert codec.decode(codec.encode(once)) == once


@pytest.mark.parametrize("byte_order", ["little", "big"])
@unhurried
@given(samples=pcm)
def test_l16_gives_back_exactly_the_audio(byte_order, samples):
    codec = codec_for("L16", l16_byte_order=byte_order)
    assert codec.decode(codec.encode(samples)) == samples


def test_l16_byte_order_is_the_order_on_the_wire():
    sample = np.array([0x0102], dtype="<i2").tobytes()
    assert codec_for("L16", l16_byte_order="big").encode(sample) == b"\x01\x02"
    assert codec_for("L16", l16_byte_order="little").encode(sample) == b"\x02\x01"


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA", "L16"])
def test_silence_is_the_code_of_zero(encoding):
    codec = codec_for(encoding)
    assert codec.silence == codec.encode(b"\x00\x00")
    assert len(codec.silence) == codec.sample_bytes
    assert abs(int(np.frombuffer(codec.decode(codec.silence), dtype="<i2")[0])) <= 8


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA", "L16"])
def test_no_audio_is_no_audio(encoding):
    codec = codec_for(encoding)
    assert codec.encode(b"") == b"" == codec.decode(b"")


def test_rates():
    assert codec_for("PCMU").sample_rate == codec_for("PCMA", l16_sample_rate=16000).sample_rate == 8000
    assert codec_for("L16", l16_sample_rate=24000).sample_rate == 24000


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PCMU", "PCMU"),
        ("pcmu", "PCMU"),
        ("audio/x-mulaw", "PCMU"),
        ("audio/PCMU", "PCMU"),
        ("mu-law", "PCMU"),
        ("ulaw", "PCMU"),
        (" PCMA ", "PCMA"),
        ("audio/x-alaw", "PCMA"),
        ("l16", "L16"),
        ("audio/L16", "L16"),
        ("opus", "OPUS"),
        ("AMR-WB", "AMR-WB"),
        ("", ""),
    ],
)
def test_encoding_names_are_understood_in_every_style(written, meant):
    assert normalise_encoding(written) == meant


@pytest.mark.parametrize("encoding", ["OPUS", "AMR-WB", "G722", "", "pcmu"])
def test_an_unknown_encoding_says_what_to_use(encoding):
    with pytest.raises(UnsupportedEncoding, match="use PCMU, PCMA or L16"):
        codec_for(encoding)
