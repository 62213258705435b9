"""serialx 1.15, Home Assistant's newer serial library. Its flush is a SET-BAUDRATE with the present rate, whose answer it
takes to mean that everything before it has been written."""

import asyncio
import threading

import pytest
import rfc2217
from rfc2217 import Client
from rig import PATIENCE, RFC2217, Pty, Sermux

serialx = pytest.importorskip("serialx")

EVERY = bytes(range(256)) * 8 + b"\r\0\r\n\xff\xff\xff"
# More than a pty takes, and less than sermux holds in addition.
LONG = b"0123456789abcdef" * 1500


def call(name):
    return lambda self, *arguments, **more: self.run(getattr(self.port, name)(*arguments, **more))


class Asynchronous:
    """Its asynchronous port, used from here."""

    reconfigure_port, set_modem_pins, get_modem_pins = map(call, ("reconfigure_port", "set_modem_pins", "get_modem_pins"))
    write, flush, readexactly = map(call, ("write", "flush", "readexactly"))

    def __init__(self, url, **settings):
        self._loop = asyncio.new_event_loop()
        self.port = serialx.async_serial_for_url(url, **settings)
        self.run(self.port.open())

    def run(self, task):
        return self._loop.run_until_complete(asyncio.wait_for(task, PATIENCE))

    def close(self):
        self.run(self.port.close())
        self._loop.close()


def synchronous(url, **settings):
    port = serialx.serial_for_url(url, read_timeout=PATIENCE, **settings)
    if not port.is_open:
        port.open()
    return port


@pytest.fixture(params=[synchronous, Asynchronous], ids=["sync", "async"])
def serve(request, started):
    """Gives sermux with this device, and serialx as its client."""

    def start(device, **settings):
        sermux = started(Sermux({"p": [f"device: {device}"]}, RFC2217))
        sermux.opened("p")
        url = f"rfc2217://127.0.0.1:{sermux.port('p')}"
        return sermux, started(request.param(url, **{"baudrate": 115200, **settings}))

    return start


def test_settings(serve, started):
    pty = started(Pty())
    sermux, port = serve(pty.path, baudrate=57600, byte_size=7, parity="E", stopbits=2, rtscts=True)
    onlooker = started(Client(sermux.port("p")))

    def present():
        baud, size, parity, stop, flow = [value for _, value in onlooker.present()[:5]]
        assert rfc2217.baud(pty.settings().baud) == baud
        return int.from_bytes(baud, "big"), *size, *parity, *stop, *flow

    assert present() == (57600, 7, rfc2217.EVEN, 2, rfc2217.RTS_CTS)
    for rate in (300, 31250, 250000, 4000000):
        port.reconfigure_port(baudrate=rate)
        assert present()[0] == rate
    port.reconfigure_port(byte_size=5, stopbits=1.5, parity="M", rtscts=False)
    assert present() == (4000000, 5, rfc2217.MARK, 3, rfc2217.NO_FLOW)
    port.reconfigure_port(byte_size=8, stopbits=1, parity="N", xonxoff=True)
    assert present() == (4000000, 8, rfc2217.NO_PARITY, 1, rfc2217.XON_XOFF)


def test_modem_pins(serve):
    """The plug of sim:echo joins RTS with CTS and DTR with DSR and DCD."""
    _, port = serve("sim:echo")
    for dtr, rts in [(False, True), (True, False), (False, False), (True, True)]:
        port.set_modem_pins(dtr=dtr, rts=rts)
        # It reads what has been sent to it and no more; what comes back from the line was sent behind the change.
        port.write(b"!")
        assert port.readexactly(1) == b"!"
        pins = port.get_modem_pins()
        assert [pin.to_bool() for pin in (pins.cts, pins.dsr, pins.car, pins.rng)] == [rts, dtr, dtr, False]


def test_every_byte_both_ways(serve, started):
    """In BINARY, which it insists on: CR NUL stays what it is."""
    pty = started(Pty())
    _, port = serve(pty.path)
    port.write(EVERY)
    assert pty.receive(len(EVERY)) == EVERY
    pty.send(EVERY)
    assert port.readexactly(len(EVERY)) == EVERY


def test_a_flush_ends_when_everything_before_it_has_been_written(serve, started):
    pty = started(Pty())
    sermux, port = serve(pty.path)
    onlooker = started(Client(sermux.port("p")))
    flushed = threading.Event()

    def write_and_flush():
        port.write(LONG)
        port.flush()
        flushed.set()

    thread = threading.Thread(target=write_and_flush)
    thread.start()
    # Until the pty is full: by now it would have been answered if it did not wait.
    full = 0
    while (unread := pty.unread()) != full or not unread:
        full = unread
        onlooker.present()
    assert not flushed.is_set() and full < len(LONG)
    # From here it is read, and before all is there the flush cannot have ended.
    got = pty.receive(full)
    got += pty.receive(len(LONG) - full)
    thread.join(PATIENCE)
    assert flushed.is_set() and got == LONG


def test_a_flush_with_nothing_in_the_way_ends_at_once(serve, started):
    pty = started(Pty())
    _, port = serve(pty.path)
    for n in range(5):
        port.write(b"%02d" % n)
        port.flush()
        assert pty.receive(2) == b"%02d" % n
