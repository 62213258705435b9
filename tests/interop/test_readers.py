"""Readers that cannot be installed here, by what they do with a socket."""

import re
import socket
import time

import pytest

from rig import PATIENCE, TELEGRAM, crc16, telegram

serial = pytest.importorskip("serial")


def connect(port):
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.settimeout(PATIENCE)
    return client


class Domoticz:
    """P1 Smart Meter with LAN interface: a telegram has to begin with the first byte of a read, and fit 2000 bytes."""

    def __init__(self, port):
        self.client = connect(port)

    def read(self):
        """One telegram out of one read."""
        data = self.client.recv(2000)
        assert data.startswith(b"/"), f"a read that Domoticz throws away: {data[:60]!r}"
        assert TELEGRAM.fullmatch(data), f"not one whole telegram: {data!r}"
        assert all(len(text) <= 128 for text in data.split(b"\r\n")), "lines that Domoticz skips"
        return data

    def close(self):
        self.client.close()


class DsmrReader:
    """DSMR-reader's datalogger: pyserial's socket://, 2048 bytes or a third of a second, then whatever looks like a
    telegram; what came in the meantime is thrown away, and it sleeps half a second between two telegrams."""

    def __init__(self, port):
        self.serial = serial.serial_for_url(f"socket://127.0.0.1:{port}", timeout=1 / 3)

    def read(self):
        buffer = ""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            buffer += self.serial.read(2048).decode("latin-1")
            found = re.search(r"(/[^/]+![A-Z0-9]{0,4})", buffer, re.DOTALL)
            if found:
                self.serial.reset_input_buffer()
                time.sleep(0.5)
                return found[1].encode("latin-1")
        raise AssertionError(f"no telegram: {buffer!r}")

    def close(self):
        self.serial.close()


def crc_is_right(text):
    body, _, crc = text.strip().rpartition(b"!")
    return int(crc, 16) == crc16(body + b"!")


def test_domoticz_takes_every_telegram_of_the_meter(meter, started):
    reader = started(Domoticz(meter.port("p1")))
    for _ in range(3):
        assert crc_is_right(reader.read())


def test_domoticz_that_connects_in_the_middle_of_a_telegram_begins_with_a_whole_one(p1_line, started):
    sermux, pty = p1_line
    for number in range(5):
        pty.send(telegram(number)[: 20 + 60 * number])
        reader = started(Domoticz(sermux.port("p1")))
        sermux.clients("p1", number + 1)
        pty.send(telegram(number)[20 + 60 * number :])
        assert reader.read() == telegram(number)


def test_dsmr_reader_gets_whole_and_recent_telegrams(meter, started):
    reader = started(DsmrReader(meter.port("p1")))
    stamps = []
    for _ in range(3):
        text = reader.read()
        assert crc_is_right(text), text
        stamps.append(int(re.search(rb"0-0:1\.0\.0\((\d{12})", text)[1]) % 100)
    behind = [(later - earlier) % 60 for earlier, later in zip(stamps, stamps[1:])]
    assert all(1 <= step <= 2 for step in behind), stamps


def test_dsmr_reader_that_slept_gets_the_newest_next(p1_line, started):
    """While it does not read, its own kernel keeps what fits; nothing else may be old."""
    sermux, pty = p1_line
    sleeper = socket.socket()
    started(sleeper)
    sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sleeper.settimeout(PATIENCE)
    sleeper.connect(("127.0.0.1", sermux.port("p1")))
    awake = started(connect(sermux.port("p1")))
    sermux.clients("p1", 2)
    for number in range(200):
        pty.send(telegram(number))
        assert awake.recv(4096) == telegram(number)
    got = b""
    while not got.endswith(telegram(199)):
        got += sleeper.recv(4096)
    numbers = [int(found[1]) for found in re.finditer(rb"1-0:1\.8\.1\(000000\.(\d{3})", got)]
    assert got == b"".join(telegram(number) for number in numbers), "whole telegrams only"
    assert numbers == sorted(set(numbers))
    assert len(got) < 8 * 1024, f"{len(numbers)} telegrams were old"
