"""A client whose machine vanished without a word gives its place to the next one; one that is alive keeps it.

As root: the machine is a network namespace whose cable is pulled. The keep-alive alone would take a minute, which is longer
than anything here waits.
"""

import os
import re
import socket
import subprocess
import sys
import time

import dead_peer
import pytest
from dead_peer import CABLE, CLIENT, FAR_END, HERE, NAMESPACE, far, lay_cable, run
from rig import PATIENCE, Pty, Sermux

BUSY = b"port p is busy: 1 of 1 clients\r\n"


@pytest.fixture(scope="module")
def cable():
    if os.geteuid() != 0:
        pytest.skip("needs root, for a network namespace")
    try:
        lay_cable()
        yield
    finally:
        # The other end goes with it, whoever still holds the namespace.
        subprocess.run(["ip", "link", "del", CABLE], check=False)
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)


@pytest.fixture
def holder(cable):
    """A port with room for one client, and that client, on another machine."""
    run(*far("ip", "link", "set", FAR_END, "up"))
    pty, client = Pty(), None
    try:
        with Sermux({"p": [f"device: {pty.path}"]}, f'protocol: raw, address: "{HERE}:0", max-clients: 1') as sermux:
            sermux.opened("p")
            listens = re.compile(rb"listening.*address=%b:(\d+)" % re.escape(HERE.encode()))
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
    with socket.create_connection(address, timeout=PATIENCE) as newcomer:
        sermux.clients("p", 2)
        pty.send(b"for the new one")
        got = newcomer.recv(100)
        assert got.endswith(b"for the new one"), got
    assert dead_peer.gone(sermux, "p")


def test_a_client_that_vanished_on_a_silent_line_gives_way(holder):
    sermux, pty, address = holder
    run(*far("ip", "link", "set", FAR_END, "down"))
    takes_the_place(sermux, pty, address)


def test_a_client_that_vanished_with_bytes_on_their_way_to_it_gives_way(holder):
    sermux, pty, address = holder
    run(*far("ip", "link", "set", FAR_END, "down"))
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
    run(*far("ip", "link", "set", FAR_END, "down"))
    takes_the_place(sermux, pty, address)


def timers(address):
    return subprocess.run(
        ["ss", "-tnoH", "state", "established", "src", "%s:%d" % address], check=True, capture_output=True, text=True
    ).stdout


def test_a_client_that_is_alive_keeps_its_place_whoever_knocks(holder):
    sermux, pty, address = holder
    for _ in range(20):
        with socket.create_connection(address, timeout=PATIENCE) as newcomer:
            assert newcomer.recv(len(BUSY), socket.MSG_WAITALL) == BUSY
    assert not dead_peer.gone(sermux, "p")
    run(*far("ip", "link", "set", FAR_END, "down"))
    takes_the_place(sermux, pty, address)
