"""labgrid's SerialDriver, and its exporter, which starts the program under the name ser2net. The driver speaks RFC 2217 by a pyserial of its own (pyserial-labgrid), which installs itself over
pyserial's name: so it has a Python environment of its own, and runs in a program of its own."""

import os

import pytest
from rig import RFC2217, Program, Pty, Sermux

# Set by tests/run: the python of that environment.
PYTHON = os.environ.get("LABGRID_PYTHON", "")


@pytest.fixture(autouse=True)
def labgrid_is_there():
    if not os.access(PYTHON, os.X_OK):
        pytest.skip("labgrid's environment is not there (LABGRID_PYTHON)")


def test_it_logs_in_at_a_console(started):
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


def test_its_exporter_starts_and_stops_it_as_ser2net(started, tmp_path, monkeypatch):
    (tmp_path / "ser2net").symlink_to(os.path.abspath(os.environ["SERMUX_BIN"]))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pty = started(Pty())
    script = os.path.join(os.path.dirname(__file__), "labgrid_exporter.py")
    exporter = started(Program(PYTHON, "-B", "-W", "ignore", script, pty.path))
    for _ in range(2):
        for line in (b"first\n", b"second\n"):
            try:
                assert pty.receive_until(b"\n") == line
            except AssertionError as error:
                raise AssertionError(f"{error}; {exporter.stderr.bytes().decode()[-3000:]}") from None
            pty.send(b"hello " + line)
        assert pty.settings().baud == 115200
    assert exporter.wait() == 0, exporter.stderr.bytes().decode()[-3000:]
    assert exporter.stdout.bytes().count(b"released\n") == 2
