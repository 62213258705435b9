"""telnet (inetutils 2.4) on a raw listener: on a port that is not 23 it negotiates nothing, and shows CR LF as LF."""

from rig import telegram, whole


def shown(data):
    """What telnet shows once it is connected, with its line ends put back."""
    _, found, text = data.partition(b"Escape character is '^]'.\n")
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") if found else b""


def test_telnet_reads_telegrams(meter, tool):
    reader = tool("telnet", "127.0.0.1", meter.port("p1"))
    got = reader.stdout.wait("three telegrams", lambda data: len(whole(shown(data))) >= 3 and shown(data))
    assert got.startswith(b"/")


def test_telnet_types_into_the_line(line, tool):
    sermux, pty = line
    client = tool("telnet", "127.0.0.1", sermux.port("p"))
    sermux.clients("p", 1)
    client.send(b"show version\n")
    got = pty.receive(len(b"show version"))
    assert got == b"show version"
    pty.send(b"\r\nsermux\r\n> ")
    client.stdout.wait("the answer", lambda data: b"sermux" in shown(data) and b"> " in shown(data))


def test_telnet_sees_nothing_that_is_not_from_the_meter(p1_line, tool):
    sermux, pty = p1_line
    reader = tool("telnet", "127.0.0.1", sermux.port("p1"))
    sermux.clients("p1", 1)
    pty.send(telegram(1))
    reader.stdout.wait("the telegram and nothing else", lambda data: shown(data) == telegram(1))
