"""The console in a real Chromium, beside calls of the emulator that a real bot of beeps answers."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from conversation.session import attached_to
from desk.api_keys import FILE, Scope, add, new_key
from emulator import Digits, Wait
from tests.console.calls import MadeUp
from tests.talking_bot import API_KEY, talking
from tests.web_service import running, until

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def answers(words: str) -> list:
    """A number of sentences, or the goodbye."""
    if "2" in words:
        return [("end_call", {"farewell": "Bye."})]
    return ["This is one sentence. And another one."]


def a_key(folder, scope: Scope = Scope.ADMIN, name: str = "ann") -> str:
    key, kept = new_key(name, scope, 0)
    add(folder / FILE, kept)
    return key


async def log_in(page, key: str) -> None:
    await page.fill("#key", key)
    await page.click("main button[type=submit]")
    await page.wait_for_selector("nav[aria-label=Pages]")


def shows(page, selector: str, text: str):
    from playwright.async_api import expect

    return expect(page.locator(selector).first).to_contain_text(text, timeout=10_000)


def hides(page, selector: str):
    from playwright.async_api import expect

    return expect(page.locator(selector)).to_have_count(0, timeout=15_000)


@asynccontextmanager
async def answered(monkeypatch, tmp_path, browser, script, **options):
    """A bot that talks on a call, and its page in a browser."""
    async with talking(monkeypatch, tmp_path, "twilio", answers, **options) as bot:
        async with browser(f"{bot.url}/console/") as watched:
            await log_in(watched.page, API_KEY)
            calling = asyncio.create_task(bot.network.call(bot.url, script))
            try:
                await until(lambda: bot.store.list() and attached_to(bot.store.list()[0]))
                yield bot, watched, bot.store.list()[0]
            finally:
                calling.cancel()
                await asyncio.gather(calling, return_exceptions=True)


async def test_a_call_appears_is_followed_and_goes(monkeypatch, tmp_path, browser):
    script = [Wait(6), Digits("1#"), Wait(8), Digits("2#"), Wait(9)]
    async with answered(monkeypatch, tmp_path, browser, script) as (_, watched, call):
        page = watched.page
        await shows(page, "#rows tr", "talking")
        await shows(page, "#live-count", "1 live")
        await shows(page, "#rows tr", "bot Hello.")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/console/calls/{call.id}")
        await shows(page, "#lines .bot .text", "Hello.")
        await shows(page, "#lines .caller .text", "DTMF: 1")
        await shows(page, "#lines .pending", "This is one sentence.")
        await shows(page, "#call-head", "completed")
        await shows(page, "#call-head", "ended by the bot")
        await hides(page, "#acts button")
        watched.is_clean()


async def test_what_people_do_to_a_call_is_done_and_said(monkeypatch, tmp_path, browser):
    environment = {"OPENAI_API_KEY": "sk-a-key-that-is-never-used"}
    async with answered(monkeypatch, tmp_path, browser, [Wait(60)], **environment) as (bot, watched, call):
        page = watched.page
        await page.click("#rows a.row")
        await page.keyboard.press("s")
        await page.keyboard.type("Please hold on.")
        await page.click("text=Say it")
        await shows(page, "#told", "The bot was given the words.")
        await shows(page, "#lines .person .text", "Please hold on.")
        await until(lambda: any("hold on" in str(one.data) for one in call.events if one.kind == "bot_heard"))
        await page.keyboard.press("s")
        await page.keyboard.type(HOSTILE)
        await page.click("text=Say it")
        await shows(page, "#told [role=alert]", "nothing of it can be spoken")
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await page.keyboard.type("They are in a hurry.")
        await page.check("[name=answer_now]")
        await page.click("text=Give it")
        await shows(page, "#told", "The bot knows of it.")
        await until(lambda: any("in a hurry" in str(one) for one in bot.contexts))
        await page.keyboard.press("h")
        await page.click("#hangup .danger")
        await shows(page, "#call-head", "ended by a person")
        assert await page.title() != "owned"
        assert call.is_over
        watched.complaints = [one for one in watched.complaints if "422" not in one]
        watched.is_clean()


async def test_a_caller_is_put_through_and_a_second_time_is_refused(monkeypatch, tmp_path, browser):
    async with answered(monkeypatch, tmp_path, browser, [Wait(60)]) as (_, watched, _call):
        page = watched.page
        await page.click("#rows a.row")
        for told in ("The caller is being put through.", "being put through"):
            await page.keyboard.press("t")
            await page.select_option("#transfer-to", "boss")
            await page.fill("#transfer-reason", "An invoice.")
            await page.click("#transfer .primary")
            await shows(page, "#told", told)
        await shows(page, "#told [role=alert]", "wait for the outcome")
        await shows(page, "#lines", "put through to boss")
        watched.complaints = [one for one in watched.complaints if "409" not in one]
        watched.is_clean()


async def test_everything_works_without_scripts(monkeypatch, tmp_path, browser):
    async with (
        talking(monkeypatch, tmp_path, "twilio", answers) as bot,
        browser(f"{bot.url}/console/", java_script_enabled=False) as watched,
    ):
        page = watched.page
        await log_in(page, API_KEY)
        assert "Nobody is on the line." in await page.inner_text("main")
        calling = asyncio.create_task(bot.network.call(bot.url, [Wait(60)]))
        await until(lambda: bot.store.list() and attached_to(bot.store.list()[0]))
        await page.goto(f"{bot.url}/console/")
        await page.click("#rows a.row")
        await page.click("text=Say…")
        await page.fill("#say-text", "Are you there?")
        await page.click("text=Say it")
        assert "The bot was given the words." in await page.inner_text("#told")
        await page.click("text=Note to the bot…")
        await page.fill("#note-text", "A note.")
        await page.click("text=Give it")
        assert "no model that could take a note" in await page.inner_text("[role=alert]")
        await page.click("text=Hang up…")
        await page.click("#hangup .danger")
        assert "The call is being ended." in await page.inner_text("#told")
        await until(lambda: bot.store.list()[0].is_over)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        watched.complaints = [one for one in watched.complaints if "422" not in one]
        watched.is_clean()


async def test_two_people_hang_up_the_same_call(monkeypatch, tmp_path, browser):
    async with answered(monkeypatch, tmp_path, browser, [Wait(60)]) as (_, watched, _call):
        page = watched.page
        await page.click("#rows a.row")
        other = await page.context.new_page()
        await other.goto(page.url)
        for one in (page, other):
            await one.click("text=Hang up…")
        await asyncio.gather(page.click("#hangup .danger"), other.click("#hangup .danger"))
        for one in (page, other):
            await shows(one, "#call-head", "ended by a person")
        watched.is_clean()


async def test_whoever_only_looks_on_sees_and_does_less(tmp_path, browser):
    key = a_key(tmp_path / "data", Scope.VIEW)
    async with running(tmp_path) as service, browser(f"{service.url}/console/") as watched:
        page = watched.page
        await log_in(page, key)
        talk = MadeUp(service.store).answered().caller("My number is +12025550143.")
        await shows(page, "#rows tr", "+1…0143")
        await page.click("#rows a.row")
        await shows(page, "#lines .caller .text", "My number is +1…0143.")
        assert await page.locator("#acts button").count() == 0
        talk.caller("Or 202 555 0177.")
        await shows(page, "#lines", "Or …0177")
        assert "5550" not in await page.content()
        watched.is_clean()


async def test_a_session_that_ends_leads_to_the_login(tmp_path, browser):
    from desk.api_keys import ApiKeys, revoke
    from tests.web_service import make_settings

    key = a_key(tmp_path / "data")
    async with running(tmp_path) as service, browser(f"{service.url}/console/") as watched:
        page = watched.page
        await log_in(page, key)
        talk = MadeUp(service.store).answered()
        await shows(page, "#rows tr", "talking")
        [kept] = ApiKeys(make_settings(data_dir=tmp_path / "data")).good()
        revoke(tmp_path / "data" / FILE, kept)
        talk.caller("Nobody sees this.")
        await page.wait_for_url("**/console/login**", timeout=15_000)
        assert watched.strangers == []


async def test_a_page_says_when_its_stream_is_lost(tmp_path, browser):
    key = a_key(tmp_path / "data")
    async with AsyncExitStack() as server:
        service = await server.enter_async_context(running(tmp_path))
        async with browser(f"{service.url}/console/") as watched:
            page = watched.page
            await log_in(page, key)
            MadeUp(service.store).answered()
            await shows(page, "#rows tr", "talking")
            assert not await page.locator("#stale").is_visible()
            await server.aclose()
            await page.locator("#stale").wait_for(state="visible", timeout=20_000)
            assert watched.strangers == []


@pytest.mark.parametrize("public_url", [None, "https://a-tunnel.example.com"])
async def test_the_link_of_the_start_logs_in_without_a_key(tmp_path, browser, public_url):
    async with running(tmp_path, public_url=public_url) as service:
        link = service.app.state.console.link.make()
        async with browser(f"{service.url}/console/login?link={link}") as watched:
            page = watched.page
            await page.click("text=Log in on this machine")
            await shows(page, ".key", "This machine · admin")
            await page.click("text=Setup")
            await shows(page, "h1", "Setup")
            await page.click("text=Check now")
            await shows(page, ".notice", "were asked as well")
            await page.click("text=Sign out")
            await shows(page, "h1", "Log in")
            watched.is_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
async def test_everybody_can_use_it(tmp_path, browser, scheme, size):
    """axe-core finds nothing serious on any page, and nothing is wider than the window."""
    key = a_key(tmp_path / "data")
    viewport = {"width": size[0], "height": size[1]}
    async with (
        running(tmp_path) as service,
        browser(f"{service.url}/console/login", color_scheme=scheme, viewport=viewport) as watched,
    ):
        page = watched.page
        long = MadeUp(service.store, number="sip:" + "a" * 60 + "@example.com").answered()
        long.bot("Hello.", "How can I help you today?").caller(HOSTILE).caller("x" * 300).bot("Yes.", ms=2050)
        over = MadeUp(service.store).answered().bot("Hello.", heard=False).caller("Bye.").ended()

        async def fits() -> None:
            assert await watched.findings() == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        await fits()
        await log_in(page, key)
        for path in ("/", f"/calls/{long.call.id}", f"/calls/{over.call.id}", "/setup"):
            await page.goto(f"{service.url}/console{path}")
            await fits()
        await page.goto(f"{service.url}/console/calls/{long.call.id}")
        for name in ("Say…", "Note to the bot…", "Hang up…"):
            await page.click(f"text={name}")
            await fits()
            await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        await fits()
        watched.is_clean()
