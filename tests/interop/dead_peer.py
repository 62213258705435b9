#!/usr/bin/env python3
"""How soon sermux disconnects a client whose machine vanished without a word, on a silent port and on a busy one.

    SERMUX_BIN=target/release/sermux python3 tests/interop/dead_peer.py

As root: each of the two machines is a network namespace, so that nothing between them depends on the host's firewall, and the
cable is pulled. Takes a minute, and fails after 70 s; meanwhile a client that is alive must get every byte of the busy port.
"""

import contextlib
import ctypes
import os
import re
import socket
import subprocess
import sys
import time

from rig import RAW, Pty, Sermux

LIMIT = 70.0
SENTENCE = b"the line goes on\n"
HERE, THERE = "10.99.183.1", "10.99.183.2"
HOME, FAR = f"sermux{os.getpid()}a", f"sermux{os.getpid()}b"
NEAR_END, FAR_END = f"sx{os.getpid()}a"[:15], f"sx{os.getpid()}b"[:15]

CLIENT = """
import socket, sys, time
sockets = [socket.create_connection((sys.argv[1], int(port))) for port in sys.argv[2:]]
print("connected", flush=True)
time.sleep(300)
"""


def run(*arguments):
    subprocess.run(arguments, check=True)


def home(*arguments):
    """This command on the machine that has the ports."""
    return ["ip", "netns", "exec", HOME, *arguments]


def far(*arguments):
    """This command on the client's machine."""
    return ["ip", "netns", "exec", FAR, *arguments]


@contextlib.contextmanager
def cable():
    """The two machines and the cable between them."""
    try:
        run("ip", "netns", "add", HOME)
        run("ip", "netns", "add", FAR)
        run("ip", "link", "add", NEAR_END, "netns", HOME, "type", "veth", "peer", "name", FAR_END, "netns", FAR)
        for machine, end, address in [(home, NEAR_END, HERE), (far, FAR_END, THERE)]:
            run(*machine("ip", "addr", "add", f"{address}/24", "dev", end))
            run(*machine("ip", "link", "set", "lo", "up"))
            run(*machine("ip", "link", "set", end, "up"))
        yield
    finally:
        # The cable goes with its end, even while a process still holds a namespace.
        for command in (home("ip", "link", "del", NEAR_END), ["ip", "netns", "del", HOME], ["ip", "netns", "del", FAR]):
            subprocess.run(command, check=False)


def pull():
    run(*far("ip", "link", "set", FAR_END, "down"))


# sched.h
CLONE_NEWNET = 0x40000000


def connect_at_home(address, timeout):
    """A connection from a program on the machine that has the ports."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as outside, open(f"/run/netns/{HOME}", "rb") as inside:
        if libc.setns(inside.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.create_connection(address, timeout=timeout)
        finally:
            if libc.setns(outside.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")


def gone(sermux, port):
    return re.search(rb"event=client\.disconnected .*port=%b client=%b" % (port.encode(), THERE.encode()), sermux.stderr.bytes())


def watch(sermux, line, reader):
    """How long each port's client stayed, in seconds, and how many bytes the reader got meanwhile."""
    pulled, stayed, sent = time.monotonic(), {}, 0
    while len(stayed) < 2:
        # So little that what is held for the dead one is less than the backlog: only the time can end it.
        time.sleep(0.05)
        line.send(SENTENCE)
        got = b""
        while len(got) < len(SENTENCE):
            got += reader.recv(len(SENTENCE) - len(got))
        assert got == SENTENCE, got
        sent += len(got)
        since = time.monotonic() - pulled
        assert since < LIMIT, f"still there after {since:.0f} s: {sermux.stderr.bytes().decode()}"
        for port in ["silent", "busy"]:
            if port not in stayed and gone(sermux, port):
                stayed[port] = since
    return stayed, sent


def main():
    silent, busy = Pty(), Pty()
    ports = {name: [f"device: {line.path}", "exclusive: false"] for name, line in {"silent": silent, "busy": busy}.items()}
    client = None
    try:
        with cable(), Sermux(
            ports, RAW, f'protocol: telnet, address: "{HERE}:0"', program=home(os.environ["SERMUX_BIN"])
        ) as sermux:
            sermux.opened("silent")
            sermux.opened("busy")
            remote = re.findall(rb"event=listener\.listening .*address=%b:(\d+)" % HERE.encode(), sermux.stderr.bytes())
            client = subprocess.Popen(far(sys.executable, "-c", CLIENT, HERE, *map(bytes.decode, remote)), stdout=subprocess.PIPE)
            client.stdout.readline()
            with connect_at_home(("127.0.0.1", sermux.port("busy")), timeout=20) as reader:
                sermux.clients("silent", 1)
                sermux.clients("busy", 2)
                pull()
                stayed, sent = watch(sermux, busy, reader)
        print(f"gone after {stayed['silent']:.1f} s (silent) and {stayed['busy']:.1f} s (busy); the other got all {sent} bytes")
    finally:
        if client:
            client.kill()
            client.wait()


if __name__ == "__main__":
    main()
