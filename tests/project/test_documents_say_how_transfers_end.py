"""What README and docs/call-control.md say of voicemail boxes and of colleagues who decline is what stories hear."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import yaml

from emulator.stories.story import CARRIERS
from settings import ROOT

README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
PAGE = (ROOT / "docs" / "call-control.md").read_text(encoding="utf-8")
DOCUMENTS, COMMANDS = ("twilio", "telnyx"), ("telnyx-call-control",)

BOX, DECLINES, PRESSES_2 = "a voicemail box answers", "is declined", "2 is pressed"


def told_by(path: Path) -> Iterator[tuple[str, bool, str, str]]:
    """What a story tells: what the colleague does, whether they are asked first, the carrier, the outcome."""
    story = yaml.safe_load(path.read_text(encoding="utf-8"))
    agent = story.get("agent") or ""
    transfers = tomllib.loads(agent).get("transfers", {}) if "=" in agent else {}
    for person in (story.get("people") or {}).values():
        does = {"voicemail": BOX, "declines": DECLINES}.get(person.get("does", "answers"))
        if any(isinstance(step, dict) and str(step.get("press")) == "2" for step in person.get("steps", [])):
            does = PRESSES_2
        for name, transfer in transfers.items():
            if does is None or transfer.get("number") != person["number"]:
                continue
            for outcome in outcomes(story, name):
                for carrier in story.get("carriers", DOCUMENTS):
                    yield does, transfer.get("warm", False), carrier, outcome


def outcomes(story: dict, destination: str) -> list[str]:
    events = [
        event
        for one in story["expect"]
        for event in one.get("api_events", [])
        if isinstance(event, dict) and event.get("kind") == "transfer_ended"
    ]
    return [event["outcome"] for event in events if event.get("destination") == destination]


TOLD = sorted({told for path in (ROOT / "tests" / "stories").glob("*.yaml") for told in told_by(path)})


def ended(does: str, *, warm: bool) -> dict[str, set[str]]:
    """How it ended in stories, by carrier."""
    found: dict[str, set[str]] = {}
    for what, asked, carrier, outcome in TOLD:
        if (what, asked) == (does, warm):
            found.setdefault(carrier, set()).add(outcome)
    return found


def said(does: str, *, warm: bool) -> str:
    """The cell of the table."""
    (row,) = re.findall(rf"^\| {re.escape(does)} \| (.+?) \| (.+?) \|$", PAGE, flags=re.MULTILINE)
    return row[1 if warm else 0]


def test_a_box_that_answers_a_cold_transfer_has_the_caller():
    assert ended(BOX, warm=False) == {carrier: {"connected"} for carrier in CARRIERS}
    assert said(BOX, warm=False).startswith("`connected`: the caller talks to the box")
    assert "put through cold, the caller talks to the box" in README


def test_a_box_never_gets_a_caller_whose_colleague_is_asked_first():
    assert ended(BOX, warm=True) == {carrier: {"voicemail"} for carrier in CARRIERS}
    assert said(BOX, warm=True).startswith("`voicemail`")
    assert "A voicemail box never gets a caller whose colleague is asked first" in README


def test_a_cold_call_that_is_declined_is_busy_where_documents_run_it():
    assert ended(DECLINES, warm=False) == {
        carrier: {"declined" if carrier in COMMANDS else "busy"} for carrier in CARRIERS
    }
    assert said(DECLINES, warm=False) == "`busy` by documents (TwiML, TeXML), `declined` by Call Control"


def test_a_colleague_who_is_asked_and_presses_2_declines():
    assert ended(PRESSES_2, warm=True) == {carrier: {"declined"} for carrier in CARRIERS}
    assert said(DECLINES, warm=True).startswith("`declined` when 2 is pressed")


def test_voicemail_is_not_among_what_brings_every_caller_back():
    assert "Busy, no answer, declined or a carrier that fails: the caller is back with the bot" in README
