"""Pages of the console: who gets them, and what a browser is told with them."""

import pytest

from desk.api_keys import Scope
from tests.console.pages import console
from tests.web_service import running


@pytest.mark.parametrize("path", ["/console/"])
async def test_a_page_is_shown_to_everybody_with_a_key(tmp_path, path):
    async with console(tmp_path, Scope.VIEW) as desk:
        page = await desk.get(path)
        assert page.answer.status_code == 200
        assert "ann · view" in page.text
        page.is_harmless()


async def test_a_stranger_is_sent_to_the_login_and_comes_back(tmp_path):
    async with running(tmp_path, api_key="secret") as service:
        answer = await service.http.get("/console/calls/call_1?x=1")
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/console/login?next=/console/calls/call_1%3Fx%3D1",
        )
