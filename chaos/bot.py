"""The real server with a voice and ears of tones and a model that plays a part: `python chaos/bot.py [--workers N]`.

Everything else is the product, in as many processes as it is told. The part is put in when the product loads what
calls need, and not before: how soon a new process answers webhooks is the product's own time.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TASKS = "/chaos/tasks"
PIPELINE = "conversation.pipeline"
THREADS = 40
"""More than asyncio's pool has: 32, or 4 more than processors (`concurrent.futures.ThreadPoolExecutor`)."""


class WhenLoaded(importlib.abc.MetaPathFinder):
    """Puts the part in as soon as the product has imported its pipeline."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Only the pipeline's is found here, once."""
        if name != PIPELINE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_give_part(module: ModuleType) -> None:
            execute(module)
            from tests.story_bot import give_part, read_part

            part = read_part(Path(os.environ["STORY"]))
            assert part is not None
            give_part(part)

        loader.exec_module = execute_and_give_part
        return spec


def count_tasks(app: Any) -> None:
    """Let the service say how many tasks it has: nobody can see that from outside. One of its processes answers.

    It gives back the memory that it has and does not use: what is left is what it holds. (The C library keeps pages of
    what was freed for the next call, the more the more calls there were at the same time: malloc_trim(3).) And the pool
    of threads, which makes one when it first needs one more, has all of them from the first look on.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    @app.get(TASKS)
    async def tasks() -> dict[str, int]:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, time.sleep, 0.05) for _ in range(THREADS)))
        gc.collect()
        if trim is not None:
            trim(0)
        return {"process": os.getpid(), "tasks": len(asyncio.all_tasks())}


def main() -> int:
    """Serve, as `python server.py` does; the processes that a parent starts are this program, too."""
    sys.path[0] = str(ROOT)  # beside this file, modules have names of their own
    import server
    from deployment import worker_plan

    become_parent = worker_plan.become_parent

    def become_our_parent(*arguments: Any, program: Path, **named: Any) -> None:
        become_parent(*arguments, program=Path(__file__).resolve(), **named)

    ours: Any = worker_plan
    ours.become_parent = become_our_parent
    create_app = server.create_app

    def create_our_app(*arguments: Any, **named: Any) -> Any:
        app = create_app(*arguments, **named)
        count_tasks(app)
        return app

    product: Any = server
    product.create_app = create_our_app
    sys.meta_path.insert(0, WhenLoaded())
    return server.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
