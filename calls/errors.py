"""Why something that was asked of a call was not done. Each message names the cause and the fix."""

from __future__ import annotations


class NotDone(Exception):
    """What was asked of a call was not done, and the call goes on as it was.

    The tree::

        NotDone
        ├── NotPossible     never with this call, or not like this: ask for something else
        ├── NotAllowed      the owner has not allowed it
        ├── CallIsOver      the call has ended
        ├── UnderWay        something else is being done to the call that cannot be done at the same time
        ├── NoRoom          no further call is taken now (`desk.room`)
        ├── CarrierFailed   the carrier did not do it, as far as we know
        └── NoAnswer        the process that talks on the call, or the database between, does not answer
    """


class NotPossible(NotDone):
    """It cannot be done with this call, or not with these values."""


class NotAllowed(NotDone):
    """The owner has not allowed it, in the agent's file."""


class CallIsOver(NotDone):
    """The call has ended."""


class UnderWay(NotDone):
    """The call is in the middle of something."""


class CarrierFailed(NotDone):
    """The carrier refused, or gave no usable answer.

    Parameters:
        uncertain: It may have been done nevertheless.
        retry_after_secs: How long to wait before it is asked for again, when the carrier says so, or has not answered
            for a while.
    """

    def __init__(self, message: str, *, uncertain: bool = False, retry_after_secs: float | None = None):
        """Remember whether the carrier may have acted."""
        super().__init__(message)
        self.uncertain = uncertain
        self.retry_after_secs = retry_after_secs


class NoAnswer(NotDone):
    """The process that talks on the call, or the database by which it is asked, does not answer.

    Parameters:
        uncertain: It may have been done, or be done yet.
    """

    def __init__(self, message: str, *, uncertain: bool = False):
        """Remember whether it was begun."""
        super().__init__(message)
        self.uncertain = uncertain
