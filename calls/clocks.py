"""How old may something be that another machine has signed? Clocks differ a little, also where they are set by NTP."""

from __future__ import annotations

LEEWAY_SECS = 5.0
"""How far the clocks of two machines may be apart, in either direction."""


def age_problem(made_at: float, now: float, lifetime_secs: float) -> str | None:
    """Why something cannot be used any more, or not yet; None when it can.

    Args:
        made_at: When it was made, by the clock of the machine that made it, in seconds since 1970.
        now: The present time, by the clock of this machine.
        lifetime_secs: How long it may be used.
    """
    age = now - made_at
    if age < -LEEWAY_SECS:
        return (
            f"was made {-age:.0f} s in the future by the clock of this machine: the clocks of the machines differ; "
            "set them by NTP"
        )
    if age > lifetime_secs + LEEWAY_SECS:
        return f"is older than {lifetime_secs:g} s by the clock of this machine (is it right? it should be set by NTP)"
    return None
