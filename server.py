"""The service: webhooks, media sockets and API in one process. `python server.py`, or `create_app()`."""

from __future__ import annotations

if __name__ == "__main__":
    from environment import need_packages

    need_packages()

# Before numpy, whose native library reads its number of threads when it is imported
from settings import ROOT, Settings, SettingsError, hand_on_opentelemetry, load_settings, read_given

# isort: split
import argparse
import asyncio
import gc
import importlib
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from conversation.private_log import WORDS_ARE_LOGGED, keep_words_out, log_to_stderr
from deployment.metrics_folder import make_metrics_folder
from deployment.start import StartError, check, look_over, notes

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pipecat.runner.types import WebSocketRunnerArguments

    from calls.store import CallStore

USAGE_ERROR = 2
"""Exit status when the configuration is at fault."""

MAX_SOCKET_MESSAGE_BYTES = 1 << 20
"""Carriers send messages of less than a kB; a longer one than this closes the socket."""

FIRST_KEPT_SOCKET = 3
"""The file descriptor of a socket that a supervisor passes on. Source: systemd docs, sd_listen_fds(3)."""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names prometheus-client the folder of several processes, before it is imported."""

SHUTDOWN_SECS = 5
"""How long a service whose calls have ended waits for requests that are being answered."""


def create_app(
    settings: Settings | None = None,
    *,
    run_bot: Callable[[WebSocketRunnerArguments], Awaitable[None]] | None = None,
    store: CallStore | None = None,
    warm_up: Callable[[], Awaitable[None]] | None = None,
    look_over: Callable[[], Coroutine[Any, Any, None]] | None = None,
    metrics_folder: str | None = None,
) -> FastAPI:
    """Build the service as an ASGI application.

    Args:
        settings: What the operator configured; read from the environment when not given.
        run_bot: Talks on one media socket until it is over; `bot.bot` when not given.
        store: The calls; the process's own when not given.
        warm_up: Loads what the first call would otherwise wait for. With `bot.bot` it is the default agent's
            services, else nothing.
        look_over: Says in the log what is wrong with the deployment, while calls are answered already.
        metrics_folder: Where the processes that share the port keep the values of their metrics.

    Raises:
        SettingsError: A variable cannot be used.
        DatabaseUnusable: DATABASE_URL cannot be understood. `deployment.start.check` opens the database; one that
            cannot be used later is logged, and calls wait for it.
    """
    from fastapi import FastAPI

    from calls.store import default_store
    from carriers import descriptors
    from deployment.banner import addresses
    from deployment.checkup import NOT_SET
    from deployment.database import spool_of
    from deployment.doctor import examine
    from desk.keys import AddressKeys, deployment_secrets
    from desk.live_calls import obey_others
    from desk.tokens import StreamTokens
    from desk.unknown_calls import Lookout
    from web import api, callers, documentation, drain, health, listening, lists, metrics, recordings
    from web.bodies import BodyLimits
    from web.console.console import Sources
    from web.console.routes import add_console
    from web.entrance import Entrance
    from web.failures import answer_failures
    from web.media import media_router
    from web.observing.observing import Observing
    from web.observing.webhook_times import WebhookTimes
    from web.routes import webhook_router
    from web.web_service import WebService

    settings = settings or load_settings()
    keep_words_out(words_allowed=settings.log_callers_words)
    if run_bot is None and settings.pipecat_cloud_public_key is None:
        warm_up = warm_up or _warm_up_of(settings)

    async def prepare() -> None:
        await service.prepare()
        if warm_up is not None:
            await warm_up()
            service.leftovers.loaded()

    if store is None:
        store = default_store(settings.calls_database)
        if (spool := spool_of(settings)) is not None:
            store.spool_to(spool)
    secrets = deployment_secrets(settings)
    service = WebService(
        settings=settings,
        public_url=settings.public_url or f"http://127.0.0.1:{settings.port}",
        store=store,
        tokens=StreamTokens(*secrets),
        keys=AddressKeys(secrets),
        run_bot=run_bot or _bot,
        readiness=health.Readiness(prepare if warm_up or run_bot is None else None),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start(obey_others)
        await observing.start()
        if settings.public_url and settings.public_url.startswith("https://"):
            # At another address no carrier's number can lead here, so none of its calls is ours.
            ours = addresses(settings, settings.public_url)
            service.later(Lookout(service, ours).run(), "looking for calls that nobody knows")
        if look_over is not None:
            service.later(look_over(), "looking over the deployment")
        preparing = asyncio.create_task(service.readiness.prepare(), name="warm-up")
        try:
            yield
        finally:
            preparing.cancel()
            with suppress(asyncio.CancelledError):
                await preparing
            await observing.aclose()
            await service.aclose()

    app = FastAPI(
        title="phonebot",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    observing = Observing(service, metrics_folder)
    app.state.service, app.state.observing = service, observing
    webhooks = [webhook_router(one) for one in descriptors()]
    own = (lists, api, recordings, listening, callers, documentation, drain, health, metrics)
    for router in (*webhooks, media_router(), *(one.router for one in own)):
        app.include_router(router)
    add_console(
        app,
        service,
        Sources(
            examine=lambda offline: examine(settings, read_given(), offline=offline),
            addresses=lambda: addresses(settings, service.public_url),
            not_set=NOT_SET,
        ),
    )
    app.add_middleware(WebhookTimes, times=observing.instruments.webhook)
    app.add_middleware(Entrance, service=service)
    app.add_middleware(BodyLimits)
    answer_failures(app)
    return app


async def _bot(arguments: WebSocketRunnerArguments) -> None:
    """`bot.session`, imported in a thread: importing it takes seconds, and other calls are talking."""
    module = await asyncio.to_thread(importlib.import_module, "bot")
    await module.session(arguments)


def _warm_up_of(settings: Settings) -> Callable[[], Awaitable[None]]:
    async def warm_up() -> None:
        await asyncio.to_thread(importlib.import_module, "bot")
        pipeline = await asyncio.to_thread(importlib.import_module, "conversation.pipeline")
        agents = importlib.import_module("conversation.agents.files")
        await pipeline.warm_up(agents.load_agent(settings.agent, settings.agents_dir), settings)

    return warm_up


def listen(host: str, port: int) -> socket.socket:
    """Open the port, or take over the one that a supervisor keeps open (systemd's socket activation).

    It is the first thing that a start does: carriers that call meanwhile wait for their answer, and are not refused.
    A port of the supervisor's is open even while no process is there. Source: systemd docs, sd_listen_fds(3).

    Raises:
        StartError: It cannot be opened.
    """
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0":
        return socket.socket(fileno=FIRST_KEPT_SOCKET)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # "::" is every address, and people who write it mean the old ones, too.
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both)
    except (socket.gaierror, UnicodeError):
        raise StartError(
            f"HOST {host!r} is not an address of this machine: use 127.0.0.1, 0.0.0.0 or ::"
        ) from None
    except PermissionError:
        raise StartError(
            f"port {port} may not be opened: choose one above 1023 with --port or PORT"
        ) from None
    except OSError as error:
        if "in use" in str(error):
            raise StartError(
                f"port {port} is in use: stop the program that has it, or choose another with --port or PORT"
            ) from None
        raise StartError(
            f"{host}:{port} cannot be opened ({error.strerror}): check --host and --port"
        ) from None


EXAMPLES = """\
examples:
  %(prog)s
  %(prog)s --port 8080 --agent reminder
  %(prog)s --host 0.0.0.0                (for others than this machine)
  %(prog)s --workers auto                (a process a core: docs/scaling.md)

SIGTERM and Ctrl+C let running calls end (DRAIN_SECS), a second one stops at once
exit status: 0 it was stopped, 2 it cannot start, and why"""


def main(arguments: Sequence[str] | None = None, *, program: str | None = None) -> int:
    """Serve until stopped.

    Args:
        arguments: What stands on the command line; that of the process when not given.
        program: How help calls the command; the name of the process's program when not given.

    Returns:
        The exit status.
    """
    from carriers import descriptors

    parser = argparse.ArgumentParser(
        prog=program,
        description=f"Answer calls from {' and '.join(one.title for one in descriptors())}.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on (HOST, default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (PORT, default 7860)")
    parser.add_argument("--agent", help="name of the agent that answers (AGENT, default receptionist)")
    parser.add_argument(
        "--workers", help="processes that share the port, and are watched; auto is one a core (WORKERS)"
    )
    parser.add_argument(
        "--worker", help=argparse.SUPPRESS
    )  # what `deployment.workers` calls this program with
    chosen = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    try:
        if (post := chosen.pop("worker", None)) is not None:
            return _serve_as_worker(post)
        settings = load_settings(**chosen)
        log_to_stderr(settings.log_level)
        if settings.log_callers_words:
            print(WORDS_ARE_LOGGED, flush=True)
        return _serve(settings, chosen)
    except (SettingsError, StartError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR


def _serve(settings: Settings, chosen: dict[str, Any]) -> int:
    from carriers.cloud import CloudError
    from deployment import worker_plan
    from deployment.banner import start_lines
    from deployment.tunnel import find_tunnel
    from desk.api_keys import ApiKeys
    from web.stopping import ServerProcess

    listener = listen(settings.host, settings.port)
    with listener:
        answers = check(settings)
        tunnel = None if settings.public_url else find_tunnel(settings.ngrok_api_url, settings.port)
        if tunnel:
            settings = settings.model_copy(update={"public_url": tunnel})
        public_url = settings.public_url or f"http://127.0.0.1:{settings.port}"
        try:
            lines = start_lines(settings, public_url, tunnel=tunnel is not None)
        except CloudError as error:
            raise StartError(str(error)) from None
        lines += [*answers, *notes(settings, read_given())]
        os.environ.pop(METRICS_FOLDER, None)  # somebody else's: one process keeps its metrics in memory
        if settings.workers is not None:
            kept = {**chosen, **({"public_url": tunnel} if tunnel else {})}
            needed = "" if ApiKeys(settings).good() else " (set API_KEY, which it asks for)"
            lines.append(f"Console: {public_url}/console/{needed}")
            print("\n".join([*lines, worker_plan.line(settings)]), flush=True)
            worker_plan.become_parent(
                settings, listener, kept, program=ROOT / "server.py", metrics=_metrics_of_all()
            )
        app = _app(settings, partial(look_over, settings))
        server = ServerProcess(uvicorn_config(app), app.state.service.drain)
        lines += app.state.console.lines()
        print("\n".join(lines), flush=True)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    return 0 if server.started else 1


def _metrics_of_all() -> str:
    """Name prometheus-client a folder for the metrics of all workers; empty when none can be made."""
    try:
        os.environ[METRICS_FOLDER] = make_metrics_folder()
    except OSError as error:
        print(f"Each process tells its own metrics only: no folder can be made for those of all ({error})")
    return os.environ.get(METRICS_FOLDER, "")


def _serve_as_worker(text: str) -> int:
    """Serve on the port that a parent has opened, and give it signs of life (`deployment.workers`)."""
    from deployment import pulse
    from web.stopping import ServerProcess

    post = pulse.take_post(text)
    gc.disable()  # a sixth of the start is looking for garbage where there is none yet
    settings = load_settings(**post.settings)
    log_to_stderr(settings.log_level)
    if not post.checked:
        check(settings)
    app = _app(settings, partial(look_over, settings) if post.first else None, os.environ.get(METRICS_FOLDER))

    drain = app.state.service.drain
    drain.tell_all = lambda number: os.kill(os.getppid(), number)

    class Server(ServerProcess):
        def let_go(self) -> None:
            for one in getattr(self, "servers", ()):  # which it has once it listens
                one.close()
            drain.leave()

        async def serve(self, sockets: list[socket.socket] | None = None) -> None:
            async with pulse.pulsing(
                post,
                serves=lambda: self.started,
                is_ready=lambda: app.state.service.readiness.reason is None,
                let_go=self.let_go,
                all_stop=drain.note_all_stop,
            ):
                await super().serve(sockets)

    server = Server(uvicorn_config(app), drain)
    drain.give_up_port = server.let_go
    gc.enable()
    with socket.socket(fileno=post.listener) as listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0 if server.started else 1


def _app(
    settings: Settings,
    look_over: Callable[[], Coroutine[Any, Any, None]] | None,
    metrics_folder: str | None = None,
) -> FastAPI:
    from calls.database.errors import DatabaseUnusable

    hand_on_opentelemetry()
    try:
        return create_app(settings, look_over=look_over, metrics_folder=metrics_folder)
    except DatabaseUnusable as error:
        raise StartError(str(error)) from None


KEEP_ALIVE_SECS = 75
"""How long an idle HTTP connection is kept open."""


def uvicorn_config(app: Any) -> Any:
    """How uvicorn serves the application.

    Its own pings are off: it is not documented that carriers answer them, and a call must not end for that.
    Its log starts at errors: below, it has the addresses of media sockets, which hold their tokens, and a line for each
    request that is none.
    Forwarding headers are not believed: `web.trust` wants to know who really connected.
    """
    import uvicorn

    from web.connections import Connections, http_protocol, websocket_protocol

    limited: dict[str, Any] = {}
    if (service := getattr(app.state, "service", None)) is not None:
        connections = Connections(
            service.settings.max_connections, service.settings.max_connections_per_peer, service.refusals
        )
        limited = {"http": http_protocol(connections), "ws": websocket_protocol(connections)}
    return uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        ws_ping_interval=None,
        ws_ping_timeout=None,
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,
        # Longer than carriers and load balancers keep an idle connection: who closes first loses no request.
        timeout_keep_alive=KEEP_ALIVE_SECS,
        timeout_graceful_shutdown=SHUTDOWN_SECS,
        lifespan="on",
        **limited,
    )


if __name__ == "__main__":
    sys.exit(main())
