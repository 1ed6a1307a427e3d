"""The emulator signs as the carriers document; the carriers' own libraries are the judges."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from twilio.request_validator import RequestValidator

from emulator import Credentials, EmulatorError, HangUp, PhoneNetwork, Wait
from emulator.carriers.signatures import telnyx_public_key, telnyx_signature, twilio_signature
from tests.fake_bot import FakeBot

HANG_UP = [Wait(0.3), HangUp()]


def test_the_worked_example_of_twilios_documentation():
    parameters = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    signature = twilio_signature("https://example.com/myapp.php?foo=1&bar=2", parameters, "12345")
    assert signature == "L/OH5YylLD5NRKLltdqwSvS0BnU="


@pytest.mark.parametrize(
    "url",
    [
        "https://bot.example.com/twilio/voice",
        "https://bot.example.com:8443/twilio/voice?a=%20b",
        "http://127.0.0.1:7860/twilio/voice",
        "https://bot.example.com/twilio/voice#rc=3",
    ],
)
def test_twilios_library_accepts_the_signature_of_a_form_with_blank_fields(url):
    parameters = {"From": "+12025550143", "FromCity": "", "CallSid": "CA1"}
    validator = RequestValidator("token")
    assert validator.validate(url.partition("#")[0], parameters, twilio_signature(url, parameters, "token"))
    assert not validator.validate(
        url, parameters | {"FromCity": "X"}, twilio_signature(url, parameters, "token")
    )


def test_user_info_is_not_signed():
    with_user = twilio_signature("https://user:secret@bot.example.com/v", {}, "t")
    assert with_user == twilio_signature("https://bot.example.com/v", {}, "t")


async def test_twilios_library_accepts_the_voice_webhook_and_the_sockets_upgrade():
    async def talk(line):
        await line.until_closed()

    async with FakeBot(
        talk, {"/twilio/voice": '<Connect><Stream url="wss://HOST/ws/abc"/></Connect>'}
    ) as bot:
        async with PhoneNetwork("twilio") as network:
            await network.call(bot.url, HANG_UP)
            validator = RequestValidator(network.credentials.twilio_auth_token)
        voice, status = bot.seen
        assert voice.headers["Content-Type"] == "application/x-www-form-urlencoded"
        for seen in (voice, status):
            assert validator.validate(seen.url, seen.form, seen.headers["X-Twilio-Signature"])
        (upgrade,) = bot.upgrades
        url = f"wss://127.0.0.1:{bot.port}/ws/abc"
        assert validator.validate(url, {}, upgrade.headers["x-twilio-signature"])
        assert not validator.validate(url.replace("abc", "abd"), {}, upgrade.headers["x-twilio-signature"])


async def test_telnyx_signs_the_raw_body_of_each_request_with_its_time():
    async def talk(line):
        await line.until_closed()

    document = '<Connect><Stream url="wss://HOST/ws/abc" bidirectionalMode="rtp"/></Connect>'
    async with FakeBot(talk, {"/telnyx/voice": document}) as bot:
        async with PhoneNetwork("telnyx", signs_instructions=True) as network:
            await network.call(bot.url, HANG_UP)
            public = base64.b64decode(network.environment()["TELNYX_PUBLIC_KEY"])
        key = Ed25519PublicKey.from_public_bytes(public)
        assert len(bot.seen) == 2
        for seen in bot.seen:
            signature = base64.b64decode(seen.headers["Telnyx-Signature-Ed25519"])
            signed = seen.headers["Telnyx-Timestamp"].encode() + b"|" + seen.body
            key.verify(signature, signed)
            with pytest.raises(InvalidSignature):
                key.verify(signature, signed + b"x")
        assert not [name for name in bot.upgrades[0].headers if "signature" in name.lower()]


async def test_whether_telnyx_signs_requests_for_instructions_is_not_documented_so_it_does_not():
    async with FakeBot(None, {"/telnyx/voice": "<Hangup/>"}) as bot, PhoneNetwork("telnyx") as network:
        await network.call(bot.url, HANG_UP)
    voice, status = bot.seen
    assert "Telnyx-Signature-Ed25519" not in voice.headers
    assert "Telnyx-Signature-Ed25519" in status.headers


def test_the_public_key_belongs_to_the_signing_key():
    key = Credentials().telnyx_key
    signature = base64.b64decode(telnyx_signature(b"a=b", "1700000000", key))
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(telnyx_public_key(key)))
    public.verify(signature, b"1700000000|a=b")


def test_a_signing_seed_that_is_none_is_told_with_its_name():
    with pytest.raises(EmulatorError, match="EMULATOR_TELNYX_PRIVATE_KEY"):
        _ = Credentials(telnyx_private_key="no").telnyx_key
