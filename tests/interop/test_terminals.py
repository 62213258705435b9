"""Programs for people: inetutils-telnet 2.4, busybox telnet and PuTTY's plink, each at a terminal of its own."""

import pytest
import rfc2217
from rfc2217 import Client
from rig import RFC2217, TELNET, Pty, Sermux

PROGRAMS = {
    "telnet": lambda port: ["telnet", "127.0.0.1", port],
    "busybox": lambda port: ["busybox", "telnet", "127.0.0.1", port],
    "plink": lambda port: ["plink", "-telnet", "-P", port, "127.0.0.1"],
}
# What Enter sends. The first two agree to BINARY, where it is the bare key; busybox knows only the network's line end.
ENTER = {"telnet": b"\r", "plink": b"\r", "busybox": b"\r\n"}

listeners = pytest.mark.parametrize("listener", [TELNET, RFC2217], ids=["plain", "rfc2217"])
programs = pytest.mark.parametrize("program", PROGRAMS)


@pytest.fixture
def person(started, terminal):
    """A program at a terminal on a pty; that it is there shows in what the line said first."""

    def start(program, *listener):
        pty = started(Pty())
        sermux = started(Sermux({"p": [f"device: {pty.path}"]}, *listener))
        sermux.opened("p")
        client = terminal(*PROGRAMS[program](sermux.port("p")))
        sermux.clients("p", 1)
        pty.send(b"login: ")
        client.screen.wait("the prompt", lambda shown: shown.endswith(b"login: "))
        return client, pty

    return start


def shows(client, since, what):
    client.screen.wait(f"{what} and nothing else", lambda shown: shown[since:] == what)


@listeners
@programs
def test_each_key_reaches_the_line_at_once_and_only_the_line_echoes(person, program, listener):
    client, pty = person(program, listener)
    before = len(client.screen.bytes())
    for key in b"root":
        client.type(bytes([key]))
        assert pty.receive(1) == bytes([key])
    # Nothing was echoed on the way: here is all that the screen has had since.
    pty.send(b"ROOT")
    shows(client, before, b"ROOT")
    client.type(b"\r")
    assert pty.receive(len(ENTER[program])) == ENTER[program]
    pty.send(b"\r\nPassword: ")
    client.screen.wait("the next prompt", lambda shown: shown.endswith(b"\nPassword: "))


@listeners
@programs
def test_eight_bits_both_ways(person, program, listener):
    client, pty = person(program, listener)
    # Without the keys that mean something to the program: its escape, and the line ends.
    keys = bytes(byte for byte in range(256) if byte not in (0x1D, 0x0A, 0x0D)) + b"\xff" * 10
    client.type(keys)
    assert pty.receive(len(keys)) == keys
    before = len(client.screen.bytes())
    shown = bytes(byte for byte in range(256) if byte not in (0x0A, 0x0D)) + b"\xff" * 10
    pty.send(shown)
    shows(client, before, shown)


@pytest.mark.parametrize("program", ["telnet", "busybox"])
def test_enter_can_be_made_cr(person, program):
    client, pty = person(program, TELNET + ", enter: cr")
    client.type(b"reboot\rnow\r")
    assert pty.receive(11) == b"reboot\rnow\r"


def command(client, *words):
    """What is typed at telnet's own prompt."""
    before = len(client.screen.bytes())
    client.type(b"\x1d")
    client.screen.wait("telnet's prompt", lambda shown: shown[before:].endswith(b"telnet> "))
    client.type(" ".join(words).encode() + b"\n")


@listeners
def test_are_you_there_is_answered(person, listener):
    client, pty = person("telnet", listener)
    for n in (1, 2):
        command(client, "send", "ayt")
        client.screen.wait("an answer", lambda shown: shown.count(b"[Yes]") == n)
    client.type(b"on")
    assert pty.receive(2) == b"on", "and nothing of it went to the line"


@pytest.fixture
def breaks(started, terminal):
    """A telnet on sim:echo, whose plug brings breaks back, and a client that is notified of them."""

    def start(listener):
        sermux = started(Sermux({"p": ["device: sim:echo"]}, listener, RFC2217))
        sermux.opened("p")
        onlooker = started(Client(sermux.port("p", 1)))
        onlooker.set(rfc2217.LINE_MASK, rfc2217.BREAK_DETECT)
        client = terminal("telnet", "127.0.0.1", sermux.port("p"))
        sermux.clients("p", 2)
        # A terminal echoes what is typed before telnet has taken it over.
        onlooker.send(b"login: ")
        client.screen.wait("the prompt", lambda shown: shown.endswith(b"login: "))
        return client, onlooker

    return start


def broken(onlooker):
    """How many breaks the client was notified of. The answer to its request comes behind the notifications."""
    onlooker.line_state()
    return onlooker.answers(rfc2217.LINE_STATE).count(bytes([rfc2217.BREAK_DETECT]))


def break_comes(onlooker, nth):
    onlooker.wait(f"{nth} breaks", lambda: onlooker.answers(rfc2217.LINE_STATE).count(bytes([rfc2217.BREAK_DETECT])) == nth)


def types(client, onlooker, data):
    """Keys that come back from the line, so everything before them has been dealt with (a break holds them up)."""
    before = len(onlooker.data)
    client.type(data)
    onlooker.wait("the keys", lambda: onlooker.data[before:] == data)


@listeners
def test_send_brk_is_a_break(breaks, listener):
    client, onlooker = breaks(listener)
    for n in (1, 2):
        command(client, "send", "brk")
        break_comes(onlooker, n)
        types(client, onlooker, b"after")


@listeners
def test_send_synch_is_a_break_if_it_is_to_be_one(breaks, listener):
    """Its DM is urgent data. It counts at once, not with the next key."""
    client, onlooker = breaks(listener + ", break-on-sync: true")
    for n in (1, 2, 3):
        command(client, "send", "synch")
        break_comes(onlooker, n)
        types(client, onlooker, b"after")


@listeners
def test_send_synch_is_nothing_otherwise(breaks, listener):
    """And it takes no key along."""
    client, onlooker = breaks(listener + ", access: control")
    for _ in range(3):
        command(client, "send", "synch")
        types(client, onlooker, b"after")
    assert broken(onlooker) == 0
