"""What the parent of several processes does when one of them dies, hangs or cannot start, and when it dies itself."""

import os
import signal
import socket
import time

import httpx
import pytest

from server import listen
from tests.workers.parents import is_alive, parent, until


def test_processes_share_the_port(tmp_path):
    with parent(tmp_path, 2, settings={"agent": "sales"}) as one:
        first, second = one.serve(2)
        said = one.workers(first, second)
        assert first != second
        assert one.process.pid not in said
        assert {said[first]["number"], said[second]["number"]} == {1, 2}
        # What is to be done once is done by the first one
        assert (said[first]["first"], said[second]["first"]) == (True, False)
        assert said[second]["settings"] == {"agent": "sales"}


def test_one_that_is_killed_is_started_anew_and_the_others_answer_meanwhile(tmp_path):
    with parent(tmp_path, 2) as one:
        first, second = one.serve(2)
        os.kill(first, signal.SIGKILL)
        before = time.monotonic()
        while len(one.started) < 3:
            assert one.ask(timeout=5)["pid"] != first
            assert time.monotonic() - before < 30
        third = one.started[2]
        assert one.workers(third, second)[third]["number"] == 1
        assert not one.workers(third)[third]["first"]
        assert f"Worker 1 (process {first}) was ended by SIGKILL: another one is started at once" in one.log


def test_one_that_hangs_says_where_and_is_replaced(tmp_path):
    with parent(tmp_path, 2, watchdog_secs=2) as one:
        one.serve(2)
        with pytest.raises(httpx.HTTPError):
            one.ask("/hang")
        one.serve(3)
        assert "has given no sign of life for 2 s: it is ended" in one.log
        assert "was ended by SIGABRT: another one is started at once" in one.log
        assert "in hang" in one.log  # where it hung
        assert len(one.running) == 2


def test_one_that_cannot_even_write_down_where_it_hangs_is_killed(tmp_path):
    with parent(tmp_path, 2, watchdog_secs=2) as one:
        first, second = one.serve(2)
        os.kill(second, signal.SIGSTOP)
        third = one.serve(3)[2]
        assert f"Worker 2 (process {second}) was ended by SIGKILL" in one.log
        one.workers(first, third)


def test_a_machine_that_stood_still_ends_nobody(tmp_path):
    with parent(tmp_path, 2, watchdog_secs=2) as one:
        pids = one.serve(2)
        everybody = [one.process.pid, *pids]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(5)
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
        time.sleep(3)
        assert one.running == pids


def test_no_watchdog_ends_nobody(tmp_path):
    with parent(tmp_path, 1, watchdog_secs=0) as one:
        (first,) = one.serve(1)
        os.kill(first, signal.SIGSTOP)
        time.sleep(3)
        os.kill(first, signal.SIGCONT)
        assert one.ask()["pid"] == first


def test_what_cannot_start_is_tried_a_few_times_with_pauses(tmp_path):
    (tmp_path / "exit").write_text("1")
    before = time.monotonic()
    with parent(tmp_path, 2) as one:
        assert one.process.wait(60) == 1
        assert time.monotonic() - before > 1 + 2 + 4
        assert one.log.count("the settings are wrong") == 5
        assert one.log.count("another one is started at once") == 1
        assert "another one is started in 4 s" in one.log
        assert "No worker comes up (5 tries): the lines above say why" in one.log


def test_a_wrong_setting_stops_the_start(tmp_path):
    (tmp_path / "exit").write_text("2")
    with parent(tmp_path, 2) as one:
        assert one.process.wait(60) == 2
        assert one.log == "the settings are wrong\n"


def test_a_setting_that_becomes_wrong_stops_nobody_who_serves(tmp_path):
    with parent(tmp_path, 2) as one:
        first, second = one.serve(2)
        (tmp_path / "exit").write_text("2")
        os.kill(first, signal.SIGKILL)
        until(lambda: "has ended with status 2: another one is started in" in one.log, "it is tried again")
        assert one.ask()["pid"] == second
        (tmp_path / "exit").unlink()
        third = one.serve(3)[2]
        one.workers(second, third)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_what_runs_and_leaves_nobody(tmp_path, number):
    with parent(tmp_path, 2) as one:
        pids = one.serve(2)
        slow = socket.create_connection(("127.0.0.1", int(one.url.rpartition(":")[2])))
        slow.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        time.sleep(0.3)
        one.send(number)
        assert one.process.wait(30) == 0
        assert b"200 OK" in slow.recv(4096)
        slow.close()
        assert [pid for pid in pids if is_alive(pid)] == []
        assert "started at once" not in one.log


def test_the_second_stop_ends_whoever_is_left(tmp_path):
    with parent(tmp_path, 1) as one:
        (pid,) = one.serve(1)
        one.ask("/stubborn")
        one.send(signal.SIGTERM)
        until(lambda: one.ask()["asked"] == ["stop"], "the signal is passed on")
        one.send(signal.SIGTERM)
        until(lambda: one.ask()["asked"] == ["stop", "stop"], "so is the second one")
        assert one.process.wait(30) == 0
        assert not is_alive(pid)


def test_a_terminal_that_is_closed_ends_all(tmp_path):
    terminal, end = os.openpty()
    with parent(tmp_path, 2, stdin=end) as one:
        os.close(end)
        pids = one.serve(2)
        os.close(terminal)
        one.send(signal.SIGHUP)  # which the kernel sends when it is the terminal of the session
        assert one.process.wait(30) == 0
        assert not any(map(is_alive, pids))
        assert "are replaced" not in one.log


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    with parent(tmp_path, 2) as one:
        pids = one.serve(2)
        one.process.kill()
        one.process.wait()
        until(lambda: not any(map(is_alive, pids)), "the workers end")
        assert one.log.count("The parent process is gone") == 2


def test_the_port_is_free_at_once_though_a_worker_finishes_something(tmp_path):
    with parent(tmp_path, 1) as one:
        (pid,) = one.serve(1)
        port = int(one.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
            time.sleep(0.3)
            one.process.kill()
            until(lambda: "The parent process is gone" in one.log, "it is noticed")
            assert is_alive(pid)
            listen("127.0.0.1", port).close()
            assert b"200 OK" in slow.recv(4096)


def test_a_request_to_drain_reaches_all_and_who_comes_after_them(tmp_path):
    with parent(tmp_path, 2) as one:
        first, second = one.serve(2)
        one.send(signal.SIGUSR1)
        until(lambda: one.workers(first)[first]["asked"] == ["drain"], "the first one is asked")
        until(lambda: one.workers(second)[second]["asked"] == ["drain"], "so is the second one")
        os.kill(first, signal.SIGKILL)
        third = one.serve(3)[2]
        until(lambda: one.workers(third)[third]["asked"] == ["drain"], "so is its successor")
        one.send(signal.SIGHUP)
        *_, fourth, fifth = one.serve(5)
        assert one.workers(fourth, fifth)[fifth]["asked"] == []


def test_a_drain_that_is_taken_back_holds_for_nobody(tmp_path):
    with parent(tmp_path, 1) as one:
        (first,) = one.serve(1)
        one.send(signal.SIGUSR1)
        until(lambda: one.workers(first)[first]["asked"] == ["drain"], "it is asked")
        one.send(signal.SIGUSR2)
        until(lambda: one.workers(first)[first]["asked"] == ["drain", "take calls"], "it is asked again")
        os.kill(first, signal.SIGKILL)
        second = one.serve(2)[1]
        time.sleep(1)
        assert one.workers(second)[second]["asked"] == []


def test_workers_are_replaced_without_a_gap(tmp_path):
    with parent(tmp_path, 2) as one:
        first, second = one.serve(2)
        with socket.create_connection(("127.0.0.1", int(one.url.rpartition(":")[2]))) as slow:
            slow.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
            time.sleep(0.3)
            one.send(signal.SIGHUP)
            most = 2
            while len(one.started) < 4 or is_alive(first) or is_alive(second):
                assert one.ask(timeout=5)["pid"]
                most = max(most, len(one.running))
            assert b"200 OK" in slow.recv(4096)
        third, fourth = one.started[2:]
        said = one.workers(third, fourth)
        assert {said[third]["number"], said[fourth]["number"]} == {1, 2}
        # They look at the configuration again, as it may be another one
        assert not said[third]["checked"]
        assert most <= 3


def test_what_cannot_take_over_replaces_nobody(tmp_path):
    with parent(tmp_path, 2) as one:
        pids = one.serve(2)
        (tmp_path / "exit").write_text("2")
        one.send(signal.SIGHUP)
        until(lambda: "before it was ready: the others stay as they are" in one.log, "it is told")
        (tmp_path / "exit").unlink()
        time.sleep(1)
        assert one.started == pids
        one.workers(*pids)


def test_nobody_leaves_before_the_successor_is_ready(tmp_path):
    with parent(tmp_path, 1) as one:
        (first,) = one.serve(1)
        (tmp_path / "unready").touch()
        one.send(signal.SIGHUP)
        second = one.serve(2)[1]
        time.sleep(2)
        assert is_alive(first)
        (tmp_path / "unready").unlink()
        until(lambda: not is_alive(first), "it leaves")
        assert one.ask()["pid"] == second
