#!/usr/bin/env python3
"""How soon a client is gone whose machine vanished without a word, on a silent port and on a busy one.

    SERMUX_BIN=target/release/sermux python3 tests/interop/dead_peer.py

As root: the machine is a network namespace whose cable is pulled. Takes a minute, and fails after 70 s; meanwhile a client
that is alive must get every byte of the busy port.
"""

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
NAMESPACE, CABLE, FAR_END = f"sermux{os.getpid()}", f"sx{os.getpid()}a"[:15], f"sx{os.getpid()}b"[:15]

CLIENT = """
import socket, sys, time
sockets = [socket.create_connection((sys.argv[1], int(port))) for port in sys.argv[2:]]
print("connected", flush=True)
time.sleep(300)
"""


def run(*arguments):
    subprocess.run(arguments, check=True)


def far(*arguments):
    return ["ip", "netns", "exec", NAMESPACE, *arguments]


def lay_cable():
    run("ip", "netns", "add", NAMESPACE)
    run("ip", "link", "add", CABLE, "type", "veth", "peer", "name", FAR_END)
    run("ip", "link", "set", FAR_END, "netns", NAMESPACE)
    run("ip", "addr", "add", f"{HERE}/24", "dev", CABLE)
    run("ip", "link", "set", CABLE, "up")
    run(*far("ip", "addr", "add", f"{THERE}/24", "dev", FAR_END))
    run(*far("ip", "link", "set", FAR_END, "up"))


def gone(sermux, port):
    return re.search(rb"client disconnected.*port=%b client=%b" % (port.encode(), THERE.encode()), sermux.stderr.bytes())


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
    lay_cable()
    client = None
    try:
        with Sermux(ports, RAW, f'protocol: telnet, address: "{HERE}:0"') as sermux:
            sermux.opened("silent")
            sermux.opened("busy")
            remote = re.findall(rb"address=%b:(\d+)" % HERE.encode(), sermux.stderr.bytes())
            client = subprocess.Popen(far(sys.executable, "-c", CLIENT, HERE, *map(bytes.decode, remote)), stdout=subprocess.PIPE)
            client.stdout.readline()
            with socket.create_connection(("127.0.0.1", sermux.port("busy")), timeout=20) as reader:
                sermux.clients("silent", 1)
                sermux.clients("busy", 2)
                run(*far("ip", "link", "set", FAR_END, "down"))
                stayed, sent = watch(sermux, busy, reader)
        print(f"gone after {stayed['silent']:.1f} s (silent) and {stayed['busy']:.1f} s (busy); the other got all {sent} bytes")
    finally:
        if client:
            client.kill()
            client.wait()
        run("ip", "netns", "del", NAMESPACE)


if __name__ == "__main__":
    main()
