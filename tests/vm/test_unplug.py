"""An FTDI adapter that is pulled out and plugged in again while clients are connected."""

import statistics
from datetime import datetime

from rig import exchange

BY_ID = "/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_VM0001-if00-port0"
ROUNDS = 20


def node(vm):
    """Which node the adapter has now."""
    return vm.shell(f"readlink {BY_ID}").rpartition("/")[2]


def delay(vm, path, opened):
    """Milliseconds from the appearance of a node or a link to the record of its opening, by the guest's clock."""
    appeared = vm.shell(f"stat -c %z {path}").split()[1]
    hour, minute, second = appeared.split(":")
    began = (int(hour) * 60 + int(minute)) * 60 + float(second)
    at = datetime.fromisoformat(opened["timestamp"])
    return (((at.hour * 60 + at.minute) * 60 + at.second + at.microsecond / 1e6 - began) % 86400) * 1000


def summary(delays):
    median = statistics.median(delays)
    return f"open {median:.0f} ms after it appeared (median of {len(delays)}), {max(delays):.0f} ms at most"


def hold(vm, path):
    """The pid of a program that has this device open."""
    return int(vm.shell(f"exec 3<>{path}; sleep 1000 >/dev/null 2>&1 & echo $!"))


def test_clients_outlive_an_adapter_that_comes_and_goes(serve, vm, ttyUSB0, show):
    sermux = serve({"p": {"device": BY_ID, "line": "19200 7E1"}})
    sermux.opened("p")
    clients = [sermux.connect("p") for _ in range(2)]
    exchange(ttyUSB0, *clients)
    descriptors = sermux.descriptors()
    cpu_before, before = sermux.cpu()

    nodes, delays = [], []
    for n in range(1, ROUNDS + 1):
        events = len(ttyUSB0.events)
        # A program that keeps the dead tty open makes the kernel give the adapter another number.
        holder = hold(vm, f"/dev/{node(vm)}") if n % 2 else None
        vm.unplug()
        sermux.gone("p", nth=n)
        vm.plug()
        delays.append(delay(vm, BY_ID, sermux.opened("p", nth=n + 1)))
        exchange(ttyUSB0, *clients)
        # The adapter had forgotten its settings.
        ttyUSB0.wait_event("the settings again", lambda event: event.value == "19200 7E1", events)
        ttyUSB0.wait_outputs("DTR RTS")
        nodes.append(node(vm))
        if holder:
            vm.shell(f"kill {holder}")

    assert len(set(nodes)) > 1, f"the adapter was {nodes[0]} every time"
    assert sermux.descriptors() == descriptors
    cpu, now = sermux.cpu()
    assert cpu - cpu_before < (now - before) / 2
    show(
        f"{ROUNDS} times unplugged: {cpu - cpu_before:.2f} s of CPU time in {now - before:.1f} s; "
        f"by-id link, soon after the last time, {summary(delays)}"
    )
    assert [record["message"] for record in sermux.log.since() if record["event"] == "client.disconnected"] == []


def test_an_adapter_that_is_away_costs_no_cpu_time(serve, vm, ttyUSB0, show):
    sermux = serve({"p": {"device": "/dev/ttyUSB0"}})
    sermux.opened("p")
    client = sermux.connect("p")
    vm.unplug()
    sermux.gone("p")
    cpu_before, before = sermux.cpu()
    vm.shell("sleep 2")
    cpu, now = sermux.cpu()
    # A program that spins takes all of it.
    assert cpu - cpu_before < (now - before) / 2
    show(f"adapter away: {cpu - cpu_before:.2f} s of CPU time in {now - before:.1f} s")
    vm.plug()
    sermux.opened("p", nth=2)
    exchange(ttyUSB0, client)


def test_a_device_named_by_its_node_comes_back_too(serve, vm, ttyUSB0, show):
    sermux = serve({"p": {"device": "/dev/ttyUSB0"}})
    sermux.opened("p")
    client = sermux.connect("p")
    delays = []
    for n in range(1, 5):
        # A line that breaks within a second after it was opened is opened again more slowly; that is not measured here.
        vm.shell("sleep 1.2")
        vm.unplug()
        sermux.gone("p", nth=n)
        vm.plug()
        delays.append(delay(vm, "/dev/ttyUSB0", sermux.opened("p", nth=n + 1)))
        exchange(ttyUSB0, client)
    show(f"/dev/ttyUSB0, after a second and more, {summary(delays)}")
