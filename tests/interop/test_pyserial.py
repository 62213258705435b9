"""pyserial 3.5's rfc2217:// client. It compares the bytes of answers, and raises when one is missing or another one."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import rfc2217
from rfc2217 import Client, Raw
from rig import RAW, RFC2217, Pty, Sermux

serial = pytest.importorskip("serial")

# Those of pyserial, and those that have no name in termios.
RATES = [rate for rate in serial.Serial.BAUDRATES] + [31250, 250000, 128000, 256000, 76800, 14400, 12000000]
SIZES = (5, 6, 7, 8)
PARITIES = {"N": 1, "O": 2, "E": 3, "M": 4, "S": 5}
STOPS = {1: 1, 2: 2, 1.5: 3}

# What is asked, and in this order, by `Client.present`.
ORDER = ("baud", "size", "parity", "stop", "flow", "break", "dtr", "rts", "inbound")


class Served:
    """A device that sermux serves, somebody who looks on, and a raw client that must not notice anything."""

    def __init__(self, started, pty=None):
        self.pty = pty
        self.sermux = started(Sermux({"p": [f"device: {pty.path}" if pty else "device: sim:echo"]}, RFC2217, RAW))
        self.sermux.opened("p")
        self.onlooker = started(Client(self.sermux.port("p")))
        self.raw = started(Raw(self.sermux.port("p", 1)))
        self.sermux.clients("p", 2)

    def url(self, options=""):
        return f"rfc2217://127.0.0.1:{self.sermux.port('p')}{options}"

    def present(self):
        """What sermux answers the onlooker; a pty is looked at as well."""
        seen = self.onlooker.present()
        values = dict(zip(ORDER, [int.from_bytes(value, "big") for _, value in seen]))
        if self.pty:
            settings = self.pty.settings()
            assert settings.raw
            assert settings.baud == values["baud"]
            assert settings.stop_bits == (1 if values["stop"] == 1 else 2)
            assert settings.odd_or_mark == (values["parity"] in (rfc2217.ODD, rfc2217.MARK))
            assert settings.mark_or_space == (values["parity"] in (rfc2217.MARK, rfc2217.SPACE))
            assert settings.rts_cts == (values["flow"] == rfc2217.RTS_CTS)
            assert settings.xon_xoff == (values["flow"] == rfc2217.XON_XOFF,) * 2
        return values

    def unnoticed(self):
        """The other client received nothing except answers to its own requests."""
        others = {code for code, _ in self.onlooker.told} - {code + rfc2217.ANSWER for code in range(1, 6)}
        assert others <= {rfc2217.MODEM_STATE + rfc2217.ANSWER}
        assert self.onlooker.data == self.raw.data == b""


@pytest.fixture(params=["pty", "sim:echo"])
def served(request, started):
    return Served(started, started(Pty()) if request.param == "pty" else None)


@pytest.fixture
def both(started):
    """Runs something on a pty and on sim:echo at the same time; pyserial sleeps most of the time."""

    def run(what):
        lines = [Served(started, started(Pty())), Served(started)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(what, lines))
        for line in lines:
            line.unnoticed()

    return run


def test_every_rate(both):
    def rates(served):
        with serial.serial_for_url(served.url(), 9600) as port:
            for rate in RATES:
                port.baudrate = rate
                assert served.present()["baud"] == rate

    both(rates)


def formats():
    """All of them, but 1.5 stop bits with more than 5 data bits; from one to the next as little as possible changes."""
    parities, stops = list(PARITIES), [1, 1.5, 2]
    for size in SIZES:
        for parity in parities:
            for stop in stops:
                yield {"stopbits": stop, "bytesize": size, "parity": parity}
            stops.reverse()
        parities.reverse()
        stops = [stop for stop in stops if stop != 1.5]


def test_every_format(both):
    def each(served):
        with serial.serial_for_url(served.url(), 9600) as port:
            for settings in formats():
                for name, value in settings.items():
                    if value != getattr(port, name):
                        setattr(port, name, value)
                seen = served.present()
                assert (seen["size"], seen["parity"], seen["stop"]) == (
                    settings["bytesize"],
                    PARITIES[settings["parity"]],
                    STOPS[settings["stopbits"]],
                )

    both(each)


@pytest.mark.parametrize("size", [6, 7, 8])
def test_one_and_a_half_stop_bits_with_more_than_five_data_bits_are_refused(served, size):
    with serial.serial_for_url(served.url(), 9600, bytesize=size, stopbits=2) as port:
        before = served.present()
        with pytest.raises(ValueError, match="rejected value for option 'stopsize'"):
            port.stopbits = 1.5
        assert served.present() == before
        port.stopbits = 1
        assert served.present()["stop"] == 1


def test_every_flow_control(served):
    with serial.serial_for_url(served.url(), 9600) as port:
        for name, code in [("xonxoff", rfc2217.XON_XOFF), ("rtscts", rfc2217.RTS_CTS), ("dsrdtr", rfc2217.NO_FLOW)]:
            setattr(port, name, True)
            assert served.present()["flow"] == code
            setattr(port, name, False)
            assert served.present()["flow"] == rfc2217.NO_FLOW


@pytest.mark.parametrize("line", ["9600 8N1", "250000 7E2", "31250 5O1.5 rts-cts", "4000000 8M1", "300 6S2 xon-xoff"])
def test_an_open_with_all_settings_at_once(started, line):
    """Whatever the line had before."""
    sermux = started(Sermux({"p": ["device: sim:echo", f"line: {line}"]}, RFC2217))
    sermux.opened("p")
    onlooker = started(Client(sermux.port("p")))
    url = f"rfc2217://127.0.0.1:{sermux.port('p')}"
    with serial.serial_for_url(url, 115200, bytesize=5, parity="E", stopbits=1.5, rtscts=True, timeout=20) as port:
        assert [value[-1] for _, value in onlooker.present()[1:5]] == [5, 3, 3, rfc2217.RTS_CTS]
        assert onlooker.set_baud(0) == 115200
        port.write(b"there and back")
        assert port.read(14) == b"there and back"


def test_dtr_and_rts(served):
    with serial.serial_for_url(served.url(), 9600) as port:
        for dtr, rts in [(False, False), (True, False), (False, True), (True, True)]:
            port.dtr, port.rts = dtr, rts
            seen = served.present()
            assert seen["dtr"] == (rfc2217.DTR_ON if dtr else rfc2217.DTR_OFF)
            assert seen["rts"] == (rfc2217.RTS_ON if rts else rfc2217.RTS_OFF)


@pytest.mark.parametrize("options", ["", "?poll_modem", "?ign_set_control", "?poll_modem&ign_set_control&timeout=10"])
def test_modem_inputs(started, options):
    """The plug of sim:echo joins RTS with CTS and DTR with DSR and DCD. A pty has no inputs."""
    served = Served(started)
    with serial.serial_for_url(served.url(options), 9600) as port:
        for dtr, rts in [(True, False), (False, True), (False, False), (True, True)]:
            port.dtr, port.rts = dtr, rts
            # Without polling it knows the last notification, which comes right behind the answer that it has waited for.
            served.onlooker.wait("the change", lambda: inputs(served.onlooker) == (rts, dtr, False, dtr))
            if "poll_modem" in options:
                # It trusts a notification for 0.3 s.
                port._modemstate_timeout.restart(0)
            else:
                served.onlooker.wait("pyserial's notification", lambda: port.get_modem_state() & 240 == wires(dtr, rts) or port)
            assert (port.cts, port.dsr, port.ri, port.cd) == (rts, dtr, False, dtr)

    served = Served(started, started(Pty()))
    with serial.serial_for_url(served.url(options), 9600) as port:
        assert (port.cts, port.dsr, port.ri, port.cd) == (False, False, False, False)


def wires(dtr, rts):
    return dtr * (rfc2217.DSR | rfc2217.DCD) | rts * rfc2217.CTS


def inputs(client):
    """CTS, DSR, RI and DCD of a client's last notification."""
    (state,) = client.answers(rfc2217.MODEM_STATE)[-1]
    return tuple(bool(state & bit) for bit in (rfc2217.CTS, rfc2217.DSR, rfc2217.RI, rfc2217.DCD))


def test_a_break(served):
    onlooker = served.onlooker
    assert onlooker.set(rfc2217.LINE_MASK, rfc2217.BREAK_DETECT) == rfc2217.BREAK_DETECT
    with serial.serial_for_url(served.url(), 9600) as port:
        before = len(onlooker.told)
        port.break_condition = True
        assert served.present()["break"] == rfc2217.BREAK_ON
        port.break_condition = False
        assert served.present()["break"] == rfc2217.BREAK_OFF
        port.send_break(0.01)
        assert served.present()["break"] == rfc2217.BREAK_OFF
        # The plug of sim:echo brings them back.
        breaks = onlooker.answers(rfc2217.LINE_STATE, before)
        assert breaks == ([] if served.pty else [bytes([rfc2217.BREAK_DETECT])] * 2)


def test_purging_the_output_throws_away_what_the_device_has_not_taken(started):
    served = Served(started, started(Pty()))
    with serial.serial_for_url(served.url(), 9600) as port:
        # More than a pty takes, and less than sermux holds in addition: what stays in TCP holds up the request as well.
        port.write(b"stale" * 4800)
        port.reset_output_buffer()
        port.write(b"fresh")
        got = served.pty.receive_until(b"fresh")
        # What the far end's side of the pty has (4 KiB), no purge takes back.
        assert len(got) < 8192, f"{len(got)} bytes were not thrown away"


def test_purging_the_input(served):
    with serial.serial_for_url(served.url(), 9600, timeout=20) as port:
        for _ in range(5):
            port.reset_input_buffer()
        port.reset_output_buffer()
        served.pty.send(b"new") if served.pty else port.write(b"new")
        assert port.read(3) == b"new"


def test_every_byte_both_ways(served):
    """0xFF, and CR NUL, which is a CR outside BINARY and itself within."""
    every = bytes(range(256)) * 4 + b"\r\0\r\n\xff\xff\xff\r\0" + bytes(reversed(range(256))) + b"\xff" * 1000
    with serial.serial_for_url(served.url(), 9600, timeout=20) as port:
        port.write(every)
        if served.pty:
            assert served.pty.receive(len(every)) == every
            served.pty.send(every)
        assert port.read(len(every)) == every
    served.raw.wait_data(every)


def test_many_opens_and_closes_in_a_row(served):
    descriptors = f"/proc/{served.sermux.process.pid}/fd"
    before = len(os.listdir(descriptors))
    def come_and_go(nth):
        for rate in (1200, 57600, 115200, 9600):
            with serial.serial_for_url(served.url(), rate, timeout=20) as port:
                port.rts = False

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come_and_go, range(6)))
    served.sermux.clients("p", 2 + 6 * 4)
    gone = b"event=client.disconnected "
    served.sermux.stderr.wait("all have gone", lambda log: log.count(gone) == 6 * 4 or None)
    assert served.present()["baud"] == 9600
    assert len(os.listdir(descriptors)) == before
    served.unnoticed()


def test_a_client_without_the_right_to_control_changes_nothing(started):
    """It can be opened with the settings that are in force, reads and writes, and its requests are answered with those settings."""
    listeners = [RFC2217, RFC2217 + ", access: read-write"]
    sermux = started(Sermux({"p": ["device: sim:echo", "line: 19200 7E2"]}, *listeners))
    sermux.opened("p")
    master = started(Client(sermux.port("p")))
    before = master.present()
    url = f"rfc2217://127.0.0.1:{sermux.port('p', 1)}"
    for wrong in [{"baudrate": 9600}, {"bytesize": 8}, {"parity": "N"}, {"stopbits": 1}]:
        settings = {"baudrate": 19200, "bytesize": 7, "parity": "E", "stopbits": 2, **wrong}
        with pytest.raises((ValueError, serial.SerialException)):
            serial.serial_for_url(url, **settings)
    with serial.serial_for_url(url, 19200, bytesize=7, parity="E", stopbits=2, timeout=20) as port:
        for name in ("dtr", "rts"):
            with pytest.raises(ValueError, match="rejected value for option 'control'"):
                setattr(port, name, False)
        with pytest.raises(ValueError, match="rejected value for option 'control'"):
            port.break_condition = True
        assert port.cts and port.dsr and port.cd
        port.write(b"mine\xff")
        assert port.read(5) == b"mine\xff"
    assert master.present() == before
