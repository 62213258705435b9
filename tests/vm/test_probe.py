"""`sermux probe` on UARTs: it names what comes, and settings, DTR and RTS are as they were, however it ends."""

import json
import threading

import pytest
from seen import PATIENCE, Seen

TELEGRAM = (
    b"/XMX5LGBBFG1012345678\r\n\r\n0-0:96.1.1(4530303331303033323132333435363738)\r\n1-0:1.8.1(000143.422*kWh)\r\n"
    b"1-0:1.8.2(000078.911*kWh)\r\n1-0:1.7.0(00.520*kW)\r\n!\r\n"
)
DEVICES = ["ttyS4", "ttyUSB0"]


@pytest.fixture(params=DEVICES)
def device(request, vm):
    """The name of a device that somebody has left at 1200 7E2 with modem lines that go down at its end."""
    name = request.param
    vm.shell(f"stty -F /dev/{name} 1200 cs7 parenb cstopb hupcl icanon ixon")
    yield name
    vm.shell(f"stty -F /dev/{name} 9600 cs8 -parenb -cstopb -hupcl")


def settings(vm, name):
    return vm.shell(f"stty -F /dev/{name} -g")


def probe(vm, name, arguments=""):
    """Runs it in the guest: its pid, and what it says until its status."""
    agent = vm.run(f"sermux probe {arguments} /dev/{name} 2>&1 & pid=$!; echo PID $pid; wait $pid; echo STATUS $?\n")
    said = Seen(bytearray()).follow(lambda: agent.recv(65536))
    pid = said.wait("the probe starts", lambda data: b"\n" in data and int(data.split(b"\n")[0].split()[1]))
    return pid, said


def ended(said):
    text = bytes(said.wait("the probe ends", lambda data: b"STATUS " in data and data)).decode()
    output, _, status = text.partition("\n")[2].rpartition("STATUS ")
    return int(status.split()[0]), output


def test_a_silent_line_is_as_it_was(vm, device):
    before = settings(vm, device)
    _, said = probe(vm, device, "--time 2")
    vm.wires[device].wait_settings("4800 8N1")
    status, output = ended(said)
    assert (status, "nothing is received" in output) == (1, True), output
    assert settings(vm, device) == before


@pytest.mark.parametrize("signal", ["INT", "TERM", "HUP"])
def test_a_signal_leaves_the_line_as_it_was(vm, device, signal):
    before = settings(vm, device)
    pid, said = probe(vm, device)
    vm.wires[device].wait_settings("115200 8N1")
    vm.shell(f"kill -{signal} {pid}")
    status, output = ended(said)
    assert (status, output) == (1, "interrupted; the device is as it was\n")
    assert settings(vm, device) == before


def test_dtr_and_rts_go_down_at_the_end_where_they_did_before_and_stay_where_they_did_not(vm, ttyS4):
    for hupcl, outputs in [("hupcl", ""), ("-hupcl", "DTR RTS")]:
        vm.shell(f"stty -F /dev/ttyS4 {hupcl}")
        ttyS4.wait_outputs(outputs)
        pid, said = probe(vm, "ttyS4")
        ttyS4.wait_outputs("DTR RTS")
        ttyS4.wait_settings("115200 8N1")
        vm.shell(f"kill -TERM {pid}")
        ended(said)
        ttyS4.wait_outputs(outputs)


def test_what_comes_is_told(vm, device):
    before = settings(vm, device)
    wire = vm.wires[device]
    _, said = probe(vm, device, "--json")
    wire.wait_settings("115200 8N1")
    stop = threading.Event()

    def meter():
        while not stop.wait(1):
            wire.send(TELEGRAM)

    sender = threading.Thread(target=meter)
    sender.start()
    try:
        status, output = ended(said)
    finally:
        stop.set()
        sender.join(PATIENCE)
    told = json.loads(output)
    assert (status, told["cause"], told["meter"]["id"]) == (0, "p1", "E0031003212345678"), output
    assert 0.5 < told["per-second"] < 1.5, output
    assert settings(vm, device) == before
