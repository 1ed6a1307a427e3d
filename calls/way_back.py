"""How a call reaches the bot, and where its carrier reports: a server of ours has webhooks, other hosts have none."""

from __future__ import annotations

from typing import Protocol

from calls.call import Call
from carriers.carrier import StreamDocument


class WayBack(Protocol):
    """The addresses that a carrier is given for a call.

    The URLs are absolute, and say by themselves which call they are about, as the carrier's id of a call may not
    be known yet. They are None where nobody takes webhooks, as on Pipecat Cloud.
    """

    def stream(self, call: Call) -> StreamDocument:
        """Connects the call with the bot: the first time, or again."""
        ...

    def transfer_url(self, call: Call) -> str | None:
        """Is told how a transfer went, and answers with the document for the caller."""
        ...

    def status_url(self, call: Call) -> str | None:
        """Is told when the call rings, is answered and ends."""
        ...

    def amd_url(self, call: Call) -> str | None:
        """Is told whether a person or a machine answered."""
        ...

    def recording_url(self, call: Call) -> str | None:
        """Is told about recordings."""
        ...
