"""One leg of a call as a carrier knows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from emulator.line.colleague import Ending

INBOUND = "inbound"
BY_REST = "outbound-api"
BY_DIAL = "outbound-dial"

STATUSES: Mapping[Ending, str] = {
    "completed": "completed",
    "busy": "busy",
    "declined": "busy",
    "no_answer": "no-answer",
    "failed": "failed",
    "canceled": "canceled",
}
"""The carriers' status for each ending; neither carrier documents that a rejected call is `busy`."""


@dataclass
class Leg:
    """One leg: dialled in, created by REST, or the second one of a `<Dial>`.

    Attributes:
        call_id: Twilio's CallSid or Telnyx's call_control_id.
        session_id: Telnyx's call_session_id, shared by the legs of one call; empty on Twilio.
        leg_id: Telnyx's call_leg_id; empty on Twilio.
        codec: The leg's own encoding, `PCMU` or `PCMA`.
        direction: `inbound`, `outbound-api` or `outbound-dial` (Twilio's words).
        parent_id: The leg whose `<Dial>` called this one, or None.
        status: The carrier's word: queued, initiated, ringing, in-progress, completed, busy, no-answer, failed,
            canceled.
        ending: How the attempt to reach the callee ended; None for a dialled-in call, and while it lasts.
        nobody_there: Whether the number does not exist.
        answered_by: What answering machine detection found, in the carrier's words; None without.
        client_state: Telnyx's, as the server gave it.
    """

    call_id: str
    account_id: str
    from_number: str
    to_number: str
    session_id: str = ""
    leg_id: str = ""
    connection_id: str = ""
    codec: str = "PCMU"
    direction: str = INBOUND
    parent_id: str | None = None
    status: str = "ringing"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    hangup_source: str = "caller"
    ending: Ending | None = None
    nobody_there: bool = False
    answered_by: str | None = None
    client_state: str | None = None

    @property
    def ended(self) -> bool:
        """Whether the leg is gone."""
        return self.ended_at is not None

    @property
    def duration_secs(self) -> int:
        """Seconds between answer and end (or now), at least 0."""
        if self.answered_at is None:
            return 0
        return round(((self.ended_at or datetime.now(UTC)) - self.answered_at).total_seconds())
