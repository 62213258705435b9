"""The real binary, ptys and other people's programs, each with a deadline. Nothing outlives its test."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time
import tty

# How long anything that must happen may take. Only a test that fails waits for it.
PATIENCE = 20.0

TELEGRAM = re.compile(rb"/.*?\r\n!([0-9A-F]{4})\r\n", re.DOTALL)


class Lines:
    """What a stream says, collected on a thread."""

    def __init__(self, stream):
        self._stream = stream
        self._changed = threading.Condition()
        self._bytes = b""
        self._closed = False
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            try:
                chunk = os.read(self._stream.fileno(), 65536)
            except (OSError, ValueError):
                chunk = b""
            with self._changed:
                self._bytes += chunk
                self._closed = not chunk
                self._changed.notify_all()
            if not chunk:
                return

    def bytes(self):
        with self._changed:
            return self._bytes

    def wait(self, what, find, patience=PATIENCE):
        """What `find` makes of the bytes, as soon as it makes something of them."""
        deadline = time.monotonic() + patience
        with self._changed:
            while True:
                found = find(self._bytes)
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    why = "closed" if self._closed else "the deadline passed"
                    raise AssertionError(f"{what}: {why}; so far: {self._bytes[-4000:]!r}")
                self._changed.wait(left)


class Terminal:
    """A program at a terminal of its own: what it shows is collected, what is typed goes to it byte for byte."""

    def __init__(self, *arguments):
        self._keyboard, screen = pty.openpty()
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments], stdin=screen, stdout=screen, stderr=screen, start_new_session=True
        )
        os.close(screen)
        self.screen = Lines(self)

    def fileno(self):
        return self._keyboard

    def type(self, data):
        while data:
            data = data[os.write(self._keyboard, data) :]

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._keyboard)


def eventually(what, condition):
    """Looks again and again until `condition` holds; what it said then."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.05)
    return found


class Program:
    """A running program: its stdin is open until closed here, its output is collected, its end is certain."""

    def __init__(self, *arguments, stdin=subprocess.PIPE):
        self.process = subprocess.Popen(
            [str(argument) for argument in arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.stdout = Lines(self.process.stdout)
        self.stderr = Lines(self.process.stderr)

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close_stdin(self):
        self.process.stdin.close()

    def wait(self, patience=PATIENCE):
        return self.process.wait(patience)

    def running(self):
        return self.process.poll() is None

    def end(self):
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream and stream.close()
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


# What a port may listen with: the words of a listener's entry, without its address.
RAW = "protocol: raw"
TELNET = "protocol: telnet"
RFC2217 = "protocol: telnet, rfc2217: true"


def with_address(listener):
    return listener if "address:" in listener else f'{listener}, address: "127.0.0.1:0"'


class Sermux(Program):
    """`sermux serve` with these ports: a mapping of name to the lines of its entry. Each has these listeners, at a port of
    their own on 127.0.0.1 where they say no address. `top` are lines for the top of the file, `program` is another build, or one
    under somebody's eyes."""

    def __init__(self, ports, *listeners, verbosity=(), program=None, top=()):
        self._folder = tempfile.TemporaryDirectory()
        config = os.path.join(self._folder.name, "sermux.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in [*top, "ports:"]))
            for name, lines in ports.items():
                listen = [f"- {{ {listener} }}" for listener in map(with_address, listeners or [RAW])]
                file.write(f"  {name}:\n" + "".join(f"    {line}\n" for line in [*lines, "listen:", *listen]))
        program = program or [os.environ["SERMUX_BIN"]]
        super().__init__(*program, "serve", *verbosity, "--config", config, stdin=subprocess.DEVNULL)

    def port(self, name, nth=0):
        """The TCP port of the first listener of this port, or of another one, in the order of its entry."""
        said = re.compile(rb"^.*event=listener\.listening .*\bport=\"?%b\b.*address=\"?127\.0\.0\.1:(\d+)" % name.encode(), re.MULTILINE)
        return int(self.stderr.wait(f"{name} listens", lambda log: said.findall(log)[nth:])[0])

    def http(self):
        """The TCP port of `http`."""
        said = re.compile(rb"event=http\.listening .*address=\"?127\.0\.0\.1:(\d+)")
        return int(self.stderr.wait("http is served", said.search)[1])

    def resident(self, kind):
        """The memory of this kind (proc_pid_status(5)) that it has now, in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"{kind}:\s+(\d+) kB", status.read())[1]) * 1024

    def settled(self):
        """Waits until the threads have ended that opened devices: the last that it does by itself."""
        deadline = time.monotonic() + PATIENCE
        # What stays: the one that serves, and the one that writes the log.
        while len(os.listdir(f"/proc/{self.process.pid}/task")) > 2:
            assert time.monotonic() < deadline, "threads stay"
            time.sleep(0.05)

    def opened(self, name):
        said = re.compile(rb"event=line\.opened .*\bport=\"?%b\b" % name.encode())
        self.stderr.wait(f"{name} is open", said.search)

    def clients(self, name, count):
        """Waits until this number of clients of the port have connected."""
        said = re.compile(rb"event=client\.connected .*\bport=\"?%b\b" % name.encode())
        self.stderr.wait(f"{count} clients of {name}", lambda log: len(said.findall(log)) >= count)

    def end(self):
        super().end()
        self._folder.cleanup()


class Settings:
    """A termios2 (asm-generic/termbits.h), by what the names of RFC 2217 call its parts."""

    def __init__(self, c_iflag, c_oflag, c_cflag, c_lflag, c_line_and_cc, c_ispeed, c_ospeed):
        assert c_ispeed == c_ospeed, "the input's speed is another one"
        self.baud = c_ospeed
        self.stop_bits = 2 if c_cflag & termios.CSTOPB else 1
        # A pty drops PARENB and keeps these two.
        self.odd_or_mark = bool(c_cflag & termios.PARODD)
        self.mark_or_space = bool(c_cflag & CMSPAR)
        self.rts_cts = bool(c_cflag & termios.CRTSCTS)
        self.xon_xoff = (bool(c_iflag & termios.IXON), bool(c_iflag & termios.IXOFF))
        self.raw = not (c_oflag | c_lflag | (c_iflag & ~(termios.IXON | termios.IXOFF)))

    def __eq__(self, other):
        return self.__dict__ == other.__dict__

    def __repr__(self):
        return f"Settings{self.__dict__}"


# asm-generic/ioctls.h and termbits.h
TCGETS2 = 0x802C542A
CMSPAR = 0o10000000000


class Pty:
    """A device whose wire is in our hand."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave, termios.TCSANOW)
        self.path = os.ttyname(self.slave)

    def settings(self):
        """What the device has been set to, as `Settings`."""
        return Settings(*struct.unpack("IIII20sII", fcntl.ioctl(self.slave, TCGETS2, bytes(44))))

    def send(self, data):
        while data:
            data = data[os.write(self.master, data) :]

    def receive(self, length):
        got = b""
        deadline = time.monotonic() + PATIENCE
        while len(got) < length:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], f"the line got only {got!r}"
            got += os.read(self.master, length - len(got))
        return got

    def unread(self):
        """How many bytes have been written to the device and not been received yet."""
        return struct.unpack("i", fcntl.ioctl(self.master, termios.FIONREAD, bytes(4)))[0]

    def receive_until(self, end):
        got = b""
        while not got.endswith(end):
            got += self.receive(1)
        return got

    def close(self):
        os.close(self.slave)
        os.close(self.master)


def crc16(data):
    """CRC-16/ARC, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def telegram(number):
    """A DSMR 5 telegram that carries a number below a million (in Wh)."""
    lines = [
        "/XMX5LGBBFG1012345678",
        "",
        "1-3:0.2.8(50)",
        "0-0:1.0.0(180103220322W)",
        "0-0:96.1.1(4530303331303033323132333435363738)",
        f"1-0:1.8.1({number // 1000:06}.{number % 1000:03}*kWh)",
        "1-0:1.8.2(000078.911*kWh)",
        "1-0:2.8.1(000000.000*kWh)",
        "1-0:2.8.2(000000.000*kWh)",
        "0-0:96.14.0(0002)",
        "1-0:1.7.0(00.520*kW)",
        "1-0:2.7.0(00.000*kW)",
        "0-0:96.13.0()",
        "1-0:32.7.0(233.0*V)",
        "1-0:31.7.0(002*A)",
        "!",
    ]
    text = "\r\n".join(lines).encode()
    return text + b"%04X\r\n" % crc16(text)


def telegrams(data):
    """The telegrams that the bytes consist of: whole ones with a right CRC, and nothing else between them."""
    found = []
    at = 0
    while at < len(data):
        match = TELEGRAM.match(data, at)
        assert match, f"no whole telegram at byte {at}: {data[at:at + 80]!r}"
        assert int(match[1], 16) == crc16(data[at : match.start(1)]), f"wrong CRC: {match[0]!r}"
        found.append(match[0])
        at = match.end()
    return found


def whole(data):
    """The telegrams so far, without one that is still on its way through a pipe."""
    return telegrams(data[: max((match.end() for match in TELEGRAM.finditer(data)), default=0)])
