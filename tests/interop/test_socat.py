"""socat 1.7 and later."""

import os
import subprocess

from rig import Program, telegram, telegrams, whole


def test_socat_reads_telegrams(meter, tool):
    reader = tool("socat", "-", f"TCP:127.0.0.1:{meter.port('p1')}")
    got = reader.stdout.wait("three telegrams", lambda data: len(whole(data)) >= 3 and data)
    assert got.startswith(b"/")


def test_socat_that_only_reads_writes_them_to_a_file(meter, tool, tmp_path):
    file = tmp_path / "telegrams"
    watcher = tool("socat", "-u", f"TCP:127.0.0.1:{meter.port('p1')}", "-")
    tool("socat", "-u", f"TCP:127.0.0.1:{meter.port('p1')}", f"OPEN:{file},creat,append")
    meter.clients("p1", 2)
    have = len(whole(watcher.stdout.bytes()))
    # Its clock is the other reader's telegrams.
    watcher.stdout.wait("four more telegrams", lambda data: len(whole(data)) >= have + 4)
    assert len(telegrams(file.read_bytes())) >= 3


def test_socat_both_ways_with_every_byte(line, tool):
    sermux, pty = line
    client = tool("socat", "-", f"TCP:127.0.0.1:{sermux.port('p')}")
    sermux.clients("p", 1)
    every = bytes(range(256)) * 8
    pty.send(every)
    client.stdout.wait("all bytes", lambda data: data == every)
    client.send(every)
    assert pty.receive(len(every)) == every


def test_socat_makes_a_local_pty_of_a_remote_port(line, tool, tmp_path):
    sermux, pty = line
    link = tmp_path / "ttyREMOTE"
    tool("socat", f"PTY,link={link},rawer", f"TCP:127.0.0.1:{sermux.port('p')}")
    sermux.clients("p", 1)
    remote = os.open(link, os.O_RDWR | os.O_NOCTTY)
    try:
        pty.send(b"down\0\xff\r\n")
        assert os.read(remote, 64) == b"down\0\xff\r\n"
        os.write(remote, b"up\0\xff\r\n")
        assert pty.receive(6) == b"up\0\xff\r\n"
    finally:
        os.close(remote)


def test_socat_readers_come_and_go_while_others_read(p1_line, tool):
    sermux, pty = p1_line
    stays = tool("socat", "-u", f"TCP:127.0.0.1:{sermux.port('p1')}", "-")
    sermux.clients("p1", 1)
    for number in range(5):
        passer_by: Program = tool("socat", "-u", f"TCP:127.0.0.1:{sermux.port('p1')}", "-")
        sermux.clients("p1", number + 2)
        pty.send(telegram(number))
        passer_by.stdout.wait("the telegram", lambda data: data == telegram(number))
        passer_by.end()
    expected = b"".join(telegram(number) for number in range(5))
    stays.stdout.wait("all telegrams", lambda data: data == expected)


def test_socat_without_input_reads_on(p1_line, tool):
    # As in a script: `socat - TCP:… < /dev/null`. It half-closes at once, and gives what still comes half a second (-t).
    sermux, pty = p1_line
    client = tool("socat", "-t", "30", "-", f"TCP:127.0.0.1:{sermux.port('p1')}", stdin=subprocess.DEVNULL)
    sermux.clients("p1", 1)
    for number in range(3):
        pty.send(telegram(number))
    expected = b"".join(telegram(number) for number in range(3))
    client.stdout.wait("three telegrams", lambda data: data == expected)
    assert client.running()


def test_socat_sends_a_command_and_gets_its_answer(line, tool):
    sermux, pty = line
    client = tool("socat", "-t", "30", "-", f"TCP:127.0.0.1:{sermux.port('p')}")
    client.send(b"status\r\n")
    client.close_stdin()
    assert pty.receive(8) == b"status\r\n"
    pty.send(b"ready\r\n")
    client.stdout.wait("the answer", lambda data: data == b"ready\r\n")
    assert client.wait() == 0
