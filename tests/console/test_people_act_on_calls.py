"""What people do to a call from its page: by forms, as who they are, and from a page of ours only."""

import pytest

from calls.database.call_database import CallDatabase
from calls.errors import UnderWay
from calls.events.people import NoteGiven, SaidByPerson
from calls.events.talk import Attached
from calls.store import CallStore
from conversation.session import Session
from desk.api_keys import Scope
from tests.console.calls import MadeUp
from tests.console.pages import Shown, console
from tests.sharing import process
from tests.web_service import until

FORMS = {
    "say": {"text": "Hello."},
    "note": {"text": "A note."},
    "transfer": {"destination": "desk"},
    "hangup": {},
}


def on_the_line(desk) -> MadeUp:
    return MadeUp(desk.service.store).answered()


@pytest.mark.parametrize("what", FORMS)
async def test_a_scope_without_it_is_refused(tmp_path, what):
    async with console(tmp_path, Scope.READ) as desk:
        answer = await desk.post(f"/console/calls/{on_the_line(desk).call.id}/{what}", **FORMS[what])
        assert answer.status_code == 403 and "the scope" in answer.text


@pytest.mark.parametrize("what", FORMS)
@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
async def test_a_page_of_another_site_changes_nothing(tmp_path, what, headers):
    async with console(tmp_path) as desk:
        made = on_the_line(desk)
        path = f"/console/calls/{made.call.id}/{what}"
        answer = await desk.http.post(path, data=FORMS[what], headers=headers)
        assert answer.status_code == 403
        assert not made.call.is_over and not made.call.has(SaidByPerson)


@pytest.mark.parametrize("what", FORMS)
async def test_a_session_that_has_ended_leads_to_the_login_and_back_to_the_page(tmp_path, what):
    async with console(tmp_path) as desk:
        call = on_the_line(desk).call
        desk.http.cookies.clear()
        answer = await desk.post(f"/console/calls/{call.id}/{what}", **FORMS[what])
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            f"/console/login?next=/console/calls/{call.id}",
        )
        assert not call.is_over


@pytest.mark.parametrize("what", ["say", "note", "transfer"])
async def test_what_cannot_be_done_is_told_with_the_page(tmp_path, what):
    async with console(tmp_path) as desk:
        made = on_the_line(desk)
        path = f"/console/calls/{made.call.id}/{what}"
        answer = await desk.post(path, **FORMS[what])
        page = Shown(answer)
        assert answer.status_code == 409 and "no bot session talks on the call" in page.text
        assert "Conversation" in page.text and "no-store" in answer.headers["cache-control"]
        headers = {"Origin": desk.service.url, "HX-Request": "true"}
        piece = await desk.http.post(path, data=FORMS[what], headers=headers)
        assert piece.status_code == 409
        assert piece.text.startswith('<hx-partial hx-target="#told"') and "<html" not in piece.text
        made.ended()
        assert "the call has ended" in Shown(await desk.post(path, **FORMS[what])).text


async def test_a_call_is_ended_once_and_who_is_second_learns_it(tmp_path):
    async with console(tmp_path) as desk:
        made = on_the_line(desk).ended()
        path = f"/console/calls/{made.call.id}/hangup"
        answer = await desk.post(path)
        assert answer.headers["location"] == f"/console/calls/{made.call.id}?done=was_over"
        assert "The call had ended before." in (await desk.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    ("what", "form", "words"),
    [
        ("say", {"text": ""}, "text"),
        ("say", {}, "text"),
        ("say", {"text": "x" * 501}, "500"),
        ("say", {"text": " \n "}, "write what"),
        ("note", {"text": "x" * 1001}, "1000"),
        ("note", {"text": "x", "answer_now": "perhaps"}, "answer_now"),
        ("transfer", {"destination": ""}, "destination"),
        ("transfer", {"destination": "desk", "reason": "x" * 1001}, "1000"),
    ],
)
async def test_what_is_wrong_in_a_form_is_named(tmp_path, what, form, words):
    async with console(tmp_path) as desk:
        answer = await desk.post(f"/console/calls/{on_the_line(desk).call.id}/{what}", **form)
        assert answer.status_code == 422
        page = Shown(answer)
        page.is_harmless()
        assert words in page.text


@pytest.mark.parametrize(("form", "status"), [({"text": ""}, 422), ({"text": "Hello."}, 409)])
async def test_a_script_is_told_in_the_page(tmp_path, form, status):
    async with console(tmp_path) as desk:
        headers = {"Origin": desk.service.url, "HX-Request": "true"}
        path = f"/console/calls/{on_the_line(desk).call.id}/say"
        answer = await desk.http.post(path, data=form, headers=headers)
        assert answer.status_code == status
        assert answer.text.startswith('<hx-partial hx-target="#told"') and "<html" not in answer.text
        desk.http.cookies.clear()
        answer = await desk.http.post(path, data=form, headers=headers)
        assert (answer.status_code, answer.text) == (401, "")
        assert answer.headers["hx-redirect"].startswith("/console/login?next=/console/calls/call_")


async def test_what_is_said_in_an_address_is_not_shown(tmp_path):
    async with console(tmp_path) as desk:
        page = await desk.get(f"/console/calls/{on_the_line(desk).call.id}?done=<b>owned</b>&problem=owned")
        assert page.answer.status_code == 200 and "owned" not in page.answer.text


async def test_a_person_speaks_through_the_bot_and_leaves_it_a_note(tmp_path, monkeypatch):
    """The session is real; its voice and its model are not."""
    said, told = [], []

    async def say(self, text, **_):
        said.append(text)
        return True

    async def note(self, text, *, answer=True):
        told.append((text, answer))
        return True

    async with console(tmp_path, openai_api_key="sk-test") as desk:
        made = on_the_line(desk)
        session = _session(desk, made.call, tmp_path)
        monkeypatch.setattr(Session, "say", say)
        monkeypatch.setattr(Session, "note", note)
        path = f"/console/calls/{made.call.id}"
        answer = await desk.post(f"{path}/say", text=" Are you there? ")
        assert answer.headers["location"] == f"{path}?done=said"
        assert said == ["Are you there?"]
        await desk.post(f"{path}/note", text="In a hurry.", answer_now="true")
        assert told[0][0].endswith("In a hurry.") and told[0][1] is True
        events = [one.data for one in made.call.events if isinstance(one, SaidByPerson | NoteGiven)]
        assert events == [
            {"text": "Are you there?", "by": "ann"},
            {"text": "In a hurry.", "answer_now": True, "by": "ann"},
        ]
        shown = (await desk.get(path)).text
        assert "ann had the bot say: Are you there?" in shown and "ann note: In a hurry." in shown
        session.detached("over")


def _session(desk, call, tmp_path) -> Session:
    from calls.control import CallControl
    from conversation.agents.files import load_agent

    agent = load_agent("receptionist", tmp_path / "agents")
    store = desk.service.store
    return Session(
        call=call,
        store=store,
        control=CallControl(call, None, store),
        agent=agent,
        variables={},
        data_dir=tmp_path,
    )


async def test_what_is_done_reaches_the_process_that_talks(tmp_path):
    asked = []

    async def obey(command):
        asked.append((command.what, dict(command.arguments)))
        if command.what == "note":
            raise UnderWay("the bot says goodbye")

    address = f"sqlite+aiosqlite:///{tmp_path / 'calls.db'}"
    async with process(address, obey) as other:
        store = CallStore(CallDatabase(address))
        async with console(tmp_path, store=store) as desk:
            await until(lambda: not store.shared.alone)
            made = MadeUp(other).answered().happens(Attached("MZ1"))
            await other.flush()
            path = f"/console/calls/{made.call.id}"
            assert (await desk.post(f"{path}/say", text="Hello.")).status_code == 303
            answer = await desk.post(f"{path}/note", text="A note.", answer_now="true")
            assert answer.status_code == 409 and "the bot says goodbye" in answer.text
    assert asked == [
        ("say", {"text": "Hello.", "by": "ann"}),
        ("note", {"text": "A note.", "answer_now": True, "by": "ann"}),
    ]
