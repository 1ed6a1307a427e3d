"""Whom the service believes."""

import pytest
from starlette.datastructures import Headers

from carriers.carrier import Signature
from tests.web_service import make_settings
from web.trust import Evidence, Peer, foreign_site, is_local, tokenless_refusal, webhook_evidence

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
    ("signature", "given", "who", "public_url", "has_key", "evidence"),
    [
        (Signature.VALID, {}, peer("1.2.3.4"), PUBLIC, False, Evidence.SIGNATURE),
        (Signature.VALID, {}, peer("1.2.3.4"), PUBLIC, True, Evidence.SIGNATURE),
        (Signature.INVALID, {}, peer(), LAPTOP, False, None),
        (Signature.INVALID, {"allow_unsigned_webhooks": True}, peer(), LAPTOP, True, None),
        (Signature.ABSENT, {}, peer(), LAPTOP, False, None),
        (Signature.ABSENT, {}, peer("1.2.3.4"), PUBLIC, True, Evidence.ADDRESS),
        (Signature.ABSENT, {"allow_unsigned_webhooks": True}, peer("1.2.3.4"), PUBLIC, False, Evidence.OPEN),
        (Signature.UNCHECKED, {}, peer("1.2.3.4"), PUBLIC, True, Evidence.ADDRESS),
        (Signature.UNCHECKED, {}, peer(), LAPTOP, False, Evidence.OPEN),
        (Signature.UNCHECKED, {"telnyx_api_key": "k"}, peer(), LAPTOP, False, None),
        (Signature.UNCHECKED, {"telnyx_public_key": "k"}, peer(), LAPTOP, False, None),
        (Signature.UNCHECKED, TWILIO, peer(), LAPTOP, False, None),
        (Signature.UNCHECKED, {}, peer(), PUBLIC, False, None),
        (Signature.UNCHECKED, {}, peer("1.2.3.4"), LAPTOP, False, None),
        (
            Signature.UNCHECKED,
            {"allow_unsigned_webhooks": True},
            peer("1.2.3.4"),
            PUBLIC,
            False,
            Evidence.OPEN,
        ),
    ],
)
def test_webhooks(signature, given, who, public_url, has_key, evidence):
    found = webhook_evidence(signature, who, make_settings(**given), public_url, has_key=has_key)
    assert (found if isinstance(found, Evidence) else None) is evidence


def called(host: str) -> Peer:
    return Peer("127.0.0.1", Headers({"host": host}))


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "LOCALHOST", "127.8.8.8"])
def test_a_laptop_is_called_by_its_own_names(host):
    assert is_local(called(host), LAPTOP)
    assert foreign_site(called(host).headers, make_settings(), LAPTOP) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "[::1", "", "0x7f.1"]
)
def test_a_page_whose_name_means_this_machine_is_turned_away(host):
    assert not is_local(called(host), LAPTOP)
    assert foreign_site(called(host).headers, make_settings(), LAPTOP) is not None


def test_a_service_that_is_offered_to_others_may_be_called_by_any_name():
    # Proxies write the name of what is behind them. What matters there needs a proof that no page has.
    for public_url in (PUBLIC, "http://bot.example.com"):
        assert foreign_site(called("backend").headers, make_settings(), public_url) is None


@pytest.mark.parametrize(("listens_on", "foreign"), [("0.0.0.0", False), ("::", False), ("127.0.0.1", True)])
def test_a_bare_address_is_no_sites_name_where_all_addresses_are_listened_on(listens_on, foreign):
    headers = called("192.168.1.7:7860").headers
    assert (foreign_site(headers, make_settings(host=listens_on), LAPTOP) is not None) is foreign


@pytest.mark.parametrize(
    ("who", "public_url"),
    [
        (peer(), "http://bot.example.com"),  # a proxy that adds no header
        (peer(), "http://192.168.1.5:7860"),
        (Peer("127.0.0.1", Headers({}), port=7860), "http://127.0.0.1:8080"),
        (Peer("127.0.0.1", Headers({}), port=7860), "http://127.0.0.1"),
        (
            Peer("127.0.0.1", Headers({}), http_version="1.0"),
            LAPTOP,
        ),  # what nginx speaks to what is behind it
        (peer(x_forwarded_proto="https"), LAPTOP),
    ],
)
def test_behind_a_proxy_nobody_is_local(who, public_url):
    assert not is_local(who, public_url)
