#!/usr/bin/env python3
"""How long RFC 2217 takes: from each kind of request to its answer, and from a modem line that changes to the notification.

    SERMUX_BIN=target/release/sermux python3 tests/interop/latency.py [ROUNDS]

One client that asks one thing at a time, on a pty and on sim:echo at 115200 baud, 1,000 rounds of each by
default. The times are those of a client on the same machine, in milliseconds; the goals (50 and 20 at the 99th
percentile) are for comparison, nothing fails here.
"""

import socket
import sys
import time

import rfc2217
from rfc2217 import AYT, COM_PORT, IAC, WILL, baud, encoded
from rig import RFC2217, Pty, Sermux

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
ANSWER, NOTIFICATION = 50, 20


def told(code, value):
    return encoded(code + rfc2217.ANSWER, value)


def control(value):
    return encoded(rfc2217.CONTROL, [value]), told(rfc2217.CONTROL, [value])


def same(code, value):
    return encoded(code, value), told(code, value)


# What is asked in turn, and what the answer begins with.
REQUESTS = {
    "a byte and its echo": [(b"x", b"x")],
    "AYT": [(bytes([IAC, AYT]), b"\r\n[Yes]\r\n")],
    "SIGNATURE, asked": [(encoded(rfc2217.SIGNATURE), told(rfc2217.SIGNATURE, b"sermux")[:-2])],
    "SET-BAUDRATE, asked": [(encoded(rfc2217.BAUD, baud(0)), told(rfc2217.BAUD, baud(115200)))],
    "SET-BAUDRATE, the same": [same(rfc2217.BAUD, baud(115200))],
    "SET-BAUDRATE, changed": [same(rfc2217.BAUD, baud(57600)), same(rfc2217.BAUD, baud(115200))],
    "SET-DATASIZE, changed": [same(rfc2217.SIZE, [7]), same(rfc2217.SIZE, [8])],
    "SET-PARITY, changed": [same(rfc2217.PARITY, [3]), same(rfc2217.PARITY, [1])],
    "SET-STOPSIZE, changed": [same(rfc2217.STOP, [2]), same(rfc2217.STOP, [1])],
    "flow control, changed": [control(rfc2217.RTS_CTS), control(rfc2217.NO_FLOW)],
    "DTR asked": [(encoded(rfc2217.CONTROL, [rfc2217.ASK_DTR]), told(rfc2217.CONTROL, [rfc2217.DTR_ON]))],
    "DTR": [control(rfc2217.DTR_OFF), control(rfc2217.DTR_ON)],
    "RTS": [control(rfc2217.RTS_OFF), control(rfc2217.RTS_ON)],
    "break on, off": [control(rfc2217.BREAK_ON), control(rfc2217.BREAK_OFF)],
    "line state, polled": [(encoded(rfc2217.LINE_STATE), told(rfc2217.LINE_STATE, [rfc2217.TX_EMPTY]))],
    "modem state, polled": [(encoded(rfc2217.MODEM_STATE), told(rfc2217.MODEM_STATE, [0])[:4])],
    "LINESTATE-MASK": [same(rfc2217.LINE_MASK, [0])],
    "MODEMSTATE-MASK": [same(rfc2217.MODEM_MASK, [0])],
    "PURGE-DATA": [same(rfc2217.PURGE, [3])],
}


class Asker:
    """A client without threads: what it waits for is what it measures."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seconds(bytes([IAC, WILL, COM_PORT]), told(rfc2217.MODEM_STATE, [0])[:4])
        # So that nothing comes unasked.
        self.seconds(*same(rfc2217.MODEM_MASK, [0]))

    def seconds(self, request, answer):
        begin = time.perf_counter()
        self.socket.sendall(request)
        got = b""
        while answer not in got:
            got += self.socket.recv(4096)
        return time.perf_counter() - begin


def report(name, seconds, goal):
    seconds = sorted(second * 1000 for second in seconds)
    p50, p99 = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
    verdict = "" if p99 <= goal else f"  above {goal}"
    print(f"{name:<36} {p50:9.3f} {p99:9.3f} {seconds[-1]:9.3f}{verdict}", flush=True)


def measure(device, pty):
    sermux = Sermux({"p": [f"device: {device}", "line: 115200"]}, RFC2217)
    try:
        sermux.opened("p")
        print(f"\n{'pty' if pty else device:<36} {'p50 ms':>9} {'p99 ms':>9} {'max ms':>9}")
        asker = Asker(sermux.port("p"))
        for name, requests in REQUESTS.items():
            if pty and name == "a byte and its echo":
                continue
            # The answer to the last one may be followed by something that it brought about.
            report(name, [asker.seconds(*requests[n % len(requests)]) for n in range(ROUNDS)], ANSWER)
        if not pty:
            report("RTS to the other's notification", list(notifications(sermux, asker)), NOTIFICATION)
    finally:
        sermux.end()


def notifications(sermux, asker):
    """From the request for RTS until another client is notified of CTS, which the plug of sim:echo joins with it."""
    told_one = socket.create_connection(("127.0.0.1", sermux.port("p")), 20)
    told_one.sendall(bytes([IAC, WILL, COM_PORT]))
    begin = told(rfc2217.MODEM_STATE, [0])[:4]
    got = b""
    while begin not in got:
        got += told_one.recv(4096)
    for n in range(ROUNDS):
        request, answer = control(rfc2217.RTS_ON if n % 2 else rfc2217.RTS_OFF)
        at = time.perf_counter()
        asker.socket.sendall(request)
        got = b""
        while begin not in got:
            got += told_one.recv(4096)
        yield time.perf_counter() - at
        got = b""
        while answer not in got:
            got += asker.socket.recv(4096)


def main():
    pty = Pty()
    measure(pty.path, pty)
    measure("sim:echo", None)


main()
