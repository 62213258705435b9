"""Two pyserials, plain telnet and raw clients on one port, each on a listener of its own, all at the same time."""

import random

import pytest
import rfc2217
from rfc2217 import Client, Raw
from rig import RAW, RFC2217, TELNET, Pty, Sermux

serial = pytest.importorskip("serial")

LISTENERS = [RFC2217, RFC2217, RFC2217 + ", access: read-write", TELNET, RAW, RAW]
FIRST, SECOND, POWERLESS, PLAIN, RAW_1, RAW_2 = range(6)


@pytest.fixture(params=["pty", "sim:echo"])
def shared(request, started):
    pty = started(Pty()) if request.param == "pty" else None
    sermux = started(Sermux({"p": [f"device: {pty.path if pty else 'sim:echo'}"]}, *LISTENERS))
    sermux.opened("p")
    return sermux, pty


def test_every_byte_both_ways_for_all_of_them(shared, started):
    sermux, pty = shared
    every = bytes(range(256)) * 3 + b"\xff" * 300 + bytes(reversed(range(256)))
    clients = [
        started(Client(sermux.port("p", FIRST))),
        started(Client(sermux.port("p", POWERLESS))),
        started(Client(sermux.port("p", PLAIN), agrees=False)),
        started(Raw(sermux.port("p", RAW_1))),
        started(Raw(sermux.port("p", RAW_2))),
    ]
    with serial.serial_for_url(f"rfc2217://127.0.0.1:{sermux.port('p', SECOND)}", timeout=20) as port:
        # Settings in between must not disturb anybody's data.
        clients[0].demand((rfc2217.CONTROL, [rfc2217.RTS_OFF]), (rfc2217.PARITY, [rfc2217.EVEN]))
        sent = b""
        for name, client in [("pyserial", port), *enumerate(clients)]:
            part = b"%s:" % str(name).encode() + every
            sent += part
            client.write(part) if client is port else client.send(part)
            if pty:
                assert pty.receive(len(part)) == part
                pty.send(part)
            for each in clients:
                each.wait_data(sent)
            assert port.read(len(part)) == part
    # No client was notified of the others' settings; clients that speak RFC 2217 were notified that RTS fell.
    changed = [] if pty else [bytes([rfc2217.DSR | rfc2217.DCD | rfc2217.CTS_CHANGED])]
    assert clients[0].answers(rfc2217.PARITY) == [bytes([rfc2217.EVEN])]
    assert clients[1].answers(rfc2217.PARITY) == clients[1].answers(rfc2217.CONTROL) == []
    if not pty:
        assert changed[0] in clients[1].answers(rfc2217.MODEM_STATE)
    assert clients[2].told == [] and (rfc2217.DO, rfc2217.COM_PORT) not in clients[2].heard


def test_each_gets_its_own_answers_only(shared, started):
    """Two clients ask different things as fast as they can; each answer stands where its question stood."""
    sermux, _ = shared
    choice = random.Random(1)
    clients = [started(Client(sermux.port("p", nth))) for nth in (FIRST, SECOND, POWERLESS)]
    onlookers = [started(Client(sermux.port("p", PLAIN), agrees=False)), started(Raw(sermux.port("p", RAW_1)))]
    asked = [[], [], []]
    begin = [len(client.told) for client in clients]
    for _ in range(50):
        for client, mine in zip(clients, asked):
            some = [choice.choice(QUESTIONS[clients.index(client)]) for _ in range(10)]
            client.demand(*some)
            mine += some
    codes = {question[0] for questions in QUESTIONS for question in questions}
    for client, mine, start in zip(clients, asked, begin):

        def answers():
            return [told for told in client.told[start:] if told[0] - rfc2217.ANSWER in codes]

        client.wait("all answers", lambda: len(answers()) >= len(mine))
        for question, (code, value) in zip(mine, answers()):
            assert code == question[0] + rfc2217.ANSWER
            assert len(value) == len(question[1]) or code == rfc2217.SIGNATURE + rfc2217.ANSWER
        assert len(answers()) == len(mine)
    # The last of each setting is what all of them have.
    assert clients[0].present() == clients[1].present() == clients[2].present()
    # A raw client is sent nothing, a telnet client nothing but offers.
    assert onlookers[0].told == [] and not onlookers[0].data and not onlookers[1].data


# No two clients send the same command, so an answer to another's would stand out.
QUESTIONS = [
    [(rfc2217.BAUD, rfc2217.baud(rate)) for rate in (9600, 115200, 250000)] + [(rfc2217.SIZE, [size]) for size in (7, 8)],
    [(rfc2217.PARITY, [1]), (rfc2217.PARITY, [3]), (rfc2217.CONTROL, [rfc2217.DTR_ON]), (rfc2217.CONTROL, [rfc2217.BREAK_OFF])],
    [(rfc2217.STOP, [2]), (rfc2217.SIGNATURE, b""), (rfc2217.LINE_MASK, [0]), (rfc2217.PURGE, [3])],
]


def test_the_last_setting_wins_and_the_other_sees_it_when_it_asks(shared, started):
    sermux, _ = shared
    first, second = (started(Client(sermux.port("p", nth))) for nth in (FIRST, SECOND))
    for rate in (1200, 57600, 31250, 4000000, 9600):
        for one, other in [(first, second), (second, first)]:
            before = len(other.told)
            assert one.set_baud(rate) == rate
            assert other.answers(rfc2217.BAUD, before) == []
            assert other.set_baud(0) == rate
            rate += 300


def test_without_the_right_to_control_every_request_is_answered_with_what_is(shared, started):
    sermux, pty = shared
    master, powerless = (started(Client(sermux.port("p", nth))) for nth in (FIRST, POWERLESS))
    reader = started(Client(sermux.port("p", RAW_1), agrees=False))
    before = master.present()
    assert powerless.present() == before
    attempts = [(rfc2217.BAUD, rfc2217.baud(rate)) for rate in (300, 115200)]
    attempts += [(rfc2217.SIZE, [value]) for value in (5, 6, 7)]
    attempts += [(rfc2217.PARITY, [value]) for value in (2, 3, 4, 5)]
    attempts += [(rfc2217.STOP, [value]) for value in (2, 3)]
    attempts += [(rfc2217.CONTROL, [value]) for value in (2, 3, 5, 9, 12, 15, 16, 17, 18, 19)]
    present = {code: value for code, value in before if code != rfc2217.CONTROL + rfc2217.ANSWER}
    for code, value in attempts:
        answer = powerless.ask(code, value)
        if code == rfc2217.CONTROL:
            assert (rfc2217.CONTROL + rfc2217.ANSWER, answer) in before, f"{value} was answered with {answer}"
        else:
            assert answer == present[code + rfc2217.ANSWER], f"{code} {value} was answered with {answer}"
    assert powerless.present() == before and master.present() == before
    if pty:
        assert pty.settings().baud == 9600
    assert not reader.data


def test_a_purge_without_the_right_to_control_throws_nothing_away(started):
    pty = started(Pty())
    sermux = started(Sermux({"p": [f"device: {pty.path}"]}, *LISTENERS))
    sermux.opened("p")
    powerless = started(Client(sermux.port("p", POWERLESS)))
    sent = bytes(range(256)) * 80
    powerless.send(sent)
    assert powerless.set(rfc2217.PURGE, 3) == 3
    assert pty.receive(len(sent)) == sent


def test_all_at_the_same_time_and_two_pyserials_on_one_listener(shared, started):
    sermux, pty = shared
    raw = [started(Raw(sermux.port("p", nth))) for nth in (RAW_1, RAW_1, RAW_2)]
    plain = started(Client(sermux.port("p", PLAIN), agrees=False))
    url = f"rfc2217://127.0.0.1:{sermux.port('p', FIRST)}"
    with serial.serial_for_url(url, 9600, timeout=20) as one, serial.serial_for_url(url, 19200, timeout=20) as two:
        one.baudrate = 38400
        two.parity = "E"
        one.stopbits = 2
        two.dtr = False
        # Each sends all of its settings each time, so what it set last is whole.
        one.write(b"from one\xff\xff")
        if pty:
            assert pty.receive(10) == b"from one\xff\xff"
            pty.send(b"from one\xff\xff")
        assert one.read(10) == two.read(10) == b"from one\xff\xff"
        # When both have left, the line is given back.
        onlooker = started(Client(sermux.port("p", SECOND)))
        settings = dict(onlooker.present())
    for client in [*raw, plain]:
        client.wait_data(b"from one\xff\xff")
    assert settings[rfc2217.PARITY + rfc2217.ANSWER] == bytes([rfc2217.NO_PARITY])
    assert settings[rfc2217.STOP + rfc2217.ANSWER] == b"\2"
    assert settings[rfc2217.BAUD + rfc2217.ANSWER] == rfc2217.baud(38400)
