"""busybox nc, as on routers and in rescue systems. It half-closes when its input ends, and reads on."""

import subprocess

from rig import telegram


def test_busybox_nc_without_input_reads_on(p1_line, tool):
    sermux, pty = p1_line
    reader = tool("busybox", "nc", "127.0.0.1", sermux.port("p1"), stdin=subprocess.DEVNULL)
    sermux.clients("p1", 1)
    for number in range(3):
        pty.send(telegram(number))
    expected = b"".join(telegram(number) for number in range(3))
    reader.stdout.wait("three telegrams", lambda data: data == expected)
    assert reader.running()


def test_busybox_nc_sends_a_command_and_gets_its_answer(line, tool):
    sermux, pty = line
    client = tool("busybox", "nc", "127.0.0.1", sermux.port("p"))
    client.send(b"status\r\n")
    client.close_stdin()
    assert pty.receive(8) == b"status\r\n"
    pty.send(b"ready\r\n")
    client.stdout.wait("the answer", lambda data: data == b"ready\r\n")
    # The server closes, so it ends by itself.
    assert client.wait() == 0
