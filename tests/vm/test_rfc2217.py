"""RFC 2217 on real UART drivers: wires, breaks, settings, counters."""

import statistics
import time

import pytest
import rfc2217
from rfc2217 import CHANGE, STATE, Client
from rig import RFC2217, exchange
from seen import until

NOTIFY_MODEM = rfc2217.MODEM_STATE + rfc2217.ANSWER
NOTIFY_LINE = rfc2217.LINE_STATE + rfc2217.ANSWER
ALL_INPUTS = sum(STATE.values())
ROUNDS = 25


@pytest.fixture
def share(serve):
    """Serves a device with RFC 2217; gives sermux and a client."""

    def start(device, line="9600 8N1", **port):
        sermux = serve({"p": {"device": f"/dev/{device}", "line": line, "listen": [RFC2217], **port}})
        sermux.opened("p")
        return sermux, sermux.connect("p", kind=Client)

    return start


def change(wire, client, *names):
    """Sets the inputs to these. When the UART noticed, and the client's next notification."""
    events, told = len(wire.events), len(client.told)
    noticed = wire.inputs_shown(wire.inputs(*names), events)
    return noticed, client.wait_told(f"a notification of {names}", lambda one: one.code == NOTIFY_MODEM, told)


def test_each_change_of_cts_dsr_and_dcd_reaches_the_client(share, ttyS4, show):
    _, client = share("ttyS4")
    assert client.modem_state() & ALL_INPUTS == 0
    delays = []
    for _ in range(ROUNDS):
        on = set()
        for name in ("cts", "dsr", "dcd", "cts", "dsr", "dcd"):
            on ^= {name}
            noticed, told = change(ttyS4, client, *on)
            # The whole state, and the one change since the last notification.
            assert told.value == bytes([sum(STATE[each] for each in on) | CHANGE[name]])
            delays.append((told.at - noticed) * 1000)

    # The emulation's share: a byte's way from the UART to the client.
    ways = []
    for _ in range(ROUNDS):
        begun = time.monotonic()
        ttyS4.send(b"x")
        client.receive(1)
        ways.append((time.monotonic() - begun) * 1000)
    delays.sort()
    show(
        f"{len(delays)} changes of modem state reached the client after {statistics.median(delays):.1f} ms (median), "
        f"{delays[len(delays) * 99 // 100]:.1f} ms (p99), {delays[-1]:.1f} ms at most; "
        f"a byte takes {statistics.median(ways):.1f} ms (median), {max(ways):.1f} ms at most"
    )


def test_a_ring_is_told_when_it_is_over(share, ttyS4):
    # A 16550 tells of RI's trailing edge only.
    _, client = share("ttyS4")
    start = len(client.told)
    for _ in range(3):
        ttyS4.inputs_shown(ttyS4.inputs("ri"), len(ttyS4.events))
        ttyS4.inputs_shown(ttyS4.inputs(), len(ttyS4.events))
        rings = client.wait_told("a ring", lambda one: one.code == NOTIFY_MODEM and one.value[0] & CHANGE["ri"], start)
        assert not rings.value[0] & STATE["ri"]
        start = len(client.told)


def test_the_mask_says_which_changes_are_told(share, ttyS4):
    _, client = share("ttyS4")
    assert client.set(rfc2217.MODEM_MASK, STATE["cts"] | CHANGE["cts"]) == STATE["cts"] | CHANGE["cts"]
    # The state follows the mask at once.
    client.ask(rfc2217.MODEM_STATE)
    start = len(client.told)
    ttyS4.inputs_shown(ttyS4.inputs("dsr"), len(ttyS4.events))
    ttyS4.inputs_shown(ttyS4.inputs("dsr", "cts"), len(ttyS4.events))
    first = client.wait_told("a notification", lambda one: one.code == NOTIFY_MODEM, start)
    assert first.value[0] & STATE["cts"], f"a notification of DSR alone: {first}"


def test_the_client_steers_dtr_and_rts(share, ttyS4):
    _, client = share("ttyS4")
    ttyS4.wait_outputs("DTR RTS")
    for control, outputs in [
        (rfc2217.DTR_OFF, "RTS"),
        (rfc2217.RTS_OFF, ""),
        (rfc2217.DTR_ON, "DTR"),
        (rfc2217.RTS_ON, "DTR RTS"),
    ]:
        assert client.control(control) == control
        ttyS4.wait_outputs(outputs)
        assert client.control(rfc2217.ASK_DTR) == (rfc2217.DTR_ON if "DTR" in outputs else rfc2217.DTR_OFF)
        assert client.control(rfc2217.ASK_RTS) == (rfc2217.RTS_ON if "RTS" in outputs else rfc2217.RTS_OFF)


def test_a_reset_sequence_reaches_the_wires_in_its_order(share, ttyS4):
    # What esptool does, all in one segment.
    _, client = share("ttyS4")
    ttyS4.wait_outputs("DTR RTS")
    events, told = len(ttyS4.events), len(client.told)
    steps = [rfc2217.DTR_OFF, rfc2217.DTR_ON, rfc2217.RTS_OFF, rfc2217.DTR_OFF, rfc2217.RTS_ON]
    client.demand(*((rfc2217.CONTROL, bytes([step])) for step in steps))
    client.wait("all answers", lambda: [value[0] for value in client.answers(rfc2217.CONTROL, told)] == steps)

    def sequence(seen):
        outputs = [event.value for event in seen if event.kind == "outputs"]
        # A driver may tell the UART again what it has.
        return [one for n, one in enumerate(outputs) if n == 0 or one != outputs[n - 1]]

    expected = ["RTS", "DTR RTS", "DTR", "", "RTS"]
    ttyS4.events.wait("the sequence on the wires", lambda seen: sequence(seen) == expected, events)


def test_a_break_goes_on_and_off(share, ttyS4):
    _, client = share("ttyS4")
    start = len(ttyS4.events)
    for n in (1, 2):
        # The model tells that a break begins; the second begins only if the first has ended.
        assert client.control(rfc2217.BREAK_ON) == rfc2217.BREAK_ON
        ttyS4.wait_breaks(n, start)
        assert client.control(rfc2217.ASK_BREAK) == rfc2217.BREAK_ON
        assert client.control(rfc2217.BREAK_OFF) == rfc2217.BREAK_OFF
        assert client.control(rfc2217.ASK_BREAK) == rfc2217.BREAK_OFF
    exchange(ttyS4, client)


def test_the_break_of_telnet_is_a_break_on_the_line_and_ends_by_itself(share, ttyS4):
    _, client = share("ttyS4")
    start = len(ttyS4.events)
    for n in (1, 2):
        client.send_break()
        ttyS4.wait_breaks(n, start)
        until("the break is over", lambda: client.control(rfc2217.ASK_BREAK) == rfc2217.BREAK_OFF)
    exchange(ttyS4, client)


def test_a_break_on_the_line_is_told_to_those_who_want_to_know(share, vm, ttyS4):
    sermux, client = share("ttyS4")
    other = sermux.connect("p", kind=Client)
    assert client.set(rfc2217.LINE_MASK, rfc2217.BREAK_DETECT) == rfc2217.BREAK_DETECT
    for _ in range(2):
        start = len(client.told)
        ttyS4.send_break()
        told = client.wait_told(
            "a break", lambda one: one.code == NOTIFY_LINE and one.value[0] & rfc2217.BREAK_DETECT, start
        )
        assert not told.value[0] & (2 | 4 | 8), "a break is no error"
    assert "brk:" in vm.driver("ttyS4")
    # The other has no mask, and sermux has had every chance to notify it.
    assert other.line_state() & rfc2217.BREAK_DETECT == 0
    assert [one for one in other.told if one.code == NOTIFY_LINE][1:] == []


def test_a_poll_says_whether_everything_is_on_the_wire(share, vm, ttyS4):
    _, client = share("ttyS4", {"baud": 115200, "flow-control": "rts-cts"})
    both = rfc2217.TX_HOLDING_EMPTY | rfc2217.TX_SHIFT_EMPTY
    assert client.line_state() & both == both
    # CTS is off.
    client.send(b"held")
    assert not client.line_state() & rfc2217.TX_SHIFT_EMPTY
    ttyS4.inputs("cts")
    assert ttyS4.receive(4) == b"held"
    until("the transmitter is empty", lambda: client.line_state() & both == both)


def test_settings_are_answered_with_what_the_line_has(share, ttyS4):
    sermux, client = share("ttyS4", "9600 8N1")
    other = sermux.connect("p", kind=Client)
    start = len(other.told)
    assert client.set_baud(0) == 9600
    assert client.set_baud(57600) == 57600
    assert client.set(rfc2217.SIZE, 7) == 7
    assert client.set(rfc2217.PARITY, rfc2217.EVEN) == rfc2217.EVEN
    assert client.set(rfc2217.STOP, 2) == 2
    ttyS4.wait_settings("57600 7E2")
    # The UART cannot.
    assert client.set_baud(250000) == 57600
    assert client.set_baud(0) == 57600
    ttyS4.wait_settings("57600 7E2")
    assert client.set(rfc2217.STOP, 1) == 1
    for size in (5, 6):
        assert client.set(rfc2217.SIZE, size) == size
        ttyS4.wait_settings(f"57600 {size}E1")

    assert [one for one in other.told[start:] if one.code != NOTIFY_MODEM] == [], "answers are for who asked"
    assert other.set(rfc2217.SIZE, 0) == 6
    assert other.set_baud(0) == 57600


def test_mark_and_space_parity_come_and_go(share, vm, ttyS4):
    _, client = share("ttyS4", "9600 8N1")

    def sticky():
        return "-cmspar" not in vm.shell("stty -F /dev/ttyS4 -a")

    # The model executes mark and space as odd and even.
    for parity, executed in [
        (rfc2217.MARK, "O"),
        (rfc2217.EVEN, "E"),
        (rfc2217.SPACE, "E"),
        (rfc2217.ODD, "O"),
        (rfc2217.MARK, "O"),
        (rfc2217.NO_PARITY, "N"),
    ]:
        assert client.set(rfc2217.PARITY, parity) == parity
        assert client.set(rfc2217.PARITY, 0) == parity
        ttyS4.wait_settings(f"9600 8{executed}1")
        assert sticky() == (parity in (rfc2217.MARK, rfc2217.SPACE))


def test_an_ftdi_adapter_has_seven_and_eight_data_bits(share, ttyUSB0):
    _, client = share("ttyUSB0", "9600 8N1")
    # The driver says yes to the program and keeps what it had.
    assert client.set(rfc2217.SIZE, 6) == 8
    assert client.set(rfc2217.SIZE, 7) == 7
    ttyUSB0.wait_settings("9600 7N1")
    assert client.set(rfc2217.SIZE, 5) == 7
    assert client.set_baud(3000000) == 3000000
    ttyUSB0.wait_settings("3000000 7N1")


def test_unplugged_the_modem_inputs_drop_and_plugged_they_rise(share, vm, ttyUSB0):
    ttyUSB0.inputs("cts", "dsr")
    sermux, client = share("ttyUSB0", "19200 7E1")
    assert client.modem_state() & ALL_INPUTS == STATE["cts"] | STATE["dsr"]
    for n in (1, 2, 3):
        start = len(client.told)
        vm.unplug()
        down = client.wait_told("a notification", lambda one: one.code == NOTIFY_MODEM, start)
        assert down.value == bytes([CHANGE["cts"] | CHANGE["dsr"]])
        start = len(client.told)
        vm.plug()
        up = client.wait_told("a notification", lambda one: one.code == NOTIFY_MODEM, start)
        assert up.value == bytes([STATE["cts"] | STATE["dsr"] | CHANGE["cts"] | CHANGE["dsr"]])
        sermux.opened("p", nth=n + 1)
        ttyUSB0.wait_settings("19200 7E1")
        exchange(ttyUSB0, client)


def test_what_a_client_has_set_is_there_again_after_unplugging(share, vm, ttyUSB0):
    sermux, client = share("ttyUSB0", "9600 8N1")
    assert client.set_baud(57600) == 57600
    assert client.control(rfc2217.DTR_OFF) == rfc2217.DTR_OFF
    ttyUSB0.wait_outputs("RTS")
    vm.unplug()
    sermux.gone("p")
    vm.plug()
    sermux.opened("p", nth=2)
    rate = client.set_baud(0)
    ttyUSB0.wait_settings(f"{rate} 8N1")
    dtr = client.control(rfc2217.ASK_DTR)
    ttyUSB0.wait_outputs("DTR RTS" if dtr == rfc2217.DTR_ON else "RTS")
