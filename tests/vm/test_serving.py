"""A port on a 16550A: its bytes, its settings as the UART has them, its wires."""

import pytest
from rig import exchange

EVERY_BYTE = bytes(range(256)) * 8


def test_bytes_pass_both_ways_to_all_clients(serve, ttyS4):
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": "115200 8N1"}})
    sermux.opened("p")
    clients = [sermux.connect("p") for _ in range(3)]
    ttyS4.send(EVERY_BYTE)
    for client in clients:
        assert client.receive(len(EVERY_BYTE)) == EVERY_BYTE
    for client in clients:
        client.send(EVERY_BYTE)
        assert ttyS4.receive(len(EVERY_BYTE)) == EVERY_BYTE


# The model has no mark and space: its UART executes them as odd and even.
@pytest.mark.parametrize(
    ("settings", "executed"),
    [
        ("9600 8N1", "9600 8N1"),
        ("9600 7E1", "9600 7E1"),
        ("19200 8N2", "19200 8N2"),
        ("57600 7O2", "57600 7O2"),
        ("300 5N1", "300 5N1"),
        ("115200 6E1", "115200 6E1"),
        ("2400 8M1", "2400 8O1"),
        ("2400 7S1", "2400 7E1"),
    ],
)
def test_the_uart_is_told_what_is_configured(serve, vm, ttyS4, settings, executed):
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": settings}})
    assert sermux.opened("p")["line"] == settings
    ttyS4.wait_settings(executed)
    assert not sermux.warnings()
    sticky = "cmspar" in vm.shell("stty -F /dev/ttyS4 -a").replace("-cmspar", "").split()
    assert sticky == (settings[-2] in "MS")
    exchange(ttyS4, sermux.connect("p"))


def test_a_rate_that_the_uart_cannot_have_is_said_with_the_one_it_has(serve, ttyS4):
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": "19200 8N1"}})
    sermux.opened("p")
    sermux.end()
    # A 16550A with the usual clock ends at 115200, and keeps the rate that it had.
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": "250000 8N1"}})
    warning = sermux.said("line.differs", port="p")["message"]
    assert "250000" in warning and "19200" in warning, warning
    ttyS4.wait_settings("19200 8N1")
    exchange(ttyS4, sermux.connect("p"))


def test_an_ftdi_adapter_has_rates_that_the_uart_cannot_have(serve, ttyUSB0):
    sermux = serve({"p": {"device": "/dev/ttyUSB0", "line": "3000000 8N1"}})
    sermux.opened("p")
    ttyUSB0.wait_settings("3000000 8N1")
    assert not sermux.warnings()


def test_hangup_on_close_is_set_or_cleared_at_each_open(serve, vm, ttyS4):
    for hangup, left in [(True, ""), (False, "DTR RTS"), (True, "")]:
        sermux = serve({"p": {"device": "/dev/ttyS4", "modem": {"hangup-on-close": hangup}}})
        sermux.opened("p")
        ttyS4.wait_outputs("DTR RTS")
        sermux.end()
        # As the close of the last descriptor leaves them, which is over when the program is.
        assert ("DTR" in vm.driver("ttyS4")) == (not hangup)
        ttyS4.wait_outputs(left)


@pytest.mark.parametrize("device", ["ttyS4", "ttyUSB0"])
@pytest.mark.parametrize(
    ("dtr", "rts", "outputs"),
    [
        ("on", "on", "DTR RTS"),
        ("off", "on", "RTS"),
        ("on", "off", "DTR"),
        ("off", "off", ""),
        # Linux raises both at every open.
        ("keep", "keep", "DTR RTS"),
        ("keep", "off", "DTR"),
    ],
)
def test_dtr_and_rts_are_as_configured_once_the_port_is_open(serve, vm, device, dtr, rts, outputs):
    wire = vm.wires[device]
    sermux = serve({"p": {"device": f"/dev/{device}", "modem": {"dtr": dtr, "rts": rts, "hangup-on-close": True}}})
    sermux.opened("p")
    wire.wait_outputs(outputs)
    # And so they stay.
    exchange(wire, sermux.connect("p"))
    wire.wait_outputs(outputs)


def test_with_rts_cts_bytes_wait_for_cts(serve, vm, ttyS4):
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": {"baud": 115200, "flow-control": "rts-cts"}}})
    sermux.opened("p")
    client = sermux.connect("p")
    client.send(b"held")
    # The bytes are with the driver, which has every chance to send them.
    for _ in range(10):
        vm.shell("true")
    assert ttyS4.held() == b""
    ttyS4.inputs("cts")
    assert ttyS4.receive(4) == b"held"


def test_bytes_that_cannot_leave_do_not_hold_up_the_end(serve, vm, ttyS4):
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": {"baud": 115200, "flow-control": "rts-cts"}}})
    sermux.opened("p")
    sermux.connect("p").send(b"held" * 1000)
    for _ in range(10):
        vm.shell("true")
    # Linux would wait 30 s in close for CTS, longer than anything may take here.
    assert sermux.end() == 0
    assert ttyS4.held() == b""


def test_a_break_costs_no_bytes(serve, ttyS4):
    sermux = serve({"p": {"device": "/dev/ttyS4", "line": "9600 8N1"}})
    sermux.opened("p")
    client = sermux.connect("p")
    ttyS4.send(b"before\xff\xff")
    assert client.receive(8) == b"before\xff\xff"
    ttyS4.send_break()
    # The UART receives a break as a zero byte.
    assert client.receive(1) == b"\0"
    ttyS4.send(b"\xffafter")
    assert client.receive(6) == b"\xffafter"
