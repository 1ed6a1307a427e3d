"""Pipecat Cloud on loopback: the API that its command line tool talks to, and the addresses that carriers dial.

It knows what is documented, in the harsher reading: names of secret sets are unique over all regions, an agent finds
those of its own region only, a set is provisioned after a moment, and with `websocket_auth = "token"` no socket is
opened without a token. Images are not built: `deployed` applies the Dockerfile's COPY lines to what was uploaded.

Sources: Pipecat docs, REST reference (openapi.json), guides/regions, guides/websocket-authentication and
guides/telephony; pipecatcloud 1.4.0.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import re
import shutil
import socket
import sys
import tarfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
import websockets
from fastapi import FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse

from tests.base_application import SESSION_ID_HEADER

ORGANIZATION = "quiet-blue-heron-1234"
TOKEN = "pcc_pat_0123456789"
PUBLIC_KEY = "pk_0123456789"
REGIONS = ("us-west", "us-east", "eu-central", "ap-south")
MAX_BODY_BYTES = 4096


@dataclass
class SecretSet:
    """A named set of secrets, which lies in one region."""

    region: str
    values: dict[str, str] = field(default_factory=dict)
    status: str = "pending"


@dataclass
class PipecatCloud:
    """The platform, and what was done to it.

    Parameters:
        url: The API's address.
        app: The application behind it.
        secrets: Secret sets by name.
        agents: What was deployed last, by the agent's name.
        contexts: What was uploaded to be built, by build.
        sessions: The ids of the sessions that were routed to an agent, and the bodies that they came with.
        started: The bodies of requests for a token.
        bot: Address of the base application (ws://HOST:PORT/ws) that all agents are routed to.
        answers_start: In place of an answer to a request for a token: a status, or a way to be slow.
    """

    url: str = ""
    app: FastAPI = field(default_factory=FastAPI)
    secrets: dict[str, SecretSet] = field(default_factory=dict)
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    contexts: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    sessions: dict[str, str | None] = field(default_factory=dict)
    started: list[dict[str, Any]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    bot: str = ""
    answers_start: Callable[[], Awaitable[JSONResponse | None]] | None = None

    def __post_init__(self) -> None:
        """Put the routes together."""
        self.app.add_exception_handler(HTTPException, _error)  # type: ignore[arg-type]
        _add_management(self)
        _add_media(self)

    def tools_environment(self, home: Path) -> dict[str, str]:
        """What points the command line tool here, and away from anybody's own account."""
        return {
            "HOME": str(home),
            "PIPECAT_HUB_CHECK": "0",
            "PIPECAT_API_HOST": self.url,
            "PIPECAT_TOKEN": TOKEN,
            "PIPECAT_ORG": ORGANIZATION,
            "PIPECAT_CONFIG_PATH": str(home / "pipecatcloud.toml"),
        }

    def deployed(self, agent: str, folder: Path) -> Path:
        """Make the folder that an agent's image has at /app, beside the base image's own files."""
        context = folder.parent / f"{folder.name}-context"
        with tarfile.open(fileobj=io.BytesIO(self.contexts[self.agents[agent]["buildId"]])) as archive:
            archive.extractall(context, filter="data")
        apply_copy_lines(context, folder)
        return folder


def apply_copy_lines(context: Path, folder: Path) -> None:
    """Do what the Dockerfile's COPY lines do, with the default of its ARG."""
    folder.mkdir()
    text = (context / "Dockerfile").read_text(encoding="utf-8")
    for name, value in re.findall(r"^ARG (\w+)=(\S+)$", text, flags=re.MULTILINE):
        text = text.replace(f"${{{name}}}", value)
    for line in re.findall(r"^COPY (.+)$", text, flags=re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            into = folder / target / Path(source).name if target.endswith("/") else folder / target
            if (context / source).is_dir():
                shutil.copytree(context / source, into)
            else:
                shutil.copy2(context / source, into)


async def pipecat(cloud: PipecatCloud, home: Path, folder: Path, *arguments: str, **environment: str) -> str:
    """Run `pipecat cloud ...` in a folder, with a home and an account of its own.

    Returns:
        What it prints.

    Raises:
        AssertionError: It fails.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipecat.cli.main", "cloud", *arguments),
        cwd=folder,
        env={**os.environ, **cloud.tools_environment(home), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@asynccontextmanager
async def pipecat_cloud(*, certificate: Path | None = None) -> AsyncIterator[PipecatCloud]:
    """Run the platform on a free port, over TLS if a certificate and its key are given in one PEM file."""
    cloud = PipecatCloud()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tls = {"ssl_certfile": certificate, "ssl_keyfile": certificate} if certificate else {}
        cloud.url = f"http{'s' if tls else ''}://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(cloud.app, log_level="warning", lifespan="off", **tls))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield cloud
        finally:
            server.should_exit = True
            await serving


async def _error(_: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": error.detail, "code": str(error.status_code)}, error.status_code)


def _add_management(cloud: PipecatCloud) -> None:
    app, base = cloud.app, f"/v1/organizations/{ORGANIZATION}"

    @app.middleware("http")
    async def who_asks(request: Request, call_next: Any) -> Any:
        key = {"/v1/organizations": TOKEN, "/v1/public": PUBLIC_KEY}
        for path, expected in key.items():
            given = request.headers.get("authorization")
            if request.url.path.startswith(path) and given != f"Bearer {expected}":
                return JSONResponse({"error": "Unauthorized", "code": "401"}, 401)
        return await call_next(request)

    @app.get("/v1/organizations")
    async def organizations() -> Any:
        return {"organizations": [{"name": ORGANIZATION, "verboseName": "Willow Dental"}]}

    @app.get(f"{base}/regions")
    async def regions() -> Any:
        known = {"supported_architectures": ["arm64", "amd64"]}
        return {"regions": [{"code": code, "display_name": code, **known} for code in REGIONS]}

    @app.get(f"{base}/properties")
    async def properties() -> Any:
        return {"properties": {"defaultRegion": "us-west"}}

    @app.get(f"{base}/secrets/{{name}}")
    async def secret_set(name: str) -> Any:
        if name not in cloud.secrets:
            raise HTTPException(404, "Secret set not found")
        found = cloud.secrets[name]
        answer = {
            "secrets": [{"fieldName": key} for key in found.values],
            "region": found.region,
            "status": found.status,
        }
        found.status = "ready"  # provisioned by the time that somebody asks again
        return answer

    @app.put(f"{base}/secrets/{{name}}", status_code=202)
    async def set_secret(name: str, secret: dict[str, Any]) -> Any:
        region = secret.get("region", "us-west")
        if region not in REGIONS:
            raise HTTPException(400, "Invalid region or organization does not have access")
        known = cloud.secrets.setdefault(name, SecretSet(region))
        if known.region != region:
            raise HTTPException(
                400, f"Secret already exists in region '{known.region}'. Cannot change region to '{region}'."
            )
        known.values[secret["secretKey"]] = secret["secretValue"]
        return {"status": "OK", "region": region}

    @app.get(f"{base}/builds")
    async def builds(contextHash: str) -> Any:
        done = contextHash in cloud.contexts
        return {"builds": [{"id": contextHash, "status": "success"}] if done else []}

    @app.post(f"{base}/builds/upload-url")
    async def upload_url() -> Any:
        upload = uuid.uuid4().hex
        fields = {"key": upload, "Content-Type": "application/gzip"}
        return {"uploadId": upload, "uploadUrl": f"{cloud.url}/bucket", "uploadFields": fields}

    @app.post("/bucket", status_code=204)
    async def upload(request: Request) -> None:
        async with request.form() as form:
            if list(form)[-1] != "file":
                raise HTTPException(400, "the file must be the last field")
            cloud.uploads[str(form["key"])] = await form["file"].read()  # type: ignore[union-attr]

    @app.post(f"{base}/builds")
    async def build(order: dict[str, Any]) -> Any:
        context = cloud.uploads.get(order["uploadId"])
        if context is None:
            raise HTTPException(404, "Upload not found")
        with tarfile.open(fileobj=io.BytesIO(context)) as archive:
            status = "success" if order["dockerfilePath"] in archive.getnames() else "failed"
        build_id = hashlib.md5(context).hexdigest()[:16]
        cloud.contexts[build_id] = context
        return {"build": {"id": build_id, "status": status}, "contextHash": build_id, "cached": False}

    @app.get(f"{base}/builds/{{build_id}}")
    async def built(build_id: str) -> Any:
        if build_id not in cloud.contexts:
            raise HTTPException(404, "Build not found")
        return {"build": {"id": build_id, "status": "success", "buildDurationSeconds": 1}}

    @app.get(f"{base}/services/{{name}}")
    async def agent(name: str) -> Any:
        if name not in cloud.agents:
            raise HTTPException(404, "Agent not found")
        return {"body": {"name": name, "ready": True, "available": True, **cloud.agents[name]}}

    @app.post(f"{base}/services")
    @app.put(f"{base}/services")
    async def deploy(order: dict[str, Any]) -> Any:
        region = order.get("region", "us-west")
        secrets = cloud.secrets.get(order.get("secretSet", ""))
        if secrets is None or secrets.region != region:
            raise HTTPException(400, f"There is no secret set of this name in {region}")
        if secrets.status != "ready":
            raise HTTPException(409, "The secret set is not ready")
        if order.get("buildId") not in cloud.contexts and "image" not in order:
            raise HTTPException(400, "There is no such build")
        cloud.agents[order["serviceName"]] = order
        return {"name": order["serviceName"]}


def _add_media(cloud: PipecatCloud) -> None:
    app = cloud.app

    @app.post("/v1/public/{agent}/start")
    async def start(agent: str, order: dict[str, Any]) -> Any:
        cloud.started.append(order)
        if cloud.answers_start is not None and (answer := await cloud.answers_start()) is not None:
            return answer
        if agent not in cloud.agents:
            raise HTTPException(404, "Agent not found")
        body = json.dumps(order["body"]).encode() if "body" in order else b""
        if body and cloud.agents[agent].get("websocketAuth") != "token":
            raise HTTPException(400, "body is not supported without token authentication")
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, "body is too large")
        host, token = f"{agent}.{ORGANIZATION}", uuid.uuid4().hex
        cloud.tokens[token] = host
        answer = {
            "token": token,
            "wsUrl": f"ws{cloud.url.removeprefix('http')}/ws/generic/{host}",
            "sessionId": str(uuid.uuid4()),
        }
        return answer | ({"body": base64.b64encode(body).decode()} if body else {})

    @app.websocket("/ws/generic/{host}")
    @app.websocket("/ws/generic/{host}/{token}")
    async def generic(websocket: WebSocket, host: str, token: str = "") -> None:
        token = websocket.query_params.get("token") or token
        open_to_all = _auth(cloud, host) == "none"
        if not open_to_all and cloud.tokens.pop(token, None) != host:
            await websocket.close()  # before it is accepted: 403
            return
        await websocket.accept()
        await _relay(cloud, websocket, [], websocket.query_params.get("body"))

    @app.websocket("/ws/{carrier}")
    async def carrier(websocket: WebSocket, carrier: str) -> None:
        await websocket.accept()
        first: list[str] = []
        with suppress(WebSocketDisconnect):
            while not first or json.loads(first[-1])["event"] != "start":
                first.append(await websocket.receive_text())
            started = json.loads(first[-1])["start"]
            host = (
                started["customParameters"].get("_pipecatCloudServiceHost")
                if carrier == "twilio"
                else websocket.query_params.get("serviceHost")
            )
            if _auth(cloud, host or "") != "none":
                await websocket.close(1008)
                return
            await _relay(cloud, websocket, first, websocket.query_params.get("body"))


def _auth(cloud: PipecatCloud, host: str) -> str | None:
    """How sockets to an agent are protected; None when there is no such agent."""
    agent, _, organization = host.rpartition(".")
    if organization != ORGANIZATION or agent not in cloud.agents:
        return None
    return str(cloud.agents[agent].get("websocketAuth", "none"))


async def _relay(cloud: PipecatCloud, websocket: WebSocket, first: list[str], body: str | None) -> None:
    session_id = str(uuid.uuid4())
    cloud.sessions[session_id] = body
    query = f"?body={body}" if body else ""
    async with websockets.connect(
        cloud.bot + query, additional_headers={SESSION_ID_HEADER: session_id}, compression=None
    ) as agent:
        for message in first:
            await agent.send(message)

        async def to_agent() -> None:
            with suppress(WebSocketDisconnect, websockets.ConnectionClosed):
                async for message in websocket.iter_text():
                    await agent.send(message)
            await agent.close()

        async def to_carrier() -> None:
            with suppress(RuntimeError, WebSocketDisconnect):
                async for message in agent:
                    await websocket.send_text(str(message))
                await websocket.close()

        await asyncio.gather(to_agent(), to_carrier())
