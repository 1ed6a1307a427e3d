"""The server finds its address in the answers of ngrok agents, of version 3 and before.

The answers are the examples of ngrok's documentation of the agent's API, with other names and ports, and what an agent
2.3.41 without a tunnel was seen to answer.
"""

import asyncio

import pytest

from deployment.tunnel import find_tunnel
from tests.fake_rest import Answer, fake_rest

PORT = 7860


def endpoint(url="https://a.ngrok.app", upstream="http://localhost:7860"):
    return {
        "name": "command_line",
        "uri": "/api/endpoints/command_line",
        "url": url,
        "upstream": {"url": upstream, "protocol": "https"},
        "inspect": True,
        "pooling_enabled": True,
    }


def tunnel(url="https://a.ngrok.app", address="http://localhost:7860"):
    return {
        "name": "command_line",
        "uri": "/api/tunnels/command_line",
        "public_url": url,
        "proto": "https",
        "config": {"addr": address, "inspect": True},
    }


def answer(kind, items):
    """What an agent answers; without the list, one that does not know the path."""
    if items is None:
        return Answer.json(404, {"status_code": 404, "msg": "Not Found", "details": {"path": f"/api/{kind}"}})
    return Answer.json(200, {kind: items, "uri": f"/api/{kind}"})


async def found(endpoints=None, tunnels=None, port=PORT):
    async with fake_rest(answer("endpoints", endpoints), answer("tunnels", tunnels)) as agent:
        return await asyncio.to_thread(find_tunnel, agent.url, port)


async def test_an_agent_that_lists_endpoints_alone_is_understood():
    assert await found(endpoints=[endpoint()]) == "https://a.ngrok.app"


async def test_an_agent_that_lists_tunnels_alone_is_understood():
    assert await found(tunnels=[tunnel()]) == "https://a.ngrok.app"


async def test_a_tunnel_is_found_when_no_endpoint_is_ours():
    assert await found([endpoint(upstream="http://localhost:80")], [tunnel("https://b")]) == "https://b"


async def test_an_old_agent_without_a_tunnel_has_no_address():
    assert await found(tunnels=[]) is None


@pytest.mark.parametrize(
    ("url", "upstream", "is_ours"),
    [
        ("https://a.ngrok.app", "7860", True),
        ("https://a.ngrok.app", "http://localhost:8000", False),
        ("https://api.internal", "http://localhost:7860", False),
        ("https://*.ngrok.app", "http://localhost:7860", False),
        ("http://a.ngrok.app", "http://localhost:7860", False),
        ("tcp://a.ngrok.app:1", "localhost:7860", False),
    ],
)
async def test_only_a_public_https_address_of_our_port_is_taken(url, upstream, is_ours):
    assert await found(endpoints=[endpoint(url, upstream)]) == (url if is_ours else None)


async def test_an_address_without_a_port_means_the_one_of_its_scheme():
    assert await found(endpoints=[endpoint(upstream="http://localhost")], port=80) == "https://a.ngrok.app"


@pytest.mark.parametrize(
    "odd", [None, 7, "text", {}, {"upstream": None}, {"url": 1, "upstream": {"url": None}}]
)
async def test_one_that_cannot_be_read_does_not_hide_the_next(odd):
    assert await found(endpoints=[odd, endpoint()]) == "https://a.ngrok.app"
