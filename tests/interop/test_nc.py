"""netcat-openbsd. What ends its input, and whether it then half-closes, is what differs between its options."""

import subprocess

from rig import telegram, whole


def test_nc_reads_telegrams(meter, tool):
    reader = tool("nc", "127.0.0.1", meter.port("p1"))
    got = reader.stdout.wait("three telegrams", lambda data: len(whole(data)) >= 3 and data)
    assert got.startswith(b"/")


def test_nc_without_input_keeps_reading(meter, tool):
    # As in a cron job or a systemd service.
    reader = tool("nc", "-d", "127.0.0.1", meter.port("p1"))
    reader.stdout.wait("three telegrams", lambda data: len(whole(data)) >= 3)


def test_nc_that_half_closes_at_once_keeps_reading(meter, tool):
    reader = tool("nc", "-N", "127.0.0.1", meter.port("p1"), stdin=subprocess.DEVNULL)
    reader.stdout.wait("three telegrams", lambda data: len(whole(data)) >= 3)
    assert reader.running()


def test_nc_sends_a_command_and_gets_its_answer(line, tool):
    sermux, pty = line
    client = tool("nc", "-N", "127.0.0.1", sermux.port("p"))
    client.send(b"status\r\n")
    client.close_stdin()
    assert pty.receive(8) == b"status\r\n"
    pty.send(b"ready\r\n")
    client.stdout.wait("the answer", lambda data: data == b"ready\r\n")
    # The server closes, so it ends by itself.
    assert client.wait() == 0


def test_nc_both_ways_with_every_byte(line, tool):
    sermux, pty = line
    client = tool("nc", "127.0.0.1", sermux.port("p"))
    sermux.clients("p", 1)
    every = bytes(range(256)) * 8
    pty.send(every)
    client.stdout.wait("all bytes", lambda data: data == every)
    client.send(every)
    assert pty.receive(len(every)) == every


def test_nc_may_type_into_a_p1_port_without_harm(p1_line, tool):
    sermux, pty = p1_line
    client = tool("nc", "127.0.0.1", sermux.port("p1"))
    sermux.clients("p1", 1)
    client.send(b"hello meter\n")
    for number in range(3):
        pty.send(telegram(number))
    expected = b"".join(telegram(number) for number in range(3))
    client.stdout.wait("the telegrams", lambda data: data.endswith(telegram(2)))
    assert whole(client.stdout.bytes())[0] in expected
