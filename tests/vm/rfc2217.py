"""A client of RFC 2217 that is small enough to see everything that it is sent."""

import struct
import time
from dataclasses import dataclass

from rig import Client
from seen import Seen

LISTENER = {"protocol": "telnet", "rfc2217": True, "access": "control"}

IAC, DONT, DO, WONT, WILL, SB, BRK, SE = 255, 254, 253, 252, 251, 250, 243, 240
BINARY, SUPPRESS_GO_AHEAD, COM_PORT = 0, 3, 44
AGREED = (BINARY, SUPPRESS_GO_AHEAD, COM_PORT)

SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL = 1, 2, 3, 4, 5
NOTIFY_LINESTATE, NOTIFY_MODEMSTATE = 6, 7
SET_LINESTATE_MASK, SET_MODEMSTATE_MASK, PURGE_DATA = 10, 11, 12
# The server's codes are the client's and this.
ANSWER = 100

NO_PARITY, ODD, EVEN, MARK, SPACE = 1, 2, 3, 4, 5
BREAK, BREAK_ON, BREAK_OFF = 4, 5, 6
DTR, DTR_ON, DTR_OFF, RTS, RTS_ON, RTS_OFF = 7, 8, 9, 10, 11, 12
PURGE_TX = 2

BREAK_DETECT, TX_HOLDING_EMPTY, TX_SHIFT_EMPTY = 16, 32, 64
# Bits of the modem state, and of its changes.
STATE = {"cts": 16, "dsr": 32, "ri": 64, "dcd": 128}
CHANGE = {"cts": 1, "dsr": 2, "ri": 4, "dcd": 8}


@dataclass
class Told:
    """A subnegotiation of COM-PORT-OPTION from the server: when (as time.monotonic), its code and value."""

    at: float
    code: int
    value: bytes


class Rfc2217(Client):
    """Its data is in `bytes`, all subnegotiations are in `told`."""

    def _follow(self):
        self.told = Seen([])
        self._negotiated = Seen([])
        self._decoder = self._decode()
        next(self._decoder)
        for option in AGREED:
            self._socket.sendall(bytes([IAC, WILL, option, IAC, DO, option]))
        self.bytes.follow(lambda: self._socket.recv(65536), self._decoded)
        self._negotiated.wait("COM-PORT is agreed", lambda seen: (DO, COM_PORT) in seen)
        # Which says that the server takes it as agreed.
        self.modem_state()

    def _decoded(self, data):
        self._data = bytearray()
        for byte in data:
            self._decoder.send(byte)
        return self._data

    def _decode(self):
        while True:
            byte = yield
            if byte != IAC:
                self._data.append(byte)
                continue
            command = yield
            if command == IAC:
                self._data.append(IAC)
            elif command in (DO, DONT, WILL, WONT):
                option = yield
                self._negotiated.add([(command, option)])
                if option not in AGREED and command in (DO, WILL):
                    self._socket.sendall(bytes([IAC, WONT if command == DO else DONT, option]))
            elif command == SB:
                content = bytearray()
                while True:
                    byte = yield
                    if byte == IAC:
                        byte = yield
                        if byte == SE:
                            break
                    content.append(byte)
                if content[0] == COM_PORT:
                    self.told.add([Told(time.monotonic(), content[1], bytes(content[2:]))])

    def send(self, data):
        super().send(data.replace(b"\xff", b"\xff\xff"))

    def send_break(self):
        """The telnet command."""
        self._socket.sendall(bytes([IAC, BRK]))

    @staticmethod
    def encoded(code, value=b""):
        return bytes([IAC, SB, COM_PORT, code]) + value.replace(b"\xff", b"\xff\xff") + bytes([IAC, SE])

    def demand(self, *requests):
        """Sends requests, each a code and a value in bytes, in one segment."""
        self._socket.sendall(b"".join(self.encoded(*request) for request in requests))

    def answer(self, code, start):
        """The first answer to such a request from `start` on."""
        return self.wait_told(f"the answer to {code}", lambda told: told.code == code + ANSWER, start).value

    def wait_told(self, what, matches, start=0):
        return self.told.wait(what, lambda all_told: next((told for told in all_told if matches(told)), None), start)

    def request(self, code, value=b""):
        start = len(self.told)
        self.demand((code, value))
        return self.answer(code, start)

    def set(self, code, value):
        """A request whose value is one byte; the answer's value."""
        (answer,) = self.request(code, bytes([value]))
        return answer

    def control(self, value):
        return self.set(SET_CONTROL, value)

    def set_baud(self, rate):
        (answer,) = struct.unpack(">I", self.request(SET_BAUDRATE, struct.pack(">I", rate)))
        return answer

    def line_state(self):
        (state,) = self.request(NOTIFY_LINESTATE)
        return state

    def modem_state(self):
        """What the server said last about its inputs, names of those that are on."""

        def last(told):
            states = [one.value for one in told if one.code == NOTIFY_MODEMSTATE + ANSWER]
            return states and [states[-1]]

        ((state,),) = self.told.wait("a modem state", last)
        return {name for name, bit in STATE.items() if state & bit}
