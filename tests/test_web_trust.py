"""Whom the service believes."""

import pytest
from starlette.datastructures import Headers

from carriers.carrier import Signature
from tests.web_service import make_settings
from web.trust import Peer, is_local, tokenless_refusal, webhook_refusal

LAPTOP = "http://127.0.0.1:7860"
PUBLIC = "https://bot.example.com"


def peer(host: str | None = "127.0.0.1", **headers: str) -> Peer:
    return Peer(host, Headers({name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"])
def test_this_machine_is_local(host):
    assert is_local(peer(host), LAPTOP)


@pytest.mark.parametrize(
    ("who", "public_url"),
    [
        (peer("192.168.1.5"), LAPTOP),
        (peer("::ffff:10.0.0.1"), LAPTOP),
        (peer(None), LAPTOP),
        (peer("nonsense"), LAPTOP),
        (peer(), PUBLIC),  # a tunnel ends on this machine
        (peer(x_forwarded_for="1.2.3.4"), LAPTOP),
        (peer(forwarded="for=1.2.3.4"), LAPTOP),
        (peer(origin="https://evil.example"), LAPTOP),  # a web page in a browser on this machine
        (peer(origin="null"), LAPTOP),
    ],
)
def test_everybody_else_is_not(who, public_url):
    assert not is_local(who, public_url)


def test_a_page_of_this_machine_is_local():
    assert is_local(peer(origin="http://localhost:7860"), LAPTOP)


TWILIO = {"twilio_account_sid": "AC1", "twilio_auth_token": "t"}


@pytest.mark.parametrize(
    ("signature", "given", "who", "public_url", "accepted"),
    [
        (Signature.VALID, TWILIO, peer("1.2.3.4"), PUBLIC, True),
        (Signature.INVALID, TWILIO, peer("1.2.3.4"), PUBLIC, False),
        (Signature.ABSENT, TWILIO, peer("1.2.3.4"), PUBLIC, False),
        (Signature.ABSENT, TWILIO, peer(), LAPTOP, False),  # with credentials, calls may cost money
        (Signature.UNCHECKED, {"telnyx_api_key": "k"}, peer(), LAPTOP, False),
        (Signature.UNCHECKED, {}, peer(), LAPTOP, True),
        (Signature.UNCHECKED, {}, peer("192.168.1.5"), LAPTOP, False),
        (Signature.UNCHECKED, {}, peer(), PUBLIC, False),
        (Signature.UNCHECKED, {"allow_tokenless_streams": True}, peer("1.2.3.4"), PUBLIC, True),
    ],
)
def test_sockets_without_a_token(signature, given, who, public_url, accepted):
    refusal = tokenless_refusal(signature, who, make_settings(**given), public_url)
    assert (refusal is None) is accepted
    assert accepted or "ALLOW_TOKENLESS_STREAMS" in refusal


@pytest.mark.parametrize(
    ("signature", "given", "who", "public_url", "may_be_unsigned", "accepted"),
    [
        (Signature.VALID, {}, peer("1.2.3.4"), PUBLIC, False, True),
        (Signature.INVALID, {}, peer(), LAPTOP, False, False),
        (Signature.INVALID, {"allow_unsigned_webhooks": True}, peer(), LAPTOP, True, False),
        (Signature.ABSENT, {}, peer(), LAPTOP, False, False),
        (Signature.ABSENT, {}, peer("1.2.3.4"), PUBLIC, True, True),
        (Signature.ABSENT, {"allow_unsigned_webhooks": True}, peer("1.2.3.4"), PUBLIC, False, True),
        (Signature.UNCHECKED, {}, peer(), LAPTOP, False, True),
        (Signature.UNCHECKED, {}, peer(), PUBLIC, False, False),
        (Signature.UNCHECKED, {}, peer("1.2.3.4"), LAPTOP, False, False),
        (Signature.UNCHECKED, {"allow_unsigned_webhooks": True}, peer("1.2.3.4"), PUBLIC, False, True),
    ],
)
def test_webhooks(signature, given, who, public_url, may_be_unsigned, accepted):
    refusal = webhook_refusal(
        signature, who, make_settings(**given), public_url, may_be_unsigned=may_be_unsigned
    )
    assert (refusal is None) is accepted
