"""All routes of the console, for `server.py`."""

from __future__ import annotations

from fastapi import FastAPI

from web.console import acting, assets, call, live, login, setup
from web.console.console import Console, Sources
from web.web_service import WebService


def add_console(app: FastAPI, service: WebService, sources: Sources) -> None:
    """Have the application answer for the console.

    Args:
        app: The application.
        service: The service.
        sources: What the console may not know itself.
    """
    app.state.console = Console(service, sources)
    pages = (login.router, live.router, call.router, acting.router, setup.router)
    for router in (assets.router, *pages, live.streams, call.streams):
        app.include_router(router)
