"""Delivers a notice by e-mail, as plain text for a person, through the owner's SMTP server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import aiosmtplib

from calls.outbox.facts import KINDS
from calls.outbox.notices import Kind
from calls.outbox.receivers import AT_HOME, MailServer, NotDelivered

SEND_SECS = 20.0
"""How long a server may take over a mail, from the connection to its last answer."""

IMPLICIT_TLS_PORT = 465
"""On this port TLS begins at once, on all others by STARTTLS. Source: RFC 8314, section 3.3."""

LEAST_PERMANENT = 500
"""From this code on, a server's refusal is for good. Source: RFC 5321, section 4.2.1."""

LONGEST_SUBJECT = 150


def mail_of(
    kind: Kind, notice: Mapping[str, Any], *, message_id: str, sender: str, to: Sequence[str]
) -> EmailMessage:
    """The mail that tells of a notice.

    Args:
        kind: What happened.
        notice: As `calls.outbox.facts.notice` makes it.
        message_id: The parcel's id: a mail that comes twice is seen to be the same one.
        sender: The address that it is from.
        to: The addresses that it is for.
    """
    data = notice["data"]
    mail = EmailMessage()
    mail["Subject"] = _one_line(_subject(kind, data))
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Date"] = format_datetime(_moment(notice["timestamp"]))
    domain = sender.rpartition("@")[2].strip(" >") or "localhost"
    mail["Message-ID"] = f"<{message_id}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office note answers it
    mail.set_content("\n".join(_text(kind, data)) + "\n")
    return mail


async def send(server: MailServer, mail: EmailMessage, *, secs: float = SEND_SECS) -> None:
    """Hand a mail to the server, once. What it has taken is delivered, for us.

    Raises:
        NotDelivered: It was not taken, as far as we know.
    """
    at_home = server.host in AT_HOME
    tls_at_once = server.port == IMPLICIT_TLS_PORT
    try:
        async with asyncio.timeout(secs):
            await aiosmtplib.send(
                mail,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=tls_at_once,
                # On this machine a server need not know TLS; elsewhere it must: there are callers' words in mails.
                start_tls=None if at_home or tls_at_once else True,
                validate_certs=not at_home,
                timeout=secs,
            )
    except TimeoutError:
        raise NotDelivered(f"{server.host} did not take the mail within {secs:g} s") from None
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = sorted({refused.code for refused in error.recipients})
        for_good = all(code >= LEAST_PERMANENT for code in codes)
        raise NotDelivered(
            f"{server.host} refuses the recipients ({', '.join(map(str, codes))}): correct `to`",
            for_good=for_good,
        ) from None
    except aiosmtplib.SMTPAuthenticationError:
        raise NotDelivered(f"{server.host} refuses SMTP_USER and SMTP_PASSWORD: correct them") from None
    except aiosmtplib.SMTPResponseException as error:
        raise NotDelivered(f"{server.host} answered {error.code}") from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise NotDelivered(f"{server.host} could not be used ({type(error).__name__})") from None


def _subject(kind: Kind, data: Mapping[str, Any]) -> str:
    agent = data["call"]["agent"] or "the bot"
    who = _who(data["call"])
    match kind:
        case Kind.MESSAGE_TAKEN:
            return f"Message from {data['message']['caller_name'] or who} ({agent})"
        case Kind.CALL_ENDED:
            return f"Call with {who} has ended: {data['state']} ({agent})"
        case Kind.CALL_STARTED:
            return f"Call with {who} ({agent})"
    return f"Recording of the call with {who} ({agent})"


def _text(kind: Kind, data: Mapping[str, Any]) -> list[str]:
    """The mail's lines."""
    assert kind in KINDS
    call = data["call"]
    lines: list[str] = []
    for message in [data["message"]] if "message" in data else data.get("messages", []):
        lines += [message["message"], ""] if message["message"] else []
        lines += _recorded(message["recording"])
        lines += [f"Name: {message['caller_name']}"] if message["caller_name"] else []
        lines += [f"Call back: {message['callback_number']}"] if message["callback_number"] else []
        lines += [""]
    if kind is Kind.CALL_ENDED:
        lines += _ended(data)
    if "recording" in data:
        lines += [f"Recording: {data['recording']['url']}", ""]
    known = {
        "Agent": call["agent"],
        "From": call["from_number"] or "not known",
        "To": call["to_number"] or "not known",
        "Began": call["created_at"],
        "Call": call["id"],
    }
    return [*lines, *(f"{name}: {value}" for name, value in known.items() if value)]


def _recorded(recording: Mapping[str, Any] | None) -> list[str]:
    """Where a message is that the carrier has recorded."""
    if recording is None:
        return []
    secs = recording["duration_secs"]
    length = f" ({secs} s)" if secs is not None else ""
    return [f"A message was recorded{length}: {recording['url'] or 'its address is not known yet'}", ""]


def _ended(data: Mapping[str, Any]) -> list[str]:
    lines = [f"{data['state']}, ended by {data['ended_by']}: {data['cause']}; {data['talk_secs']:g} s", ""]
    made = data.get("after_call")
    if made:
        lines += [made["summary"], ""] if made["summary"] else []
        lines += [f"Disposition: {made['disposition']}"] if made["disposition"] else []
        lines += [f"{name}: {value}" for name, value in (made["fields"] or {}).items()]
        lines += [""]
    for one in data["transfers"]:
        lines.append(f"Transfer to {one['destination']}: {one['outcome'] or 'not known'}")
    if data["transcript"]:
        lines += ["", *(f"{one['role']}: {one['text']}" for one in data["transcript"]), ""]
    return lines


def _who(call: Mapping[str, Any]) -> str:
    number = call["from_number"] if call["direction"] == "inbound" else call["to_number"]
    return number or "an unknown number"


def _one_line(text: str) -> str:
    """A header's value: a line break in it, from a caller's name, must not begin another header."""
    return re.sub(r"\s+", " ", text)[:LONGEST_SUBJECT]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
