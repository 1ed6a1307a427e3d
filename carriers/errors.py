"""What can go wrong when a carrier is asked for something."""

from __future__ import annotations


class CarrierError(Exception):
    """A carrier did not do what it was asked. The message names the cause and the fix.

    The tree::

        CarrierError
        ├── NotConfigured            no credentials for this carrier
        ├── CarrierUnavailable       no answer, no sensible answer, 429 or 5xx: the same may work later
        │   ├── DialUncertain        the same for a dial: the phone may be ringing nevertheless
        │   └── TooEarly             understood and refused, but only for a moment
        └── CarrierRejected          the carrier understood and said no (4xx): the same will fail again
            ├── CarrierUnauthorized  401 or 403: the credentials are wrong
            ├── CallNotFound         404: no such call for these credentials
            ├── CallEnded            the call is over, so it takes no more instructions
            ├── OtherCallEnded       the other one of two calls is over; the first is as it was
            └── NotRecording         there is no recording under way that could be changed

    When hanging up, "the call has already ended" is success, so `hang_up` does not raise `CallEnded`; when transferring
    the caller, it is failure.
    """


class NotConfigured(CarrierError):
    """There are no credentials for this carrier."""


class CarrierUnavailable(CarrierError):
    """The carrier gave no usable answer; trying again may help.

    Parameters:
        nothing_done: The request certainly had no effect: it never reached the carrier, or was turned away
            unread (429). When false, it may have had one.
        answers: The carrier answers, and only takes no more requests for a moment (429).
        retry_after_secs: How long to wait before the next request, when the carrier, or our circuit breaker, says so.
    """

    def __init__(
        self,
        message: str,
        *,
        nothing_done: bool = False,
        answers: bool = False,
        retry_after_secs: float | None = None,
    ):
        """Remember whether the request may have had an effect, and when to ask again."""
        super().__init__(message)
        self.nothing_done = nothing_done
        self.answers = answers
        self.retry_after_secs = retry_after_secs

    @classmethod
    def too_many_requests(cls, message: str, retry_after_secs: float | None) -> CarrierUnavailable:
        """The carrier has turned a request away unread, because there are too many."""
        wait = "" if retry_after_secs is None else f", and asks to wait {retry_after_secs:.0f} s"
        return cls(message + wait, nothing_done=True, answers=True, retry_after_secs=retry_after_secs)


class DialUncertain(CarrierUnavailable):
    """It is unknown whether the call was made. To dial again at once could ring the same phone twice."""


class TooEarly(CarrierUnavailable):
    """The call is not ready for this: the same will be done a moment later. Nothing was done now."""

    def __init__(self, message: str):
        """Nothing was done."""
        super().__init__(message, nothing_done=True)


class CarrierRejected(CarrierError):
    """The carrier refused the request; trying the same again will not help.

    Parameters:
        status: The HTTP status, or None when the request was refused before it was sent.
        code: The carrier's own error code, when it gave one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None):
        """Remember the numbers a log reader needs beside the message."""
        super().__init__(message)
        self.status = status
        self.code = code

    @property
    def answer(self) -> str:
        """What the carrier answered, in numbers: `404 with error 20404`."""
        return f"{self.status} with error {self.code}" if self.code else str(self.status)


class CarrierUnauthorized(CarrierRejected):
    """The carrier does not accept the credentials."""


class CallNotFound(CarrierRejected):
    """The carrier knows no such call, at least not for these credentials."""


class CallEnded(CarrierRejected):
    """The call is over: what it was to do next was not done."""


class OtherCallEnded(CarrierRejected):
    """The call that was to be connected with another one is over. That other one goes on as it was.

    Not a `CallEnded`, which means that the caller is gone: a handler that took one for the other would leave the caller
    alone on the line.
    """


class NotRecording(CarrierRejected):
    """The call has no recording under way."""
