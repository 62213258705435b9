"""The boot ROM of an ESP32, as far as esptool talks to it before it loads anything: SLIP frames (RFC 1055) with SYNC,
READ_REG and CHANGE_BAUDRATE. https://docs.espressif.com/projects/esptool/en/latest/esp32/advanced-topics/serial-protocol.html
"""

import os
import re
import select
import struct
import threading

SYNC, READ_REG, CHANGE_BAUDRATE = 0x08, 0x0A, 0x0F

REGISTERS = {
    0x40001000: 0x00F01D83,  # by which a chip is known as an ESP32
    0x3FF5A004: 0x22334455,  # the MAC address 00:11:22:33:44:55 in the fuses, its two first bytes in the next
    0x3FF5A008: 0x00000011,
    0x3FF40014: 347,  # the UART's divider: a crystal of 40 MHz at 115200 baud
}
MAC = "00:11:22:33:44:55"


class EspRom:
    """At the far end of a pty, whose DTR and RTS are seen in the log of sermux (with -v): RTS holds the chip in reset, and
    DTR while it is let go decides what it boots. The chip sends nothing until DTR and RTS have put it into download mode."""

    def __init__(self, pty, sermux):
        self._pty, self._sermux = pty, sermux
        self.waits = False
        self.requests = []
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def outputs(self):
        """Each change of the outputs so far: "DTR" or "RTS", whether it was switched on, and its time in the log."""
        done = rb"^\S+T(\d+):(\d+):([\d.]+)Z .*event=operation\.done .*Outputs \{ dtr: (None|Some\((\w+)\)), rts: (None|Some\((\w+)\))"
        for hours, minutes, seconds, _, dtr, _, rts in re.findall(done, self._sermux.stderr.bytes(), re.MULTILINE):
            at = (int(hours) * 60 + int(minutes)) * 60 + float(seconds)
            if dtr:
                yield "DTR", dtr == b"true", at
            if rts:
                yield "RTS", rts == b"true", at

    def _look_at_wires(self):
        on = {"DTR": True, "RTS": True}
        waits = False
        for name, value, _ in self.outputs():
            if name == "RTS" and on["RTS"] and not value:
                waits = on["DTR"]
            elif name == "RTS" and value:
                waits = False
            on[name] = value
        self.waits = waits

    def _run(self):
        pending = b""
        while True:
            if self._stop in select.select([self._pty.master, self._stop], [], [])[0]:
                return
            pending += os.read(self._pty.master, 4096)
            while (end := pending.find(b"\xc0", 1)) > 0:
                frame, pending = pending[:end], pending[end + 1 :]
                frame = frame.strip(b"\xc0").replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
                self._look_at_wires()
                if self.waits and len(frame) >= 8:
                    self._answer(frame)

    def _answer(self, frame):
        _, operation, _, _ = struct.unpack("<BBHI", frame[:8])
        self.requests.append(operation)
        value, times = 0, 1
        if operation == SYNC:
            # What a ROM says, and how often.
            value, times = 0x20120707, 8
        elif operation == READ_REG:
            value = REGISTERS.get(struct.unpack("<I", frame[8:12])[0], 0)
        answer = struct.pack("<BBHI", 1, operation, 4, value) + bytes(4)
        answer = answer.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        self._pty.send((b"\xc0" + answer + b"\xc0") * times)

    def close(self):
        os.close(self._stopped)
        self._thread.join(5)
        os.close(self._stop)
