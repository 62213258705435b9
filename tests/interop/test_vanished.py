"""A client whose machine vanished without a word gives its place to the next one; one that is alive keeps it.

As root: the machines are network namespaces, and the cable between them is pulled. The keep-alive alone would take a minute,
which is longer than anything here waits.
"""

import os
import re
import socket
import subprocess
import sys
import time

import dead_peer
import pytest
from dead_peer import CLIENT, FAR_END, HERE, connect_at_home, far, home, pull, run
from rig import PATIENCE, Pty, Sermux

BUSY = b"port p is busy: 1 of 1 client\r\n"


@pytest.fixture(scope="module")
def cable():
    if os.geteuid() != 0:
        pytest.skip("needs root, for a network namespace")
    with dead_peer.cable():
        yield


@pytest.fixture
def holder(cable):
    """A port with room for one client, and that client, on another machine."""
    run(*far("ip", "link", "set", FAR_END, "up"))
    pty, client = Pty(), None
    try:
        with Sermux(
            {"p": [f"device: {pty.path}"]},
            f'protocol: raw, address: "{HERE}:0", max-clients: 1',
            program=home(os.environ["SERMUX_BIN"]),
        ) as sermux:
            sermux.opened("p")
            listens = re.compile(rb"event=listener\.listening .*address=%b:(\d+)" % re.escape(HERE.encode()))
            port = int(sermux.stderr.wait("it listens", listens.search)[1])
            client = subprocess.Popen(far(sys.executable, "-c", CLIENT, HERE, str(port)), stdout=subprocess.PIPE)
            client.stdout.readline()
            sermux.clients("p", 1)
            yield sermux, pty, (HERE, port)
    finally:
        if client:
            client.kill()
            client.wait()
            client.stdout.close()
        pty.close()


def takes_the_place(sermux, pty, address):
    with connect_at_home(address, PATIENCE) as newcomer:
        sermux.clients("p", 2)
        pty.send(b"for the new one")
        got = newcomer.recv(100)
        assert got.endswith(b"for the new one"), got
    assert dead_peer.gone(sermux, "p")


def test_a_client_that_vanished_on_a_silent_line_gives_way(holder):
    sermux, pty, address = holder
    pull()
    takes_the_place(sermux, pty, address)


def test_a_client_that_vanished_with_bytes_on_their_way_to_it_gives_way(holder):
    sermux, pty, address = holder
    pull()
    pty.send(b"never acknowledged")
    takes_the_place(sermux, pty, address)


def test_a_client_that_vanished_with_no_room_for_what_was_sent_to_it_gives_way(holder):
    sermux, pty, address = holder
    pty.send(bytes(200_000))
    # The kernel asks it whether it has room, after ever longer times.
    persists = re.compile(r"timer:\(persist,(\d+)(?:\.\d+)?sec")
    deadline = time.monotonic() + PATIENCE
    while not any(int(seconds) >= 4 for seconds in persists.findall(timers(address))):
        assert time.monotonic() < deadline, timers(address)
        time.sleep(0.05)
    pull()
    takes_the_place(sermux, pty, address)


def timers(address):
    return subprocess.run(
        home("ss", "-tnoH", "state", "established", "src", "%s:%d" % address), check=True, capture_output=True, text=True
    ).stdout


def test_a_client_that_is_alive_keeps_its_place_whoever_knocks(holder):
    sermux, pty, address = holder
    for _ in range(20):
        with connect_at_home(address, PATIENCE) as newcomer:
            assert newcomer.recv(len(BUSY), socket.MSG_WAITALL) == BUSY
    assert not dead_peer.gone(sermux, "p")
    pull()
    takes_the_place(sermux, pty, address)
