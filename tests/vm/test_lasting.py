"""What clients change about a line lasts as long as they do, on real UART drivers: DTR and RTS above all."""

import rfc2217
from rfc2217 import DTR_OFF, DTR_ON, RTS_OFF, Client
from rig import RFC2217, exchange

CONSOLE = {"protocol": "raw", "access": "read-only"}


def serve_rfc2217(serve, device, **port):
    sermux = serve({"p": {"device": f"/dev/{device}", "line": "9600 8N1", "listen": [RFC2217], **port}})
    sermux.opened("p")
    return sermux


def test_an_adapter_that_is_plugged_in_again_gets_what_the_client_had_set(serve, vm, ttyUSB0):
    sermux = serve_rfc2217(serve, "ttyUSB0")
    client = sermux.connect("p", kind=Client)
    assert client.set_baud(115200) == 115200
    assert client.control(DTR_OFF) == DTR_OFF
    ttyUSB0.wait_settings("115200 8N1")
    ttyUSB0.wait_outputs("RTS")
    vm.unplug()
    sermux.gone("p")
    # Promised while it is away.
    assert client.set_baud(57600) == 57600
    assert client.control(DTR_OFF) == DTR_OFF
    vm.plug()
    sermux.opened("p", nth=2)
    ttyUSB0.wait_settings("57600 8N1")
    ttyUSB0.wait_outputs("RTS")
    assert client.set_baud(0) == 57600
    exchange(ttyUSB0, client)


def test_the_last_client_gives_dtr_and_rts_back_in_one_step(serve, ttyS4):
    sermux = serve_rfc2217(serve, "ttyS4")
    client = sermux.connect("p", kind=Client)
    assert client.set_baud(115200) == 115200
    assert client.control(DTR_OFF) == DTR_OFF
    assert client.control(RTS_OFF) == RTS_OFF
    ttyS4.wait_outputs("")
    events = len(ttyS4.events)
    client.close()
    ttyS4.wait_outputs("DTR RTS")
    ttyS4.wait_settings("9600 8N1")
    outputs = [event.value for event in ttyS4.events.since(events) if event.kind == "outputs"]
    assert outputs == ["DTR RTS"], "one after the other"


def test_each_first_client_gets_its_edge_of_dtr(serve, ttyS4):
    modem = {"dtr": "off", "on-connect": {"dtr": "on", "break": "100ms"}, "on-disconnect": {"dtr": "off"}}
    sermux = serve({"p": {"device": "/dev/ttyS4", "modem": modem}})
    sermux.opened("p")
    ttyS4.wait_outputs("RTS")
    for _ in range(2):
        events = len(ttyS4.events)
        client = sermux.connect("p")
        ttyS4.wait_outputs("DTR RTS")
        ttyS4.wait_breaks(1, events)
        exchange(ttyS4, client)
        client.close()
        ttyS4.wait_outputs("RTS")
        outputs = [event.value for event in ttyS4.events.since(events) if event.kind == "outputs"]
        assert outputs == ["DTR RTS", "RTS"]


def test_a_carrier_that_drops_disconnects_the_clients(serve, ttyS4):
    sermux = serve({"p": {"device": "/dev/ttyS4", "modem": {"hangup": "disconnect"}}})
    sermux.opened("p")
    # Without a carrier so far a client may stay.
    client = sermux.connect("p")
    exchange(ttyS4, client)
    ttyS4.inputs("dcd")
    exchange(ttyS4, client)
    events = len(ttyS4.events)
    ttyS4.inputs_shown(ttyS4.inputs("dcd", "cts"), events)
    events = len(ttyS4.events)
    ttyS4.inputs_shown(ttyS4.inputs("cts"), events)
    sermux.said("client.disconnected", cause="carrier-lost")
    client.close()
