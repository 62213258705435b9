"""A device that somebody else has."""

from rig import exchange


def test_the_second_program_is_told_who_has_the_device(serve, ttyS4):
    first = serve({"p": {"device": "/dev/ttyS4", "modem": {"hangup-on-close": False}}})
    first.opened("p")
    client = first.connect("p")
    second = serve({"q": {"device": "/dev/ttyS4"}}, skip=1)
    said = second.said("line.open-failed", port="q")["message"]
    assert "sermux" in said and str(first.pid) in said, said
    # And disturbs nothing.
    exchange(ttyS4, client)
    ttyS4.wait_outputs("DTR RTS")

    first.end()
    second.opened("q")
    exchange(ttyS4, second.connect("q"))
