"""What Telnyx answers to a request that it cannot carry out, such as a command of Call Control.

Source: Telnyx docs, "API error codes" (codes, titles and details); 404 and 422 are named in "Sending commands".
Which status goes with which code is documented for few of them: 422 is used where nothing is said.
"""

from __future__ import annotations

from typing import Any

from emulator.rest.refused import RequestRefused

TOO_EARLY = "90020"
"""A request that is refused with this code may be sent again; the server made no mistake."""

_KNOWN = {
    "10003": (422, "Invalid URL", "The URL is invalid, malformed, or longer than 2000 characters."),
    "10004": (422, "Missing required parameter", "A required parameter was missing."),
    "10005": (404, "Resource not found", "The requested resource or URL could not be found."),
    "10009": (
        401,
        "Authentication failed",
        "The required authentication headers were either invalid or not included in the request.",
    ),
    "10010": (
        403,
        "Authorization failed",
        "You do not have permission to perform the requested action on the specified resource or resources.",
    ),
    "10014": (415, "Unsupported Media Type", "A new call is asked for by a JSON object"),
    "10015": (400, "Bad Request", "The request failed because it was not well-formed."),
    "10016": (
        422,
        "Phone number must be in +E.164 format",
        "The specified phone number parameter must be in +E.164 format.",
    ),
    "10017": (
        422,
        "Associated resource does not exist",
        "The requested parameter is invalid as the associated resource does not exist.",
    ),
    "10026": (422, "Invalid parameter type", "The parameter is not of the type that it must be."),
    "10027": (
        422,
        "Unprocessable Entity",
        "The server understood the syntax of the request but was unable to process the instructions.",
    ),
    "10032": (422, "Invalid enumerated value", "The value must be one of those that are documented."),
    "10034": (
        415,
        "Expected URL-encoded form Content-Type",
        "Must encode request as 'application/x-www-form-urlencoded'",
    ),
    "90002": (422, "Invalid value for timeout", "The 'timeout' parameter must be an 'integer'."),
    "90010": (
        422,
        "Invalid value for payload",
        "The 'payload' parameter has too few or too many characters.",
    ),
    "90014": (
        422,
        "Invalid value for digits",
        "The 'digits' parameter must be a 'string' made of a combination of either 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "
        "A, B, C, D, w, W, * or #.",
    ),
    "90015": (422, "Invalid Call Control ID", "The provided call_control_id was not valid."),
    "90017": (
        422,
        "Invalid value for client_state",
        "The 'client_state' parameter must be a valid base64 string.",
    ),
    "90018": (
        422,
        "Call has already ended",
        "This call is no longer active and can't receive commands.",
    ),
    "90020": (
        422,
        "Recording has not started",
        "The recording cannot be started until audio has commenced.",
    ),
    "90022": (422, "Invalid value for minimum_digits", "minimum_digits must be 1 to 128."),
    "90023": (422, "Invalid value for maximum_digits", "maximum_digits must be 1 to 128."),
    "90025": (422, "Invalid value for timeout_millis", "timeout_millis must be an 'integer'."),
    "90027": (422, "Invalid value for duration_millis", "duration_millis must be 100 to 500."),
    "90028": (422, "Invalid value for timeout_secs", "timeout_secs must be an 'integer' from 5 to 600."),
    "90029": (
        422,
        "Invalid value for time_limit_secs",
        "time_limit_secs must be an 'integer' from 60 to 14000.",
    ),
    "90034": (
        422,
        "Call has not been answered yet",
        "This call can't receive this command because it has not been answered yet.",
    ),
    "90045": (422, "Media Streaming is used.", "This command can't be issued when media streaming is used."),
    "90048": (
        422,
        "Media Streaming is not used.",
        "This command can only be issued when media streaming is used.",
    ),
    "90057": (
        422,
        "Invalid value for webhook_urls",
        "webhook_urls must map types of events to lists of URLs.",
    ),
    "90102": (422, "Invalid command", "An outbound call cannot be answered by a command."),
}


class CommandRefused(RequestRefused):
    """A request is answered with an error.

    Attributes:
        status: The HTTP status.
        code: Telnyx's code, a string.
        pointer: What of the request is at fault, as a JSON pointer; empty for none.
    """

    def __init__(self, code: str, detail: str | None = None, pointer: str = "") -> None:
        """Refuse with a known code; `detail` replaces the documented sentence."""
        self.status, self.title, documented = _KNOWN[code]
        self.code = code
        self.detail = detail or documented
        self.pointer = pointer
        super().__init__(f"{code} {self.title}: {self.detail}")

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        error: dict[str, Any] = {
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "meta": {"url": f"https://developers.telnyx.com/docs/overview/errors/{self.code}"},
        }
        if self.pointer:
            error["source"] = {"pointer": self.pointer}
        return {"errors": [error]}


def not_ours(pointer: str) -> CommandRefused:
    """The caller id is neither the account's nor verified: D38, by the docs' list of SIP response codes a 403.

    That a request is answered so, and not the call hung up after it, is chosen here.
    """
    return CommandRefused("10010", "Unverified origination number D38", pointer)
