"""A message that a caller left reaches a mailbox, by a real SMTP server, from the same outbox as the webhooks."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from calls.events.lifecycle import TransferEnded
from calls.events.talk import Attached, CallerSaid, Detached, MessageTaken, SummedUp
from calls.outbox.mail import mail_of, send
from calls.outbox.making import notice
from calls.outbox.notices import Channel, Kind, Way
from calls.outbox.receivers import MailServer, NotDelivered
from calls.states import CallState, EndedBy
from calls.store import CallStore
from calls.transfer import TransferOutcome
from tests.calls.test_the_outbox_tells_the_owner import (
    NUMBER,
    STORES,
    Clock,
    Everything,
    a_call,
    a_store,
    telling,
)
from tests.receiver import free_port

FROM, TO = "phonebot@example.com", ["desk@example.com", "boss@example.com"]
NAME = "Ann\r\nBcc: evil@example.com"


class Mailbox:
    """What the server was given."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 taken"


class Server(Controller):
    def __init__(self, handler, **options):
        self.options = options
        super().__init__(handler, hostname="127.0.0.1", port=free_port(), ready_timeout=10)

    def factory(self):
        return SMTP(self.handler, **self.options)


@pytest.fixture
def smtp():
    """Starts servers on this machine."""
    running = []

    def start(handler, **options):
        server = Server(handler, **options)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


class ByMail(Everything):
    def __init__(self, port, *kinds, **server):
        super().__init__(None)
        self.kinds = kinds or (Kind.MESSAGE_TAKEN,)
        self.server = MailServer("127.0.0.1", port, FROM, **server)

    def wants(self, row, kind):
        return [Way(Channel.EMAIL, 5.0)] if kind in self.kinds else []

    def mailbox(self, agent):
        return self.server, TO


def takes_a_message(call, name="Ann"):
    call.record(MessageTaken(caller_name=name, callback_number=NUMBER, message="Call me.\nIt is urgent."))


async def arrived(mailbox, count=1):
    async with asyncio.timeout(15):
        while len(mailbox.mails) < count:
            await asyncio.sleep(0.02)


@STORES
async def test_a_message_is_in_the_mailbox(tmp_path, kept, smtp):
    mailbox = Mailbox()
    server = smtp(mailbox)
    async with a_store(kept, tmp_path, Clock()) as store:
        async with telling(store, ByMail(server.port)):
            call = a_call(store)
            takes_a_message(call)
            await arrived(mailbox)
    ((to, mail),) = mailbox.mails
    assert to == TO
    assert (mail["From"], mail["Subject"]) == (FROM, "Message from Ann (sales)")
    text = mail.get_content()
    assert "Call me." in text and "It is urgent." in text
    assert f"Call back: {NUMBER}" in text and call.id in text
    assert mail["Message-ID"].endswith("@example.com>")


@STORES
async def test_a_server_that_fails_for_a_while_gets_the_same_mail_later(tmp_path, kept, smtp):
    clock, mailbox = Clock(), Mailbox("451 later")
    server = smtp(mailbox)
    async with a_store(kept, tmp_path, clock) as store:
        async with telling(store, ByMail(server.port)):
            takes_a_message(a_call(store))
            while mailbox.answers:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            assert mailbox.mails == []
            clock.ahead += timedelta(seconds=10)
            await arrived(mailbox)
    assert len(mailbox.mails) == 1


async def test_what_a_caller_says_cannot_become_a_header(smtp):
    call = a_call_of_its_own()
    takes_a_message(call, NAME)
    made = notice(Kind.MESSAGE_TAKEN, call, len(call.events), datetime.now(UTC))
    mail = mail_of(Kind.MESSAGE_TAKEN, made, message_id="msg_1", sender=FROM, to=TO)
    mailbox = Mailbox()
    await send(MailServer("127.0.0.1", smtp(mailbox).port, FROM), mail)
    ((to, got),) = mailbox.mails
    assert to == TO
    assert got["Bcc"] is None
    assert got["Subject"] == "Message from Ann Bcc: evil@example.com (sales)"


async def test_the_end_of_a_call_is_summed_up(smtp):
    call = a_call_of_its_own()
    call.record(Attached(stream_id="MZ1"))
    call.record(CallerSaid(text="My bicycle is broken."))
    call.record(TransferEnded("desk", TransferOutcome.BUSY))
    call.move(CallState.COMPLETED, cause="hung up", ended_by=EndedBy.CALLER)
    call.record(Detached(reason="stop"))
    call.record(SummedUp("made", summary="A repair.", disposition="booked", fields={"days": 2}))
    made = notice(Kind.CALL_ENDED, call, len(call.events), datetime.now(UTC))
    mail = mail_of(Kind.CALL_ENDED, made, message_id="msg_1", sender=FROM, to=TO)
    text = mail.get_content()
    for part in ("A repair.", "booked", "days: 2", "My bicycle is broken.", "desk: busy", "ended by caller"):
        assert part in text


def a_call_of_its_own():
    return a_call(CallStore())


def a_mail():
    call = a_call_of_its_own()
    takes_a_message(call)
    made = notice(Kind.MESSAGE_TAKEN, call, len(call.events), datetime.now(UTC))
    return mail_of(Kind.MESSAGE_TAKEN, made, message_id="msg_1", sender=FROM, to=TO)


@pytest.mark.parametrize(("password", "fine"), [("right", True), ("wrong", False)])
async def test_a_server_that_wants_a_user_gets_one(smtp, password, fine):
    def knows(server, session, envelope, mechanism, auth):
        return AuthResult(success=(auth.login, auth.password) == (b"bot", b"right"), handled=False)

    mailbox = Mailbox()
    server = smtp(mailbox, authenticator=knows, auth_required=True, auth_require_tls=False)
    known = MailServer("127.0.0.1", server.port, FROM, user="bot", password=password)
    if fine:
        await send(known, a_mail())
    else:
        with pytest.raises(NotDelivered, match="SMTP_USER") as refused:
            await send(known, a_mail())
        assert not refused.value.for_good
    assert len(mailbox.mails) == fine


async def test_recipients_that_do_not_exist_are_not_tried_for_a_day(smtp):
    class Refuses(Mailbox):
        async def handle_RCPT(self, server, session, envelope, address, options):
            return "550 no such user"

    with pytest.raises(NotDelivered, match="recipients") as refused:
        await send(MailServer("127.0.0.1", smtp(Refuses()).port, FROM), a_mail())
    assert refused.value.for_good


async def test_a_server_that_hangs_or_is_away_is_let_go():
    async def silent(reader, writer):
        await asyncio.sleep(5)
        writer.close()

    hanging = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = hanging.sockets[0].getsockname()[1]
    clock = asyncio.get_running_loop().time
    began = clock()
    with pytest.raises(NotDelivered):
        await send(MailServer("127.0.0.1", port, FROM), a_mail(), secs=0.3)
    assert clock() - began < 3
    hanging.close()
    with pytest.raises(NotDelivered, match="could not be used"):
        await send(MailServer("127.0.0.1", free_port(), FROM), a_mail())


async def test_elsewhere_no_mail_goes_out_without_tls(smtp, monkeypatch):
    # A server without STARTTLS that is not taken for this machine
    monkeypatch.setattr("calls.outbox.mail.AT_HOME", ())
    mailbox = Mailbox()
    with pytest.raises(NotDelivered):
        await send(MailServer("127.0.0.1", smtp(mailbox).port, FROM), a_mail())
    assert mailbox.mails == []


async def test_a_certificate_that_nobody_vouches_for_is_not_believed_elsewhere(smtp, tmp_path, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    mailbox = Mailbox()
    server = smtp(mailbox, tls_context=context)
    await send(MailServer("127.0.0.1", server.port, FROM), a_mail())
    monkeypatch.setattr("calls.outbox.mail.AT_HOME", ())
    with pytest.raises(NotDelivered):
        await send(MailServer("127.0.0.1", server.port, FROM), a_mail())
    assert len(mailbox.mails) == 1


def certificate(tmp_path):
    """A file with a key and a certificate that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(pem)
    )
    return file
