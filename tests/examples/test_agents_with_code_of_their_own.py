"""The agents of `examples/` that have tools and hooks work in a folder outside the project, in whole calls."""

import re
import shutil
import sqlite3

import pytest

from conversation.agents import modules
from conversation.public import BotSession
from emulator import Digits
from settings import ROOT
from tests.talking_bot import talking

TOOLS = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of somebody's, with nothing in it."""
    monkeypatch.setenv("BAKERY_DB", str(tmp_path / "bakery.db"))
    folder = tmp_path / "my-bots"
    folder.mkdir()
    return folder


def put(example, folder):
    for file in (ROOT / "examples" / example).iterdir():
        if file.is_file():
            shutil.copy(file, folder)


async def placed(monkeypatch, tmp_path, carrier, folder, agent, answers, script, **options):
    async with talking(
        monkeypatch, tmp_path, carrier, answers, AGENTS_DIR=str(folder), AGENT=agent, **options
    ) as bot:
        await bot.network.call(bot.url, list(script))
    (call,) = bot.store.list()
    return call


def heard(call):
    return [event.data["text"] for event in call.events if event.kind == "bot_heard"]


@pytest.mark.parametrize("carrier", ["twilio", "telnyx"])
async def test_a_bakery_with_two_tools_and_a_database(monkeypatch, tmp_path, folder, carrier):
    put("bakery", folder)

    def answers(words):
        if "1" in words:
            return [("price_of", {"cake": "cheesecake", "pieces": 2})]
        if "2" in words:
            return [("order", {"name": "Ann", "cake": "cheesecake", "day": "2026-11-30"})]
        if "9" in words:
            return [("end_call", {"farewell": "Bye."})]
        return ["Fine."]

    script = [Digits("1#"), Digits("2#"), Digits("9#")]
    call = await placed(monkeypatch, tmp_path, carrier, folder, "bakery", answers, script)
    assert heard(call) == ["This is the Corner Bakery. What can I bake for you?", "Fine.", "Fine.", "Bye."]
    used = [(one.data["name"], one.data["result"]) for one in call.events if one.kind == "tool"]
    assert used[:2] == [("price_of", {"dollars": 62}), ("order", {"order_number": 1})]
    database = sqlite3.connect(tmp_path / "bakery.db")
    assert database.execute("SELECT name, cake, day FROM orders").fetchall() == [
        ("Ann", "cheesecake", "2026-11-30")
    ]
    assert database.execute("SELECT ended FROM calls").fetchall() == [("completed",)]

    again = await placed(monkeypatch, tmp_path, carrier, folder, "bakery", answers, [Digits("9#")])
    assert heard(again)[0].startswith("Welcome back, Ann.")


async def test_a_clock_with_a_service_and_a_processor_of_its_own(monkeypatch, tmp_path, folder):
    put("clock", folder)
    call = await placed(monkeypatch, tmp_path, "twilio", folder, "clock", lambda _: ["No."], [Digits("1#")])
    said = heard(call)
    assert said[0] == "This is the speaking clock."
    assert re.fullmatch(r"It is (\d\d:\d\d\.|\d\d o'clock\.)|It is .*", said[1]) and "No." not in said
    clock = next(
        one for name, one in modules.sys.modules.items() if name.endswith(".clock") and "phonebot" in name
    )
    assert clock.TURNS["caller"] == 1 and clock.TURNS["bot"] >= 2


async def test_the_example_of_the_page_works(monkeypatch, tmp_path, folder):
    code = next(code for code in re.findall(r"```python\n(.*?)```", TOOLS, re.DOTALL) if "price_of" in code)
    (folder / "cakes.py").write_text(code)
    (folder / "cakes.toml").write_text('greeting = "Hello."\ninstructions = "x"\n')

    def answers(words):
        if "1" in words:
            return [("price_of", {"cake": "apple cake", "pieces": 2})]
        return [("end_call", {"farewell": "Bye."})]

    call = await placed(monkeypatch, tmp_path, "twilio", folder, "cakes", answers, [Digits("1#")])
    assert next(one.data["result"] for one in call.events if one.kind == "tool") == {"dollars": 48}


def test_the_page_has_every_hook_every_name_of_the_session_and_every_option():
    from conversation import public
    from conversation.hooks import PLACES, SERVICES

    rows = re.findall(r"^\| `(?:await |async def |def )?(\w+)", TOOLS, re.MULTILINE)
    session = [name for name in vars(BotSession) if not name.startswith("_")]
    decorators = ["filler", "asks_for", "waits_for_others", "offered"]
    assert all(callable(getattr(public, name)) for name in decorators)
    options = ["timeout_secs", "cancel_on_interruption"]
    assert [name for name in (*session, *decorators, *options, *modules.HOOKS) if name not in rows] == []
    assert [name for name in (*PLACES, *SERVICES) if f"`{name}`" not in TOOLS] == []
    assert [row for row in rows if row not in (*session, *decorators, *options, *modules.HOOKS)] == []
