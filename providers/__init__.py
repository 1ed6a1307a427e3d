"""The speech and language services that Pipecat has, beyond those that the set-up brings: a table, and no code.

A row says how a service is called in `[services]`, where Pipecat's class is, which extra brings its packages and which
variables it needs. `settings.py` makes the variables settings, `conversation/services/` builds from the rows, and
`docs/services.md` is written from them. The services that the set-up brings, and that `auto` may take, are tuned for a
telephone one by one in `conversation/services/catalogue.py`.
"""

from providers.llm import LLM
from providers.row import Row, variables_of
from providers.stt import STT
from providers.tts import TTS
from providers.voice import VOICE

ROWS: tuple[Row, ...] = (*STT, *LLM, *TTS, *VOICE)

__all__ = ["ROWS", "Row", "variables_of"]
