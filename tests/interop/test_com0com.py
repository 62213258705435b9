"""What hub4com (com0com's) and its like say and demand, as dialogues of exact bytes: they throw away an answer that is a byte
longer or shorter than it must be, or that says 0, and do not ask again."""

import pytest
import rfc2217
from rfc2217 import AYT, BINARY, COM_PORT, DO, DONT, ECHO, IAC, SGA, WILL, WONT, Raw, baud, encoded
from rig import RAW, RFC2217, Pty, Sermux

OFFERS = bytes([IAC, WILL, SGA, IAC, WILL, ECHO, IAC, WILL, BINARY, IAC, DO, BINARY, IAC, DO, COM_PORT])
# It speaks for its own end only: WILL COM-PORT. Its start crosses the offers.
START = bytes([IAC, WILL, COM_PORT])
REPLIES = bytes([IAC, DO, SGA, IAC, DO, ECHO, IAC, DO, BINARY, IAC, WILL, BINARY])
ALL_INPUTS = rfc2217.CTS | rfc2217.DSR | rfc2217.DCD


def told(code, *value):
    return encoded(code + rfc2217.ANSWER, value)


class Hub4com(Raw):
    """Compares everything that it is sent."""

    def says(self, said, *heard):
        start = len(self.data)
        self.send(said)
        expected = b"".join(heard)
        # Something that is answered behind it, so that nothing can come later.
        self.send(bytes([IAC, AYT]))
        expected += b"\r\n[Yes]\r\n"
        self.hears(expected, start)

    def hears(self, expected, start):
        self.wait(f"{expected!r}", lambda: len(self.data) >= start + len(expected))
        assert self.data[start:] == expected


@pytest.fixture
def echo(started):
    sermux = started(Sermux({"p": ["device: sim:echo"]}, RFC2217, RAW))
    sermux.opened("p")
    return sermux


@pytest.fixture
def hub4com(echo, started):
    client = started(Hub4com(echo.port("p")))
    client.hears(OFFERS, 0)
    # COM-PORT is agreed, and so sermux sends the inputs once.
    client.says(START, told(rfc2217.MODEM_STATE, ALL_INPUTS))
    client.says(REPLIES)
    return client


def test_each_setting_is_answered_with_one_value_of_the_right_length(hub4com):
    # In a value 0xFF is doubled, both ways.
    for rate in (300, 9600, 115200, 250000, 65280, 16776960, 0xFFFFFFFF, 65535):
        hub4com.says(encoded(rfc2217.BAUD, baud(rate)), told(rfc2217.BAUD, *baud(rate)))
    hub4com.says(encoded(rfc2217.BAUD, baud(1)), told(rfc2217.BAUD, *baud(65535)))
    # What the plug of sim:echo makes of DTR and RTS is not to come in between.
    hub4com.says(encoded(rfc2217.MODEM_MASK, [0]), told(rfc2217.MODEM_MASK, 0), told(rfc2217.MODEM_STATE, ALL_INPUTS))
    for code, values in [
        (rfc2217.SIZE, (5, 6, 7, 8)),
        (rfc2217.PARITY, (2, 3, 4, 5, 1)),
        (rfc2217.STOP, (2, 1)),
        (rfc2217.CONTROL, (5, 6, 9, 8, 12, 11)),
    ]:
        for value in values:
            hub4com.says(encoded(code, [value]), told(code, value))


def test_a_whole_open_in_one_segment(hub4com):
    """SetLC, SetBR and SetMCR of a COM port that a program opens."""
    requests = [(rfc2217.SIZE, [7]), (rfc2217.PARITY, [3]), (rfc2217.STOP, [2]), (rfc2217.BAUD, baud(57600))]
    requests += [(rfc2217.CONTROL, [8]), (rfc2217.CONTROL, [11]), (rfc2217.CONTROL, [6])]
    said = b"".join(encoded(*request) for request in requests)
    hub4com.says(said, *(told(code, *value) for code, value in requests))


def test_masks_are_answered_with_what_is_honoured_and_then_the_state(hub4com):
    empty = told(rfc2217.LINE_STATE, rfc2217.TX_EMPTY)
    for asked, honoured in [(0, 0), (0xFF, 0x1E), (0x10, 0x10), (0x61, 0)]:
        hub4com.says(encoded(rfc2217.LINE_MASK, [asked]), told(rfc2217.LINE_MASK, honoured), empty)
    state = told(rfc2217.MODEM_STATE, ALL_INPUTS)
    for mask in (0, 0xFF, 0x10, 0xF0, 0x0F):
        hub4com.says(encoded(rfc2217.MODEM_MASK, [mask]), told(rfc2217.MODEM_MASK, mask), state)


def test_a_break_is_told_as_the_mask_says(hub4com):
    hub4com.says(encoded(rfc2217.LINE_MASK, [0x10]), told(rfc2217.LINE_MASK, 0x10), told(rfc2217.LINE_STATE, rfc2217.TX_EMPTY))
    start = len(hub4com.data)
    hub4com.send(encoded(rfc2217.CONTROL, [rfc2217.BREAK_ON]) + encoded(rfc2217.CONTROL, [rfc2217.BREAK_OFF]))
    on, off = told(rfc2217.CONTROL, rfc2217.BREAK_ON), told(rfc2217.CONTROL, rfc2217.BREAK_OFF)
    back = told(rfc2217.LINE_STATE, rfc2217.BREAK_DETECT)
    hub4com.wait("all three", lambda: len(hub4com.data) >= start + len(on + off + back))
    # The notification may come before or after the answers.
    assert hub4com.data[start:] in (on + off + back, on + back + off, back + on + off)


def test_suspend_and_resume_are_followed_and_not_answered(hub4com, echo, started):
    other = started(Raw(echo.port("p", 1)))
    hub4com.says(encoded(rfc2217.SUSPEND))
    other.send(b"held \xff")
    other.wait_data(b"held \xff")
    # Answers go on, data and notifications wait.
    hub4com.says(encoded(rfc2217.CONTROL, [rfc2217.RTS_OFF]), told(rfc2217.CONTROL, rfc2217.RTS_OFF))
    start = len(hub4com.data)
    hub4com.send(encoded(rfc2217.RESUME))
    state = told(rfc2217.MODEM_STATE, rfc2217.DSR | rfc2217.DCD | rfc2217.CTS_CHANGED)
    hub4com.hears(state + b"held \xff\xff", start)
    # A suspended client may still send.
    hub4com.says(encoded(rfc2217.SUSPEND))
    hub4com.send(b"and back")
    other.wait_data(b"held \xffand back")


@pytest.mark.parametrize("value", [b"", b"\0\0", b"\0\x25\x80", b"\0\0\x25\x80\0", b"\xff" * 9])
def test_a_value_of_the_wrong_length_asks(hub4com, value):
    hub4com.says(encoded(rfc2217.BAUD, value), told(rfc2217.BAUD, *baud(9600)))
    if len(value) != 1:
        for code, present in [(rfc2217.SIZE, 8), (rfc2217.PARITY, 1), (rfc2217.STOP, 1), (rfc2217.CONTROL, 1)]:
            hub4com.says(encoded(code, value), told(code, present))


def test_ciscos_rates_of_one_byte_are_answered_in_one_byte(hub4com):
    codes = {3: 300, 4: 600, 5: 1200, 6: 2400, 7: 4800, 8: 9600, 10: 19200, 12: 38400, 13: 57600, 14: 115200, 15: 230400}
    for code, rate in codes.items():
        hub4com.says(encoded(rfc2217.BAUD, [code]), told(rfc2217.BAUD, code))
        hub4com.says(encoded(rfc2217.BAUD, [0]), told(rfc2217.BAUD, code))
        hub4com.says(encoded(rfc2217.BAUD, baud(0)), told(rfc2217.BAUD, *baud(rate)))


def test_what_does_not_exist_is_answered_with_what_is(hub4com):
    for code, values, present in [
        (rfc2217.SIZE, (1, 4, 9, 255), 8),
        (rfc2217.PARITY, (6, 255), 1),
        (rfc2217.STOP, (4, 255), 1),
        (rfc2217.STOP, (3,), 1),
        (rfc2217.CONTROL, (17, 20, 255), rfc2217.NO_FLOW),
    ]:
        for value in values:
            hub4com.says(encoded(code, [value]), told(code, present))
    # Commands that are no client's get nothing, and nothing comes of them.
    for code in (13, 99, 101, 107, 255):
        hub4com.says(encoded(code, [1]))


def test_flow_control_that_linux_does_not_have_is_answered_with_what_is(started):
    pty = started(Pty())
    sermux = started(Sermux({"p": [f"device: {pty.path}"]}, RFC2217))
    sermux.opened("p")
    client = started(Hub4com(sermux.port("p")))
    client.hears(OFFERS, 0)
    client.says(START, told(rfc2217.MODEM_STATE, 0))
    for outbound, inbound in [(rfc2217.NO_FLOW, 14), (rfc2217.XON_XOFF, 15), (rfc2217.RTS_CTS, 16)]:
        client.says(encoded(rfc2217.CONTROL, [outbound]), told(rfc2217.CONTROL, outbound))
        for asked, present in [(17, outbound), (19, outbound), (18, inbound)]:
            client.says(encoded(rfc2217.CONTROL, [asked]), told(rfc2217.CONTROL, present))


def test_purge_and_signature(hub4com):
    for what in (1, 2, 3):
        hub4com.says(encoded(rfc2217.PURGE, [what]), told(rfc2217.PURGE, what))
    hub4com.says(encoded(rfc2217.SIGNATURE), told(rfc2217.SIGNATURE, *b"sermux 0.1.0 p"))
    # Its own is taken, not sent back.
    hub4com.says(encoded(rfc2217.SIGNATURE, b"hub4com \xff"))


def test_it_ends_the_option_and_begins_again(hub4com):
    hub4com.says(bytes([IAC, WONT, COM_PORT]), bytes([IAC, DONT, COM_PORT]))
    hub4com.says(START, bytes([IAC, DO, COM_PORT]), told(rfc2217.MODEM_STATE, ALL_INPUTS))
