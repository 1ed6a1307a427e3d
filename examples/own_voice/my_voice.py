"""A voice of one's own: a server that answers `POST {"text": ..., "voice": ...}` with 16-bit samples at 24 kHz.

It is a service of Pipecat's like any other (https://docs.pipecat.ai, "Creating services"): a class that yields sound
for a sentence. Time-outs, a second request for a sentence without sound and words for the caller when the server stays
away come from phonebot.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import httpx
from pipecat.frames.frames import ErrorFrame, Frame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

SERVER_HZ = 24000


@dataclass
class MyVoiceSettings(TTSSettings):
    """What may change from agent to agent: `voice`, and `model` and `language`, which this server does not know."""


class MyVoice(TTSService):
    """Speaks with the voice of a server of ours."""

    Settings = MyVoiceSettings

    def __init__(self, *, url: str, settings: MyVoiceSettings | None = None, **kwargs: Any) -> None:
        """Initialize the voice.

        Args:
            url: Where the server is asked for a sentence.
            settings: Which of the server's voices speaks.
            **kwargs: Arguments of Pipecat's class.
        """
        used = MyVoiceSettings(model=None, voice="anna", language=None)
        if settings is not None:
            used.apply_update(settings)
        super().__init__(settings=used, push_start_frame=True, push_stop_frames=True, **kwargs)
        self._url = url
        self._http = httpx.AsyncClient()

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """Yield the sound of a sentence while it comes."""
        asked = {"text": text, "voice": self._settings.voice}
        async with self._http.stream("POST", self._url, json=asked) as answer:
            if answer.status_code != 200:
                yield ErrorFrame(f"the voice's server answered {answer.status_code}")
                return
            pieces = self._stream_audio_frames_from_iterator(
                answer.aiter_bytes(), in_sample_rate=SERVER_HZ, context_id=context_id
            )
            async for frame in pieces:
                yield frame

    async def cleanup(self) -> None:
        """Close the connections to the server at the end of the call."""
        await super().cleanup()
        await self._http.aclose()
