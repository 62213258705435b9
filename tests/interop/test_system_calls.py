"""Counted, not timed: what a chunk costs in system calls, told by strace. The floor is wait, read, and one send each."""

import re
import subprocess
from pathlib import Path

import pytest
from rfc2217 import Raw
from rig import RAW, RFC2217, Pty, Sermux

# Chunks of a row: enough that work done once (a timer that is set, a buffer that grows) does not show.
CHUNKS = 200

CALL = re.compile(rb"^(?:\d+ +)?(\w+)\(", re.MULTILINE)

# A wait without a time limit that does not return while it is watched.
ENDLESS_WAIT = re.compile(rb"^(\d+) +futex\(\w+, FUTEX_WAIT\w*, \d+, NULL\b[^\n]*<(?:unfinished|detached) \.\.\.>$", re.MULTILINE)


def log_thread(pid):
    """The number of the thread that writes the log."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return next(task.name.encode() for task in tasks if (task / "comm").read_text().strip() == "sermux-log")


class Traced:
    """A port with some clients, and strace beside it once they are connected."""

    def __init__(self, started, tool, tmp_path, listener, count):
        self.pty = started(Pty())
        self.sermux = started(Sermux({"p": [f"device: {self.pty.path}"]}, listener))
        self.sermux.opened("p")
        self.clients = [started(Raw(self.sermux.port("p"))) for _ in range(count)]
        self.sermux.clients("p", count)
        self.log = tmp_path / "calls"
        self._tool = tool

    def calls(self, chunk, only=None):
        """How many system calls a chunk takes, or how many of this name, when `chunk` is carried out many times."""
        chunk()
        trace = self._tool("strace", "-f", "-p", str(self.sermux.process.pid), "-o", self.log)
        trace.stderr.wait("strace is attached", lambda said: b"attached" in said)
        chunk()
        before = self._called(only)
        for _ in range(CHUNKS):
            chunk()
        trace.end()
        return (self._called(only) - before) / CHUNKS

    def to_the_line(self, block, sent=None):
        """A chunk: the client sends this, or what stands for it in its protocol, and the line gets it."""

        def chunk():
            self.clients[0].send(sent or block)
            assert self.pty.receive(len(block)) == block

        return chunk

    def _called(self, only):
        return sum(only in (None, name) for name in CALL.findall(self.log.read_bytes()))


@pytest.mark.parametrize(("listener", "count"), [(RAW, 1), (RAW, 4), (RFC2217, 1)], ids=["raw", "raw-4", "rfc2217"])
def test_a_chunk_from_the_line_costs_a_wait_a_read_and_a_send_for_each_client(started, tool, tmp_path, listener, count):
    traced = Traced(started, tool, tmp_path, listener, count)
    sent = 0

    def chunk():
        nonlocal sent
        sent += 1
        said = b"<%d>" % sent
        traced.pty.send(said)
        for client in traced.clients:
            client.wait(f"{said!r}", lambda client=client: client.data.endswith(said))

    # One more is what the issue of a waker or a timer may cost now and then.
    assert traced.calls(chunk) <= 2 + count + 1


def test_a_chunk_to_the_line_costs_a_wait_a_read_and_a_write(started, tool, tmp_path):
    traced = Traced(started, tool, tmp_path, RAW, 1)
    assert traced.calls(traced.to_the_line(b"show version\r\n")) <= 3 + 1


def test_a_large_block_of_a_client_that_is_alone_is_read_at_once(started, tool, tmp_path):
    traced = Traced(started, tool, tmp_path, RAW, 1)
    chunk = traced.to_the_line(bytes(range(240)) * 50)
    # Of 4 KiB each they would be three.
    assert traced.calls(chunk, only=b"recvfrom") <= 2


def test_a_client_is_read_as_much_at_once_as_the_line_has_shown_to_take(started, tool, tmp_path):
    traced = Traced(started, tool, tmp_path, RAW, 1)
    chunk = traced.to_the_line(bytes(range(240)) * 250)
    # As much as 9600 baud are good for, 16 KiB, it would be four at the least.
    assert traced.calls(chunk, only=b"recvfrom") <= 3


def test_0xff_of_a_telnet_client_that_is_alone_is_read_at_once_although_each_is_two(started, tool, tmp_path):
    traced = Traced(started, tool, tmp_path, RFC2217, 1)
    chunk = traced.to_the_line(b"\xff" * 14_000, sent=b"\xff" * 28_000)
    # One, and one that finds nothing more. In blocks for which the queue has room if none is doubled it would be four.
    assert traced.calls(chunk, only=b"recvfrom") <= 3


def test_nothing_is_called_while_nothing_happens(started, tool, tmp_path):
    traced = Traced(started, tool, tmp_path, RAW, 4)
    traced.pty.send(b"x")
    for client in traced.clients:
        client.wait("x", lambda client=client: client.data == b"x")
    traced.sermux.settled()
    trace = tool("strace", "-f", "-p", str(traced.sermux.process.pid), "-o", traced.log)
    trace.stderr.wait("strace is attached", lambda said: b"attached" in said)
    with pytest.raises(subprocess.TimeoutExpired):
        trace.process.wait(2)
    trace.end()
    log = traced.log.read_bytes()
    # To attach interrupts the waits that its threads are in, and the same waits go on. The log's thread waits without a time
    # limit: strace shows such a wait as a new call, and as one that returned if the thread was woken.
    assert b"futex resumed" not in log, log
    writer = log_thread(traced.sermux.process.pid)
    log = ENDLESS_WAIT.sub(lambda wait: b"" if wait[1] == writer else wait[0], log)
    calls = CALL.findall(log)
    assert [call for call in calls if call not in (b"restart_syscall", b"epoll_wait")] == []
    assert len(calls) <= 3, calls
