"""gensio 2.6 (the library of ser2net): telnet(rfc2217). It waits 5 s for the answer to each request."""

import json
import os
import subprocess

import pytest
import rfc2217
from rfc2217 import Client
from rig import RFC2217, Program, Pty, Sermux

# The one to which the binding python3-gensio belongs.
PYTHON = "/usr/bin/python3"

ON, OFF = 1, 2
FLUSH_BOTH = 3


class Gensio(Program):
    """Carries out commands by name, and returns what gensio returned."""

    def __init__(self, port):
        client = os.path.join(os.path.dirname(__file__), "gensio_client.py")
        super().__init__(PYTHON, "-B", client, f"telnet(rfc2217),tcp,127.0.0.1,{port}")
        self._answers = 0
        assert self._answer("the open") == "open"

    def _answer(self, what):
        n = self._answers
        self._answers += 1
        return json.loads(self.stdout.wait(what, lambda out: out.count(b"\n") > n and out).split(b"\n")[n])

    def __call__(self, name, *arguments):
        self.send(json.dumps([name, *arguments]).encode() + b"\n")
        return self._answer(f"gensio's {name}")

    def set(self, name, value):
        return self(f"sg_{name}_s", value)


@pytest.fixture
def gensio(started):
    """A sermux with this device, and gensio as its client."""
    if subprocess.run([PYTHON, "-c", "import gensio"], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} has no gensio (python3-gensio)")

    def start(device):
        sermux = started(Sermux({"p": [f"device: {device}"]}, RFC2217))
        sermux.opened("p")
        return sermux, started(Gensio(sermux.port("p")))

    return start


@pytest.mark.parametrize("device", ["pty", "sim:echo"])
def test_every_setting_is_set_and_asked(gensio, started, device):
    pty = started(Pty()) if device == "pty" else None
    sermux, client = gensio(pty.path if pty else device)
    onlooker = started(Client(sermux.port("p")))
    before = len(onlooker.told)
    for name, values in [
        ("baud", (50, 300, 9600, 31250, 115200, 250000, 4000000)),
        ("datasize", (5, 6, 7, 8)),
        ("parity", (2, 3, 4, 5, 1)),
        ("stopbits", (2, 1)),
        ("flowcontrol", (2, 3, 1)),
        ("iflowcontrol", (2, 1)),
        ("sbreak", (ON, OFF)),
        ("dtr", (OFF, ON)),
        ("rts", (OFF, ON)),
    ]:
        for value in values:
            assert client.set(name, value) == value, name
            assert client.set(name, 0) == value, name
            if pty and name == "baud":
                assert pty.settings().baud == value
            if pty and name == "stopbits":
                assert pty.settings().stop_bits == value
            if pty and name == "flowcontrol":
                assert pty.settings().rts_cts == (value == 3) and pty.settings().xon_xoff == (value == 2,) * 2
    # No other client was notified.
    assert {code for code, _ in onlooker.told[before:]} <= {rfc2217.MODEM_STATE + rfc2217.ANSWER}
    assert client("signature", "") == "sermux 0.1.0 p"


def test_modem_state_is_told_by_its_mask(gensio):
    _, client = gensio("sim:echo")
    both = rfc2217.DSR | rfc2217.DCD
    told = client("wait", "modem", 1)
    assert told == [rfc2217.CTS | both]
    # A mask is answered with the present state.
    client("sg_modemstate", rfc2217.CTS | rfc2217.CTS_CHANGED)
    told = client("wait", "modem", 2)
    assert told[1:] == [rfc2217.CTS | both]
    client.set("dtr", OFF)
    client.set("rts", OFF)
    # Only the change of CTS is notified, with what else has changed meanwhile.
    told = client("wait", "modem", 3)
    assert told[2:] == [rfc2217.CTS_CHANGED | rfc2217.DSR_CHANGED | rfc2217.DCD_CHANGED]
    client("sg_modemstate", 255)
    assert client("wait", "modem", 4)[3:] == [0]
    client.set("dtr", ON)
    assert client("wait", "modem", 5)[4:] == [both | rfc2217.DSR_CHANGED | rfc2217.DCD_CHANGED]


def test_line_state_is_told_by_its_mask(gensio):
    _, client = gensio("sim:echo")
    client("sg_linestate", 255)
    # A mask is answered with the present state.
    assert client("wait", "line", 1) == [rfc2217.TX_EMPTY]
    client.set("sbreak", ON)
    client.set("sbreak", OFF)
    assert client("wait", "line", 2)[1:] == [rfc2217.BREAK_DETECT]
    # The other way to send one, telnet's BRK.
    client("sg_send_break")
    assert client("wait", "line", 3)[2:] == [rfc2217.BREAK_DETECT]
    client("sg_linestate", 0)
    assert client("wait", "line", 4)[3:] == [rfc2217.TX_EMPTY]
    client.set("sbreak", ON)
    client.set("sbreak", OFF)
    assert client("wait", "line", 4)[4:] == []


def test_every_byte_both_ways(gensio, started):
    pty = started(Pty())
    _, client = gensio(pty.path)
    every = bytes(range(256)) * 8 + b"\r\0\r\n\xff\xff\xff"
    client("write", every.decode("latin-1"))
    assert pty.receive(len(every)) == every
    pty.send(every)
    assert client("wait", "data", len(every)).encode("latin-1") == every


def test_a_flush_empties_both_directions(gensio, started):
    pty = started(Pty())
    _, client = gensio(pty.path)
    client("write", "stale" * 4800)
    client("sg_flush", FLUSH_BOTH)
    # It does not wait for the answer, so something else is asked behind it.
    assert client.set("dtr", 0) == ON
    client("write", "fresh")
    # What the far end's side of the pty has (4 KiB), no purge takes back.
    assert len(pty.receive_until(b"fresh")) < 8192
    pty.send(b"new")
    assert client("wait", "data", 3) == "new"


def test_suspended_it_gets_no_data_until_it_resumes(gensio, started):
    pty = started(Pty())
    sermux, client = gensio(pty.path)
    onlooker = started(Client(sermux.port("p")))
    client("sg_flowcontrol_state", True)
    assert client.set("rts", 0) == ON, "answers go on"
    pty.send(b"held")
    onlooker.wait_data(b"held")
    # By now it has been written to everybody else.
    assert client.set("rts", OFF) == OFF and client("wait", "data", 0) == ""
    client("sg_flowcontrol_state", False)
    assert client("wait", "data", 4) == "held"


def test_gensiot_joins_its_stdin_and_stdout_with_the_line(tool, started):
    pty = started(Pty())
    sermux = started(Sermux({"p": [f"device: {pty.path}"]}, RFC2217))
    sermux.opened("p")
    client = tool("gensiot", "-i", "stdio(self)", f"telnet(rfc2217),tcp,127.0.0.1,{sermux.port('p')}")
    sermux.clients("p", 1)
    every = bytes(range(256)) * 4
    pty.send(every)
    client.stdout.wait("all bytes", lambda data: data == every)
    client.send(every)
    assert pty.receive(len(every)) == every
