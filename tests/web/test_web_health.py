"""Alive at once, ready when calls would be answered at once."""

import asyncio

import pytest

from tests.web_service import Running, running


async def ready(service: Running) -> tuple[int, dict]:
    answer = await service.http.get("/readyz")
    return answer.status_code, answer.json()


async def test_ready_when_warmed_up(tmp_path):
    warm = asyncio.Event()

    async def warm_up() -> None:
        await warm.wait()

    async with running(tmp_path, warm_up=warm_up) as service:
        assert (await service.http.get("/healthz")).status_code == 200
        assert await ready(service) == (503, {"ready": False, "reason": "warming up"})
        warm.set()
        await asyncio.sleep(0.05)
        assert await ready(service) == (200, {"ready": True})


async def test_a_failed_warm_up_is_the_reason_and_the_service_goes_on(tmp_path):
    async def warm_up() -> None:
        raise RuntimeError("DEEPGRAM_API_KEY is wrong")

    async with running(tmp_path, warm_up=warm_up) as service:
        await asyncio.sleep(0.05)
        assert await ready(service) == (503, {"ready": False, "reason": "DEEPGRAM_API_KEY is wrong"})
        assert (await service.http.get("/healthz")).status_code == 200


async def test_a_service_that_is_stopped_while_it_warms_up_stops(tmp_path):
    async def warm_up() -> None:
        await asyncio.sleep(60)

    async with asyncio.timeout(10):
        async with running(tmp_path, warm_up=warm_up) as service:
            assert (await ready(service))[0] == 503


async def test_without_a_warm_up_it_is_ready_at_once(tmp_path):
    async with running(tmp_path) as service:
        assert await ready(service) == (200, {"ready": True})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_load_balancer_may_ask_with_head(tmp_path, path):
    async with running(tmp_path) as service:
        answer = await service.http.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
