"""Output that cannot leave, because CTS is low with rts-cts. On Linux a break then waits without limit, and so does
whatever comes behind it (TIOCSBRK, TCSBRK; only TCFLSH frees it)."""

import threading

import pytest
import rfc2217
from rfc2217 import Client
from rig import RFC2217, exchange
from seen import PATIENCE, until

HELD = b"these bytes cannot leave"


@pytest.fixture
def stuck(serve, vm):
    """Two ports, of which the first has output that cannot leave; its client."""
    sermux = serve(
        {
            "p": {
                "device": "/dev/ttyS4",
                "line": {"baud": 115200, "flow-control": "rts-cts"},
                "listen": [RFC2217],
            },
            "q": {"device": "/dev/ttyS5", "line": "115200 8N1"},
        }
    )
    sermux.opened("p")
    sermux.opened("q")
    client = sermux.connect("p", kind=Client)
    client.send(HELD)
    return sermux, client


def test_a_break_behind_it_is_sent_in_the_end_and_no_other_port_notices(stuck, ttyS4, ttyS5):
    sermux, client = stuck
    neighbour = sermux.connect("q")
    told, events = len(client.told), len(ttyS4.events)
    client.demand((rfc2217.CONTROL, bytes([rfc2217.BREAK_ON])))

    def answered():
        exchange(ttyS5, neighbour)
        return [one for one in client.told[told:] if one.code == rfc2217.CONTROL + rfc2217.ANSWER]

    until("the answer", answered)
    assert client.answer(rfc2217.CONTROL, told) == bytes([rfc2217.BREAK_ON])
    ttyS4.wait_breaks(1, events)
    assert client.control(rfc2217.BREAK_OFF) == rfc2217.BREAK_OFF
    ttyS4.inputs("cts")
    exchange(ttyS4, client)


def test_the_port_says_that_a_break_cost_bytes(stuck):
    sermux, client = stuck
    records = len(sermux.log)
    assert client.control(rfc2217.BREAK_ON) == rfc2217.BREAK_ON
    sermux.said("line.bytes-discarded", records, port="p", level="WARN")


def test_bytes_that_keep_coming_do_not_keep_a_break_from_its_answer(stuck, ttyS4):
    sermux, client = stuck
    other = sermux.connect("p", kind=Client)

    enough = threading.Event()

    def keep_sending():
        while not enough.wait(0.01):
            other.send(HELD)

    sender = threading.Thread(target=keep_sending, daemon=True)
    sender.start()
    for _ in range(2):
        assert client.control(rfc2217.BREAK_ON) in (rfc2217.BREAK_ON, rfc2217.BREAK_OFF)
        assert client.set(rfc2217.PURGE, rfc2217.PURGE_TX) == rfc2217.PURGE_TX
        assert client.control(rfc2217.BREAK_OFF) == rfc2217.BREAK_OFF
    enough.set()
    sender.join(PATIENCE)
    assert client.set(rfc2217.PURGE, rfc2217.PURGE_TX) == rfc2217.PURGE_TX
    assert client.control(rfc2217.ASK_BREAK) == rfc2217.BREAK_OFF


def test_it_does_not_hold_up_the_end_of_the_program(stuck):
    sermux, client = stuck
    client.demand((rfc2217.CONTROL, bytes([rfc2217.BREAK_ON])))
    # Linux would wait 30 s in close alone; this has the patience of all tests.
    assert sermux.end() == 0


def test_it_does_not_hold_up_answers_that_need_no_wire(stuck, ttyS4):
    _, client = stuck
    assert client.set_baud(0) == 115200
    assert client.control(rfc2217.DTR_OFF) == rfc2217.DTR_OFF
    ttyS4.wait_outputs("RTS")
    assert ttyS4.held() == b""


def test_a_purge_throws_it_away(stuck, ttyS4):
    _, client = stuck
    assert client.set(rfc2217.PURGE, rfc2217.PURGE_TX) == rfc2217.PURGE_TX
    ttyS4.inputs("cts")
    # Nothing of it comes before this.
    exchange(ttyS4, client)


def test_a_purge_frees_the_break_behind_it(stuck, ttyS4):
    _, client = stuck
    told, events = len(client.told), len(ttyS4.events)
    client.demand((rfc2217.CONTROL, bytes([rfc2217.BREAK_ON])), (rfc2217.PURGE, bytes([rfc2217.PURGE_TX])))
    assert client.answer(rfc2217.PURGE, told) == bytes([rfc2217.PURGE_TX])
    assert client.answer(rfc2217.CONTROL, told) == bytes([rfc2217.BREAK_ON])
    ttyS4.wait_breaks(1, events)


def test_unplugging_frees_all_of_it(serve, vm, ttyUSB0):
    sermux = serve({"p": {"device": "/dev/ttyUSB0", "line": {"flow-control": "rts-cts"}, "listen": [RFC2217]}})
    sermux.opened("p")
    client = sermux.connect("p", kind=Client)
    client.send(HELD)
    client.demand((rfc2217.CONTROL, bytes([rfc2217.BREAK_ON])))
    vm.unplug()
    sermux.gone("p")
    ttyUSB0.inputs("cts")
    vm.plug()
    sermux.opened("p", nth=2)
    ttyUSB0.forget()
    exchange(ttyUSB0, client)


def test_it_is_said_once_with_the_state_of_cts(stuck, ttyS4):
    sermux, _ = stuck
    said = sermux.said("line.stuck", port="p")
    assert said["level"] == "WARN" and "CTS is off" in said["message"] and f"{len(HELD)} bytes wait" in said["message"]
    ttyS4.inputs("cts")
    assert ttyS4.receive(len(HELD)) == HELD
    sermux.said("line.unstuck", port="p")
    assert sum(record["event"] == "line.stuck" for record in sermux.log.since()) == 1
