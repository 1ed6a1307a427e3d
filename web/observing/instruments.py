"""All metrics that there are: their names, labels and buckets.

In several processes on one port each has its own values, and whichever is asked by Prometheus answers for all of them.
That is the multiprocess mode of prometheus-client: each process keeps its values in a file of a folder that they share,
and the files stay when a process is replaced or dies. Asking the other processes for their values and adding them up
would lose those of a process that is gone: the sums would fall, which Prometheus takes for a restart and counts again
what was counted before. Source: prometheus/client_python, docs/content/multiprocess.

So nothing here may be what that mode has not: exemplars, values that are read when Prometheus asks, and the client's
own metrics of a process (`process_*`). Processor time and memory therefore have names of ours, the same in both modes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

_without_created: Callable[[], None] = disable_created_metrics
_without_created()  # a series more of each, which has no use to Prometheus

WAITS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0)
"""What callers wait for, in seconds: fine where it is felt."""

PARTS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Parts of such a wait."""

REQUESTS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
"""Requests, in seconds: those to a carrier may take 2.5 s, or 10 s to dial; carriers wait some seconds for us."""

LENGTHS = (5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
"""Calls, in seconds."""

RINGS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
"""How long a caller hears the phone ring, in seconds."""

LAGS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5)
"""How late an event loop is, in seconds. Callers hear 0.1 s: so much is sent ahead to carriers."""


class Instruments:
    """The metrics of one service, in a registry of their own.

    Parameters:
        folder: Where all processes that share the port keep their values; None for a process by itself. The variable
            PROMETHEUS_MULTIPROC_DIR must have named it before prometheus-client was imported.
    """

    def __init__(self, folder: str | None = None):
        self._folder = folder
        self._own = own = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"phonebot_{name}", text, labels, registry=own)

        def gauge(name: str, text: str, *labels: str, over_all: Any = "livesum") -> Gauge:
            return Gauge(f"phonebot_{name}", text, labels, registry=own, multiprocess_mode=over_all)

        def seconds(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"phonebot_{name}_seconds", text, labels, buckets=buckets, registry=own)

        self.calls = counter(
            "calls",
            "Calls that have ended, by what they achieved.",
            "carrier",
            "direction",
            "agent",
            "outcome",
        )
        self.live = gauge("calls_live", "Calls that go on.", "state")
        self.call = seconds("call", "From the answer to the end of a call.", LENGTHS)
        self.answer = seconds("answer", "How long callers heard the phone ring.", RINGS, "carrier")
        self.first_words = seconds("first_words", "From the answer to the bot's first sound.", WAITS)
        self.response = seconds(
            "response",
            "From the caller's last sound to the bot's first one, at the phone line.",
            WAITS,
            "agent",
        )
        self.stage = seconds("response_stage", "What a response was waited for.", PARTS, "stage", "service")
        self.interruptions = counter("interruptions", "Turns in which the caller cut the bot off.")
        self.transfers = counter("transfers", "Transfers that have ended, by how.", "outcome")
        self.errors = counter("errors", "What went wrong on calls that may have survived it.", "kind")
        self.failovers = counter("failovers", "A service has gone on for one that failed.", "job", "cause")
        self.dead_air = counter("dead_air", "Silences that the bot had to fill.", "stage", "cause")
        self.turned_away = counter("turned_away", "Calls for which there was no room.", "reason")
        self.refused = counter("refused", "Requests and sockets that were turned down.", "reason")
        self.carrier_request = seconds(
            "carrier_request",
            "Requests to a carrier's REST interface.",
            REQUESTS,
            "carrier",
            "what",
            "status",
        )
        self.webhook = seconds("webhook", "Answers to a carrier's webhooks.", REQUESTS, "route")
        self.media_ignored = counter(
            "media_ignored", "Messages of media streams that could not be used.", "reason"
        )
        self.marks_lost = counter("marks_lost", "Marks that a carrier did not send back in time.")
        self.capacity = gauge("capacity", "Calls that may run at a time; 0 for any number.")
        self.places = gauge("places_taken", "Places that calls have.")
        self.listeners = gauge("listeners", "People who listen in on calls.")
        self.lag = seconds("event_loop_lag", "How late the event loop was, at five looks a second.", LAGS)
        self.unsaved = gauge("database_unsaved_calls", "Calls of which the database does not have all.")
        self.behind = gauge(
            "database_behind_seconds",
            "How long the oldest change has waited for the database.",
            over_all="livemax",
        )
        self.processes = gauge("processes", "Processes that answer on the port.")
        self.memory = gauge("memory_bytes", "Memory that these processes have in use.")
        self.cpu = counter("cpu_seconds", "Processor time that these processes took.")

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """What Prometheus reads, of all processes. It takes milliseconds: not in the thread of the calls.

        Args:
            accept: The `Accept` header of the request.

        Returns:
            The text, and its type.
        """
        registry = self._own
        if self._folder is not None:
            registry = CollectorRegistry()
            of_all: Any = MultiProcessCollector  # which says nothing of its types
            of_all(registry, path=self._folder)
        encode: Callable[[CollectorRegistry], bytes]
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


def memory_bytes() -> float:
    """How much memory this process has in use; 0 where the system does not say so. Source: proc(5), statm."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return float(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return 0.0
