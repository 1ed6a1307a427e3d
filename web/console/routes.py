"""All routes of the console, for `server.py`."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from web.console import assets, call, live


def console_routers() -> Sequence[APIRouter]:
    """The routes of the pages, of what they do, and of their files."""
    return [one.router for one in (assets, live, call)]
