"""Clients that send what they like. Nobody else may notice, nothing may grow, and the port goes on."""

import random
import socket
import time

import pytest
import rfc2217
from rfc2217 import AYT, COM_PORT, DO, IAC, SB, SE, WILL, WONT, Client, Raw, baud, encoded
from rig import PATIENCE, RAW, RFC2217, TELNET, Sermux

serial = pytest.importorskip("serial")

# The most that sermux may grow by, whatever is done to it; less than each of these clients sends, or is owed.
BOUND = 8 * 2**20


class Attacked:
    """A port that is attacked and its honest clients, and the next port with its own."""

    def __init__(self, started):
        line = ["device: sim:echo", "line: 4000000 8N1"]
        self.sermux = started(Sermux({"attacked": line, "next": line}, RFC2217, RAW, TELNET))
        self.sermux.opened("attacked")
        self.sermux.opened("next")
        self.port = self.sermux.port("attacked")
        self.honest = started(Client(self.port))
        self.raw = started(Raw(self.sermux.port("attacked", 1)))
        self.next = started(Client(self.sermux.port("next")))
        self.next_raw = started(Raw(self.sermux.port("next", 1)))
        self.sermux.clients("attacked", 2)
        self.sermux.clients("next", 2)
        self.talks = 0
        self.talk()
        self.before = self.sermux.resident("RssAnon")

    def talk(self):
        """The honest ones still talk with their lines, and are answered."""
        self.talks += 1
        for one, other, said in [(self.honest, self.raw, b"<honest \xff>"), (self.next, self.next_raw, b"<next \xff>")]:
            one.send(said)
            for client in (one, other):
                client.wait(f"{said!r}", lambda: client.data.endswith(said) and client.data.count(said) >= self.talks)
            assert one.set_baud(115200) == 115200 and one.set_baud(4000000) == 4000000

    def is_well(self):
        """After the attack."""
        self.talk()
        # Who is on the same line has seen what came from it, all of them the same; the next port nothing else.
        assert self.honest.data == self.raw.data
        assert self.next.data == self.next_raw.data == b"<next \xff>" * self.talks
        url = f"rfc2217://127.0.0.1:{self.port}"
        with serial.serial_for_url(url, 57600, bytesize=7, parity="E", stopbits=2, timeout=PATIENCE) as port:
            port.write(b"fresh \xff")
            assert port.read(7) == b"fresh \xff"
        grown = self.sermux.resident("RssAnon") - self.before
        assert grown < BOUND, f"it grew by {grown} bytes"
        assert self.sermux.running()


@pytest.fixture
def attacked(started):
    attacked = Attacked(started)
    yield attacked
    attacked.is_well()


@pytest.mark.parametrize("nth", [0, 2], ids=["rfc2217", "plain"])
def test_a_million_random_bytes(attacked, started, nth):
    attacker = started(Raw(attacked.sermux.port("attacked", nth)))
    noise = random.Random(nth).randbytes(1_000_000)
    attacker.send(noise)
    # Whatever it has begun is ended by the first of these, and the rest comes through.
    attacker.send(bytes([IAC, SE]) * 2 + b"<the end>")
    attacked.honest.wait("the end", lambda: attacked.honest.data.endswith(b"<the end>"), 60)
    attacked.raw.wait("the end", lambda: attacked.raw.data.endswith(b"<the end>"))


def test_random_bytes_that_are_mostly_telnet(attacked, started):
    """The same with the codes that mean something much more often. No breaks: each takes a quarter of a second."""
    choice = random.Random(2)
    codes = bytes([IAC, IAC, IAC, SB, SE, WILL, DO, COM_PORT, COM_PORT, 0, 1, 2, 3, 4, 6, 7, 10, 11, 12, AYT])
    attacker = started(Raw(attacked.port))
    attacker.send(bytes(choice.choices(codes, k=300_000)) + bytes([IAC, SE]) * 2 + b"<the end>")
    attacked.honest.wait("the end", lambda: attacked.honest.data.endswith(b"<the end>"), 60)
    attacked.raw.wait("the end", lambda: attacked.raw.data.endswith(b"<the end>"))


def test_will_and_do_without_end_are_refused_one_by_one(attacked, started):
    attacker = started(Client(attacked.port, agrees=False))
    options = [option for option in range(256) if option not in (0, 1, 3, 6, 31, COM_PORT)]
    for _ in range(100):
        attacker.raw(b"".join(bytes([IAC, WILL, option, IAC, DO, option]) for option in options))
    refused = 100 * len(options)
    dont, wont = (rfc2217.DONT, options[-1]), (WONT, options[-1])
    attacker.wait("all refusals", lambda: attacker.heard.count(wont) == attacker.heard.count(dont) == 100)
    assert len([word for word in attacker.heard if word[0] in (rfc2217.DONT, WONT)]) == 2 * refused


@pytest.mark.parametrize("begin", [bytes([IAC, SB, COM_PORT, 0]), bytes([IAC, SB, 31]), bytes([IAC, SB])])
def test_a_subnegotiation_that_never_ends(attacked, started, begin):
    attacker = started(Client(attacked.port))
    # After 1 KiB, option and all, it is given up, and what follows is as ever.
    attacker.raw(begin + b"x" * (1024 - len(begin[2:])))
    attacked.talk()
    assert attacker.set_baud(0) == 4000000
    attacker.send(b"<the end>")
    attacked.honest.wait("the end", lambda: attacked.honest.data.endswith(b"<the end>"))
    assert b"x" not in attacked.honest.data


def test_ten_thousand_settings_in_one_segment_are_all_answered_in_order(attacked, started):
    attacker = started(Client(attacked.port))
    choice = random.Random(3)
    settings = []
    while len(settings) < 10_000:
        rate, parity, size = choice.randrange(1_000_000, 4_000_000), choice.randrange(1, 6), choice.randrange(5, 9)
        # Those that change something take a millisecond each; most of these do not.
        settings += [(rfc2217.BAUD, baud(rate))] * 5 + [(rfc2217.PARITY, [parity])] * 3 + [(rfc2217.SIZE, [size])] * 2
    start = len(attacker.told)
    attacker.demand(*settings)
    attacked.talk()

    def answers():
        wanted = (rfc2217.BAUD + 100, rfc2217.PARITY + 100, rfc2217.SIZE + 100)
        return [told for told in attacker.told[start:] if told[0] in wanted]

    attacker.wait("10,000 answers", lambda: len(attacker.told) - start >= 10_000 and len(answers()) == 10_000, 60)
    # The honest one has changed the rate meanwhile, and by that an answer may be another rate than was asked.
    asked = [(code + rfc2217.ANSWER, bytes(value)) for code, value in settings]
    assert [code for code, _ in answers()] == [code for code, _ in asked]
    differ = [(told, ask) for told, ask in zip(answers(), asked) if told != ask]
    assert len(differ) <= 2 and all(told[1] in (baud(115200), baud(4000000)) for told, _ in differ)


def test_a_client_that_never_reads_its_answers(attacked, started):
    """It is read no more once it is owed too much; its own kernel and TCP hold what it sends."""
    attacker = started(socket.socket())
    attacker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    attacker.connect(("127.0.0.1", attacked.port))
    attacker.setblocking(False)
    # Mostly what is answered at once and by more than was asked.
    flood = bytes([IAC, AYT]) * 10_000 + encoded(rfc2217.SIGNATURE) + encoded(rfc2217.BAUD, baud(0))
    sent, blocked, deadline = 0, 0, time.monotonic() + PATIENCE
    # Until nothing more has been taken while the others had many conversations.
    while blocked < 20:
        try:
            sent += attacker.send(flood)
            blocked = 0
        except BlockingIOError:
            attacked.talk()
            blocked += 1
        assert sent < 4 * BOUND and time.monotonic() < deadline, f"{sent} bytes were taken"


def test_clients_that_never_read_their_notifications(attacked, started):
    deaf = []
    for _ in range(40):
        client = started(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", attacked.port))
        client.sendall(bytes([IAC, WILL, COM_PORT]) + encoded(rfc2217.LINE_MASK, [255]))
        deaf.append(client)
    attacked.sermux.clients("attacked", 42)
    start = len(attacked.honest.told)
    changes = [(rfc2217.CONTROL, [value]) for value in (rfc2217.RTS_OFF, rfc2217.RTS_ON)] * 2500
    attacked.honest.demand(*changes)
    attacked.honest.wait("all answers", lambda: len(attacked.honest.answers(rfc2217.CONTROL, start)) == len(changes), 60)


def test_clients_that_go_in_the_middle_of_everything(attacked):
    everything = encoded(rfc2217.BAUD, baud(1200)) + encoded(rfc2217.CONTROL, [5]) + bytes([IAC, SB, COM_PORT, 1, 0])
    for cut in range(1, len(everything) + 1):
        with socket.create_connection(("127.0.0.1", attacked.port), PATIENCE) as client:
            client.sendall(everything[:cut])
            if cut % 2:
                # Closing becomes a reset.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    attacked.sermux.clients("attacked", 2 + len(everything))
