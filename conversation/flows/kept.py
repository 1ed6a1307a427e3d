"""What of a flow outlives a media stream: its node and its state, as events of the call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from loguru import logger

from calls.events.talk import FlowNode, FlowState
from conversation.session import Session

MAX_STATE = 64 * 1024
"""Characters of JSON that a flow's state may have to be kept; it is written again with each change."""


class Kept:
    """Writes a flow's node and state down as they change, and knows those of the session before."""

    def __init__(self, session: Session) -> None:
        """Read what the call's earlier sessions have left.

        Args:
            session: The session; its call's events are all there already.
        """
        self._session = session
        self._warned: set[str] = set()
        events = session.call.events
        self.nodes = [event.node for event in events if isinstance(event, FlowNode)]
        """The nodes that the conversation has been in before this session, the last one at the end."""
        states = [event.state for event in events if isinstance(event, FlowState)]
        self.state: dict[str, Any] = dict(states[-1]) if states else {}
        """What was kept last."""
        self._written = _text(self.state)

    def node(self, name: str) -> None:
        """Write down that the conversation has come to a node."""
        self._session.record(FlowNode(node=name))

    def changed(self, state: Mapping[str, Any]) -> None:
        """Write the state down if it is another than before.

        While the call's recording is paused nothing that a caller says is kept, so the state is not either.
        """
        if self._session.off_the_record:
            return
        usable = {}
        for name, value in state.items():
            try:
                usable[str(name)] = json.loads(_text(value))
            except (TypeError, ValueError, RecursionError):
                self._warn(f"{name!r} of the flow's state is no JSON: it is lost when the media stream is")
        written = _text(usable)
        if written == self._written:
            return
        if len(written) > MAX_STATE:
            self._warn(f"the flow's state has more than {MAX_STATE} characters: it is not kept")
            return
        self._written = written
        self._session.record(FlowState(state=usable))

    def _warn(self, what: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            logger.warning(f"call {self._session.call.id}: {what}")


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
