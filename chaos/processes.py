"""What the kernel says of the server's processes: which there are, who has which connection, what they hold.

Source: proc(5): `/proc/PID/stat` (its session), `/proc/PID/net/tcp`, `/proc/PID/fd`, `/proc/PID/status`. Linux only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SOCKET = re.compile(r"socket:\[(\d+)\]")
ESTABLISHED = "01"


def can_look() -> bool:
    """Whether this machine has what is read here."""
    return (PROC / "self" / "net" / "tcp").exists()


def of_session(session: int) -> list[int]:
    """The processes of a session that have not ended, in the order of their ids."""
    return sorted(pid for pid, found, state in _stats() if found == session and state not in "ZX")


def _stats() -> list[tuple[int, int, str]]:
    found = []
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(errors="replace")
            except OSError:
                continue  # it has just ended
            state, _, _, session = text.rpartition(")")[2].split()[:4]
            found.append((int(folder.name), int(session), state))
    return found


def holders(port: int, pids: Iterable[int]) -> dict[int, int]:
    """Who has the connections of a port: the process by the TCP port of the other end, 127.0.0.1 alone.

    Args:
        port: The server's.
        pids: The server's processes.
    """
    others: dict[str, int] = {}
    for line in (PROC / "self" / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        if local == port and fields[3] == ESTABLISHED:
            others[fields[9]] = remote
    return {others[inode]: pid for pid in pids for inode in _sockets(pid) if inode in others}


def _sockets(pid: int) -> list[str]:
    return [match[1] for target in _files(pid) if (match := SOCKET.fullmatch(target))]


def _files(pid: int) -> list[str]:
    targets = []
    try:
        for name in os.listdir(PROC / str(pid) / "fd"):
            try:
                targets.append(os.readlink(PROC / str(pid) / "fd" / name))
            except OSError:
                continue
    except OSError:
        return []
    return targets


@dataclass(frozen=True)
class Held:
    """What processes hold.

    Parameters:
        memory_mb: Resident memory, MB (10^6 bytes), but for files, as libraries are: `RssAnon`, proc_pid_status(5).
        threads: How many.
        sockets: Open sockets.
        files: Other open files.
    """

    memory_mb: float
    threads: int
    sockets: int
    files: int


def held(pids: Iterable[int]) -> Held:
    """What these processes hold together; nothing is what one holds that has ended."""
    memory, threads, sockets, files = 0.0, 0, 0, 0
    for pid in pids:
        try:
            status = (PROC / str(pid) / "status").read_text()
        except OSError:
            continue
        targets = _files(pid)
        mine = sum(SOCKET.fullmatch(target) is not None for target in targets)
        memory += _number(status, "RssAnon") * 1024 / 1e6
        threads += _number(status, "Threads")
        sockets += mine
        files += len(targets) - mine
    return Held(round(memory, 1), threads, sockets, files)


def _number(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) if found else 0
