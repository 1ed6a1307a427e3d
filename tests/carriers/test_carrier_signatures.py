"""Only what the carrier really signed passes."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from twilio.request_validator import RequestValidator

from carriers.carrier import Form, Signature, WebhookRequest
from carriers.telnyx.carrier import TelnyxCarrier
from carriers.twilio.carrier import TwilioCarrier
from carriers.twilio.signatures import upgrade_is_signed, webhook_is_signed

TOKEN = "12345"
FORM = Form.parse(
    "CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212"
)
URL = "https://example.com/myapp.php?foo=1&bar=2"


def test_twilios_documented_example_passes():
    assert webhook_is_signed(TOKEN, "L/OH5YylLD5NRKLltdqwSvS0BnU=", URL, FORM)


@pytest.mark.parametrize(
    ("token", "url", "form"),
    [
        ("54321", URL, FORM),
        (TOKEN, URL.replace("foo=1", "foo=2"), FORM),
        (TOKEN, URL.replace("https", "http"), FORM),
        (TOKEN, URL, Form([*((name, FORM[name]) for name in FORM), ("Extra", "")])),
    ],
)
def test_anything_else_does_not(token, url, form):
    assert not webhook_is_signed(token, "L/OH5YylLD5NRKLltdqwSvS0BnU=", url, form)


@pytest.mark.parametrize("called", [URL, "https://user:password@example.com/myapp.php?foo=1&bar=2"])
def test_userinfo_is_not_signed(called):
    assert webhook_is_signed(TOKEN, "L/OH5YylLD5NRKLltdqwSvS0BnU=", called, FORM)


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=8))
def test_blank_fields_and_repeated_names_count_as_the_sdk_counts_them(pairs):
    pairs = [
        (n.encode("utf-8", "ignore").decode() or "n", v.encode("utf-8", "ignore").decode()) for n, v in pairs
    ]
    form = Form(pairs)
    oracle = RequestValidator(TOKEN).compute_signature(URL, form)
    assert webhook_is_signed(TOKEN, oracle, URL, form)
    assert not webhook_is_signed(TOKEN, oracle, URL, Form([*pairs, ("Added", "")]))


@pytest.mark.parametrize("signed", ["wss://h/ws/t", "wss://h/ws/t/", "wss://h:443/ws/t", "wss://h:443/ws/t/"])
@pytest.mark.parametrize("called", ["https://h/ws/t", "wss://h/ws/t", "wss://h/ws/t/"])
def test_an_upgrade_is_signed_over_the_wss_url_with_or_without_slash_and_port(signed, called):
    signature = RequestValidator(TOKEN).compute_signature(signed, {})
    assert upgrade_is_signed(TOKEN, signature, called)


@pytest.mark.parametrize("signed", ["https://h/ws/t", "wss://h/ws/other", "wss://evil/ws/t"])
def test_an_upgrade_signed_over_something_else_is_not(signed):
    signature = RequestValidator(TOKEN).compute_signature(signed, {})
    assert not upgrade_is_signed(TOKEN, signature, "wss://h/ws/t")


def test_twilio_tells_absent_invalid_and_unchecked_signatures_apart():
    request = WebhookRequest(url=URL, headers=Headers({}), form=FORM)
    forged = WebhookRequest(url=URL, headers=Headers({"X-Twilio-Signature": "AAAA"}), form=FORM)
    upgrade = WebhookRequest(
        url="wss://h/ws",
        headers=Headers({"x-twilio-signature": RequestValidator(TOKEN).compute_signature("wss://h/ws", {})}),
        method="GET",
    )
    carrier = TwilioCarrier(auth_token=TOKEN)
    assert carrier.verify_webhook(request) is Signature.ABSENT
    assert carrier.verify_webhook(forged) is Signature.INVALID
    assert carrier.verify_webhook(upgrade) is Signature.VALID
    assert TwilioCarrier().verify_webhook(forged) is Signature.UNCHECKED


KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()
NOW = 1_763_712_000.0


def telnyx_request(
    body: bytes = b'{"a": 1}', *, at: float = NOW, signed_body: bytes | None = None
) -> WebhookRequest:
    stamp = str(int(at))
    signature = KEY.sign(stamp.encode() + b"|" + (body if signed_body is None else signed_body))
    headers = {"Telnyx-Signature-Ed25519": base64.b64encode(signature).decode(), "Telnyx-Timestamp": stamp}
    return WebhookRequest(url="https://h/telnyx/events", headers=Headers(headers), body=body)


def telnyx(**other: object) -> TelnyxCarrier:
    return TelnyxCarrier(**{"public_key": PUBLIC_KEY, "clock": lambda: NOW, **other})


@pytest.mark.parametrize("age", [-300, 0, 300])
def test_telnyxs_signature_passes_while_it_is_fresh(age):
    assert telnyx().verify_webhook(telnyx_request(at=NOW - age)) is Signature.VALID


@pytest.mark.parametrize("age", [-302, 302])
def test_telnyxs_signature_does_not_pass_when_it_is_old_or_from_the_future(age):
    assert telnyx().verify_webhook(telnyx_request(at=NOW - age)) is Signature.INVALID


def test_telnyxs_signature_is_over_the_raw_body():
    request = telnyx_request(b'{"a":1}', signed_body=b'{"a": 1}')
    assert telnyx().verify_webhook(request) is Signature.INVALID


@pytest.mark.parametrize(
    "headers",
    [
        {"telnyx-signature-ed25519": "not base64", "telnyx-timestamp": str(int(NOW))},
        {"telnyx-signature-ed25519": "AAAA", "telnyx-timestamp": "soon"},
        {"telnyx-signature-ed25519": "ä", "telnyx-timestamp": str(int(NOW))},
    ],
)
def test_nonsense_in_telnyxs_headers_is_an_invalid_signature(headers):
    request = WebhookRequest(url="https://h/", headers=headers, body=b"")
    assert telnyx().verify_webhook(request) is Signature.INVALID


def test_telnyx_tells_absent_and_unchecked_signatures_apart():
    unsigned = WebhookRequest(url="https://h/", headers=Headers({}))
    assert telnyx().verify_webhook(unsigned) is Signature.ABSENT
    assert TelnyxCarrier().verify_webhook(telnyx_request()) is Signature.UNCHECKED
