"""Tries that Hypothesis draws: methods, paths, headers and bodies, and much that is none of these."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from attack.raw_requests import FORM, JSON, Try, frame, request, upgrade
from attack.tries import ROUTES

PATHS = [
    "/calls",
    "/telnyx/events",
    "/ws",
    "/nowhere",
    *(f"/{c}/{r}" for c in ("twilio", "telnyx") for r in ROUTES),
]
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "X-Twilio-Signature",
                "Telnyx-Signature-Ed25519",
                "Telnyx-Timestamp",
                "Authorization",
                "Origin",
                "Cookie",
            ]
        )
        | st.text("abcXYZ-0", min_size=1, max_size=12),
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60),
    ),
    max_size=6,
)
SEGMENT = st.text(max_size=20).map(lambda text: "/" + quote(text, safe=""))


@st.composite
def tries(draw: st.DrawFn) -> Try:
    """One request or upgrade."""
    path = draw(st.sampled_from(PATHS)) + draw(st.just("") | SEGMENT)
    if draw(st.booleans()):
        path += "?" + quote(draw(st.text(max_size=30)), safe="=&+%")
    headers = draw(HEADERS)
    if draw(st.integers(0, 4)) == 0:
        frames = b"".join(
            frame(draw(st.binary(max_size=100)), draw(st.integers(0, 15)))
            for _ in range(draw(st.integers(0, 3)))
        )
        return Try(
            "drawn upgrade",
            upgrade(draw(st.sampled_from(["/ws", "/ws/twilio", "/ws/telnyx"])) + path, headers, frames),
        )
    method = draw(st.sampled_from(["GET", "POST", "POST", "PUT"]) | st.text("ABCXYZ", min_size=1, max_size=8))
    kind = draw(st.sampled_from([FORM, JSON, "text/plain", "multipart/form-data; boundary=x", ""]))
    body = draw(
        st.binary(max_size=300)
        | JSONS.map(lambda value: str(value).encode("utf-8", "replace"))
        | st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=5).map(
            lambda form: "&".join(f"{quote(k)}={quote(v)}" for k, v in form.items()).encode()
        )
    )
    return Try(
        "drawn request", request(method, path, [("Content-Type", kind), *headers], body), wait_secs=1.0
    )


def draw_tries(seed_: int, count: int, send: Callable[[Try], None]) -> None:
    """Draw so many tries, the same for the same seed, and send each."""

    @seed(seed_)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(tries())
    def one(attempt: Try) -> None:
        send(attempt)

    one()
