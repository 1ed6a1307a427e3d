"""Frames that a phone's media stream has and Pipecat's own set does not.

A mark is the carrier's receipt: "everything that you sent before this was played". It travels with the audio, in order,
on its way out (`MarkFrame`) and overtakes everything on its way back (`MarkReturnedFrame`).
"""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import DataFrame, SystemFrame


@dataclass
class MarkFrame(DataFrame):
    """Ask the carrier to report when all audio sent before this frame has been played.

    Parameters:
        mark: What comes back in `MarkReturnedFrame`; unique within a stream. (Not `name`: every frame has one already.)
    """

    mark: str


@dataclass
class MarkReturnedFrame(SystemFrame):
    """The carrier reports a mark: its audio was played, or thrown away by a `clear`.

    Parameters:
        mark: The name that was given to `MarkFrame`.
    """

    mark: str


@dataclass
class StreamStoppedFrame(SystemFrame):
    """The carrier's `stop`: the stream or the whole call has ended; the socket closes next."""


@dataclass
class StreamErrorFrame(SystemFrame):
    """An error that the carrier reports on the media socket.

    Parameters:
        title: The carrier's short name of the problem, e.g. `malformed_frame`.
        detail: The carrier's explanation; may be empty.
        code: The carrier's code as text, e.g. `100003`.
    """

    title: str
    detail: str = ""
    code: str | None = None
