"""`open: on-demand`: a device that is left alone until somebody wants it."""

from rig import exchange


def test_the_wires_rest_until_the_first_client_comes(serve, vm, ttyS4):
    # The program that had the device before has let DTR go.
    before = serve({"p": {"device": "/dev/ttyS4", "modem": {"hangup-on-close": True}}})
    before.opened("p")
    before.end()
    ttyS4.wait_outputs("")

    events = len(ttyS4.events)
    sermux = serve(
        {"p": {"device": "/dev/ttyS4", "open": "on-demand", "linger": "100ms", "modem": {"hangup-on-close": True}}}
    )
    sermux.said("sermux.started")
    for _ in range(10):
        vm.shell("true")
    assert ttyS4.events.since(events) == []

    for n in (1, 2):
        client = sermux.connect("p")
        sermux.opened("p", nth=n)
        ttyS4.wait_outputs("DTR RTS")
        exchange(ttyS4, client)
        client.close()
        ttyS4.wait_outputs("")
