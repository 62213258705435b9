"""A client of telnet and RFC 2217 that is small enough to see everything that it is sent, and to send anything. The tests in
the virtual machine use it too."""

import socket
import struct
import threading
import time

# How long anything that must happen may take. Only a test that fails waits for it.
PATIENCE = 20.0

SE, NOP, DM, BRK, AYT, SB, WILL, WONT, DO, DONT, IAC = 240, 241, 242, 243, 246, 250, 251, 252, 253, 254, 255
BINARY, ECHO, SGA, TIMING_MARK, COM_PORT = 0, 1, 3, 6, 44

SIGNATURE, BAUD, SIZE, PARITY, STOP, CONTROL, LINE_STATE, MODEM_STATE = range(8)
SUSPEND, RESUME, LINE_MASK, MODEM_MASK, PURGE = range(8, 13)
# The server's codes are the client's and this.
ANSWER = 100

NO_PARITY, ODD, EVEN, MARK, SPACE = range(1, 6)
ASK_FLOW, NO_FLOW, XON_XOFF, RTS_CTS = range(4)
ASK_BREAK, BREAK_ON, BREAK_OFF, ASK_DTR, DTR_ON, DTR_OFF, ASK_RTS, RTS_ON, RTS_OFF = range(4, 13)
ASK_INBOUND = 13

CTS, DSR, RI, DCD = 16, 32, 64, 128
CTS_CHANGED, DSR_CHANGED, RI_FELL, DCD_CHANGED = 1, 2, 4, 8
# The same by their names.
STATE = {"cts": CTS, "dsr": DSR, "ri": RI, "dcd": DCD}
CHANGE = {"cts": CTS_CHANGED, "dsr": DSR_CHANGED, "ri": RI_FELL, "dcd": DCD_CHANGED}
BREAK_DETECT, TX_HOLDING_EMPTY, TX_SHIFT_EMPTY = 16, 32, 64
TX_EMPTY = TX_HOLDING_EMPTY | TX_SHIFT_EMPTY
PURGE_TX = 2


def encoded(code, value=b""):
    """A request as it goes over the wire."""
    return bytes([IAC, SB, COM_PORT, code]) + bytes(value).replace(b"\xff", b"\xff\xff") + bytes([IAC, SE])


def baud(rate):
    return struct.pack(">I", rate)


class Told(tuple):
    """A subnegotiation of COM-PORT from the server: its code and its value, and when it came (as time.monotonic)."""

    def __new__(cls, code, value):
        told = super().__new__(cls, (code, value))
        told.code, told.value, told.at = code, value, time.monotonic()
        return told


class Raw:
    """A client that takes all bytes for data."""

    def __init__(self, port, receive_buffer=None):
        self.data = bytearray()
        self._received = 0
        self.broken = None
        self._changed = threading.Condition()
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(PATIENCE)
        self.socket.close()

    def _collect(self):
        why = None
        while not why:
            try:
                chunk = self.socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                chunk, why = b"", str(error)
            with self._changed:
                if chunk:
                    self._take(chunk)
                else:
                    self.broken = why = why or "closed by the server"
                self._changed.notify_all()

    def _take(self, chunk):
        self.data += chunk

    def so_far(self):
        return f"data: {bytes(self.data[-200:])!r}"

    def wait(self, what, find, patience=PATIENCE):
        """What `find` returns, as soon as that is something."""
        deadline = time.monotonic() + patience
        with self._changed:
            while not (found := find()):
                left = deadline - time.monotonic()
                assert left > 0 and not self.broken, f"{what}: {self.broken or 'the deadline passed'}; {self.so_far()}"
                self._changed.wait(left)
            return found

    def wait_data(self, expected):
        self.wait(f"{expected[:40]!r}", lambda: len(self.data) >= len(expected) or None)
        assert self.data == expected

    def receive(self, length):
        """The next bytes, after those that were received so before."""
        start, self._received = self._received, self._received + length
        self.wait(f"{length} bytes", lambda: len(self.data) >= self._received)
        return bytes(self.data[start : self._received])

    def send(self, data):
        self.socket.sendall(data)


class Client(Raw):
    """What came is in `data`, `told` (each subnegotiation of COM-PORT) and `heard` (everything else, as
    tuples), each in the order in which it came. `agrees`: it says WILL to COM-PORT."""

    def __init__(self, port, agrees=True, receive_buffer=None):
        self.told, self.heard = [], []
        self._decoder = self._decode()
        next(self._decoder)
        super().__init__(port, receive_buffer)
        if agrees:
            self.raw(bytes([IAC, WILL, COM_PORT]))
            self.wait("COM-PORT is agreed", lambda: (DO, COM_PORT) in self.heard and self.told)

    def _take(self, chunk):
        for byte in chunk:
            self._decoder.send(byte)

    def so_far(self):
        return f"told: {self.told[-20:]}, heard: {self.heard[-20:]}, {super().so_far()}"

    def _decode(self):
        while True:
            byte = yield
            if byte != IAC:
                self.data.append(byte)
                continue
            command = yield
            if command == IAC:
                self.data.append(IAC)
            elif command in (WILL, WONT, DO, DONT):
                option = yield
                self.heard.append((command, option))
            elif command == SB:
                content = bytearray()
                while True:
                    byte = yield
                    if byte == IAC:
                        byte = yield
                        if byte == SE:
                            break
                        assert byte == IAC, f"IAC {byte} in {bytes(content)!r}"
                    content.append(byte)
                if content[0] == COM_PORT:
                    self.told.append(Told(content[1], bytes(content[2:])))
                else:
                    self.heard.append((SB, bytes(content)))
            else:
                self.heard.append((command,))

    def raw(self, data):
        """Telnet as it stands."""
        self.socket.sendall(data)

    def send(self, data):
        self.raw(data.replace(b"\xff", b"\xff\xff"))

    def demand(self, *requests):
        """Sends requests, each a code and a value in bytes, in one go."""
        self.raw(b"".join(encoded(*request) for request in requests))

    def send_break(self):
        """The telnet command."""
        self.raw(bytes([IAC, BRK]))

    def wait_told(self, what, matches, start=0):
        """The first subnegotiation from `start` on that matches."""
        return self.wait(what, lambda: next(filter(matches, self.told[start:]), None))

    def answers(self, code, start=0):
        """The values of all answers to such requests since then."""
        return [value for told, value in self.told[start:] if told == code + ANSWER]

    def answer(self, code, start=0):
        """The first of them, when it has come."""
        return self.wait(f"the answer to {code}", lambda: self.answers(code, start))[0]

    def ask(self, code, value=b""):
        """The answer's value."""
        start = len(self.told)
        self.demand((code, value))
        return self.answer(code, start)

    def set(self, code, value):
        """Where the value is one byte; the answer's value."""
        (answer,) = self.ask(code, [value])
        return answer

    def set_baud(self, rate):
        (answer,) = struct.unpack(">I", self.ask(BAUD, baud(rate)))
        return answer

    def control(self, value):
        return self.set(CONTROL, value)

    def modem_state(self):
        (state,) = self.ask(MODEM_STATE)
        return state

    def line_state(self):
        (state,) = self.ask(LINE_STATE)
        return state

    def present(self):
        """Everything that can be asked, as it is answered; no two sessions differ in it."""
        questions = [(BAUD, baud(0)), (SIZE, [0]), (PARITY, [0]), (STOP, [0])]
        questions += [(CONTROL, [ask]) for ask in (ASK_FLOW, ASK_BREAK, ASK_DTR, ASK_RTS, ASK_INBOUND)]
        start = len(self.told)
        self.demand(*questions)
        wanted = [code + ANSWER for code, _ in questions]
        settings = lambda: [told for told in self.told[start:] if told[0] in wanted]
        self.wait("what is in force", lambda: len(settings()) >= len(questions))
        return settings()
