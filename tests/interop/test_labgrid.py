"""labgrid's SerialDriver. It speaks RFC 2217 by a pyserial of its own (pyserial-labgrid), which installs itself over
pyserial's name: so it has a Python environment of its own, and runs in a program of its own."""

import os

import pytest
from rig import RFC2217, Program, Pty, Sermux

# Set by tests/run: the python of that environment.
PYTHON = os.environ.get("LABGRID_PYTHON", "")


def test_it_logs_in_at_a_console(started):
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("labgrid's environment is not there (LABGRID_PYTHON)")
    pty = started(Pty())
    sermux = started(Sermux({"p": [f"device: {pty.path}", "line: 9600 7E2"]}, RFC2217))
    sermux.opened("p")
    script = os.path.join(os.path.dirname(__file__), "labgrid_console.py")
    labgrid = started(Program(PYTHON, "-B", "-W", "ignore", script, sermux.port("p"), 115200))

    def board(heard, says):
        try:
            assert pty.receive_until(b"\n") == heard
        except AssertionError as error:
            raise AssertionError(f"{error}; labgrid: {labgrid.stderr.bytes().decode()[-2000:]}") from None
        pty.send(says)

    board(b"\n", b"\r\nboard login: ")
    settings = pty.settings()
    assert (settings.baud, settings.stop_bits) == (115200, 1)
    board(b"root\n", b"root\r\nPassword: ")
    board(b"secret\n", b"\r\nLast login: today\r\n\xff\xfe\xff# ")
    board(b"reboot\n", b"reboot\r\n\r\nU-Boot 2024.01\r\n\r\n=> ")
    assert labgrid.wait() == 0, labgrid.stderr.bytes().decode()
    assert labgrid.stdout.bytes() == b"today\nU-Boot\n"
