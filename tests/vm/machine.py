"""The virtual machine, and the far ends of its serial lines."""

import json
import os
import pty
import re
import socket
import subprocess
import threading
import tty
from dataclasses import dataclass
from pathlib import Path

import image
from seen import PATIENCE, Seen

HERE = Path(__file__).resolve().parent
# Of the whole machine, should nobody be left to end it.
LIMIT = 600
AGENT = 2323
# Where programs in the guest may listen and be reached.
GUEST_PORTS = [4001, 4002, 4003, 4004]
# always-plugged: whether or not somebody has the far end open.
ADAPTER = {
    "driver": "usb-serial",
    "id": "adapter",
    "bus": "xhci.0",
    "port": "1",
    "chardev": "usb0",
    "serial": "VM0001",
    "always-plugged": True,
}
# asm-generic/termios.h
INPUTS = {"cts": 0x020, "dcd": 0x040, "ri": 0x080, "dsr": 0x100}

KERNEL_LINE = (
    "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check cryptomgr.notests "
    "8250.nr_uarts=8 net.ifnames=0"
)


@dataclass
class Event:
    """Something that a UART did: when (as time.monotonic), what, and the details in words."""

    at: float
    kind: str
    value: str


class Wire:
    """The far end of a serial line: a pty that QEMU has as its end of the UART, with modem lines (modem_lines.c)."""

    def __init__(self, machine, chardev):
        self._machine = machine
        self.chardev = chardev
        self._master, slave = pty.openpty()
        # Stays open, so that there is always somebody at the other end.
        self._slave = slave
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self.pts = int(self.path.rsplit("/", 1)[1])
        self.events = Seen([])
        self.bytes = Seen(bytearray()).follow(lambda: os.read(self._master, 65536))
        self._taken = 0
        self.inputs()

    def send(self, data):
        while data:
            data = data[os.write(self._master, data) :]

    def receive(self, length):
        """The next bytes that came out of the UART."""
        got = self.bytes.wait(
            f"{length} bytes on {self.chardev}", lambda b: len(b) >= length and bytes(b[:length]), self._taken
        )
        self._taken += length
        return got

    def held(self):
        """What came and was not received yet, which is left alone."""
        return bytes(self.bytes.since(self._taken))

    def forget(self):
        """Only what comes from now on counts."""
        self._taken = len(self.bytes)

    def send_break(self):
        self._machine.qmp("chardev-send-break", id=self.chardev)

    def inputs(self, *names):
        """Raises these modem inputs of the UART and drops the others."""
        bits = sum(INPUTS[name] for name in names)
        self._machine.set_inputs(self.pts, bits)
        return bits

    def inputs_shown(self, bits, start=0):
        """When the UART noticed that its inputs are these."""
        return self.wait_event(
            f"inputs {bits:x}", lambda event: (event.kind, event.value) == ("inputs", f"{bits:x}"), start
        ).at

    def wait_event(self, what, matches, start=0):
        return self.events.wait(
            f"{what} on {self.chardev}", lambda events: next((event for event in events if matches(event)), None), start
        )

    def _wait_last(self, kind, value):
        def is_last(events):
            of_kind = [event.value for event in events if event.kind == kind]
            return of_kind and of_kind[-1] == value

        self.events.wait(f"{kind} of {self.chardev} become {value!r}", is_last)

    def wait_settings(self, settings):
        """Until the UART's last settings are these, as "9600 7E1"."""
        self._wait_last("settings", settings)

    def wait_outputs(self, outputs):
        """Until the UART drives these outputs: "DTR RTS", "DTR", "RTS" or ""."""
        self._wait_last("outputs", outputs)

    def wait_breaks(self, count, start=0):
        """Until this number of breaks have begun."""
        self.events.wait(
            f"{count} breaks", lambda events: sum(event.kind == "break" for event in events) >= count, start
        )


class Qmp:
    """QEMU's monitor."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rwb")
        self._file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._file.flush()
        answer = self._read(lambda answer: "return" in answer or "error" in answer)
        assert "error" not in answer, f"{command}: {answer['error']['desc']}"
        return answer["return"]

    def event(self, name):
        """Waits for the next such event after the last answer."""
        return self._read(lambda answer: answer.get("event") == name)

    def _read(self, is_it):
        while line := self._file.readline():
            answer = json.loads(line)
            if is_it(answer):
                return answer
        raise AssertionError("QEMU has gone")


class Machine:
    def __init__(self, linux, program, folder):
        folder = Path(folder)
        shim = folder / "modem_lines.so"
        subprocess.run(
            ["cc", "-O2", "-Wall", "-Werror", "-fPIC", "-shared", "-o", shim, HERE / "modem_lines.c", "-ldl"],
            check=True,
        )
        image.initramfs(linux, program, folder / "initramfs.cpio", folder)

        self.plugged = True
        self._inputs = os.memfd_create("inputs", 0)
        log_read, log_write = os.pipe()
        self.wires = {"ttyS4": Wire(self, "s4"), "ttyS5": Wire(self, "s5"), "ttyUSB0": Wire(self, "usb0")}
        wires = {wire.chardev: wire for wire in self.wires.values()}

        forward = "".join(f",hostfwd=tcp:127.0.0.1:0-:{guest}" for guest in (AGENT, *GUEST_PORTS))
        command = ["timeout", "--kill-after=5", str(LIMIT)]
        command += [
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "qemu64",
            "-M",
            "pc",
            "-m",
            "192",
            "-smp",
            "1",
        ]
        command += ["-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-kernel", linux / "vmlinux", "-initrd", folder / "initramfs.cpio", "-append", KERNEL_LINE]
        command += ["-netdev", f"user,id=net,restrict=on{forward}", "-device", "e1000,netdev=net,romfile="]
        command += ["-chardev", "stdio,id=console,signal=off", "-device", "isa-serial,index=0,chardev=console"]
        for name, wire in wires.items():
            command += ["-chardev", f"serial,id={name},path={wire.path}"]
        command += ["-device", "pci-serial-2x,chardev1=s4,chardev2=s5"]
        command += ["-device", "qemu-xhci,id=xhci", "-device", json.dumps(ADAPTER)]
        command += ["-qmp", f"unix:{folder}/qmp,server=on,wait=off"]
        self._errors = folder / "qemu.log"
        self._qemu = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors.open("wb"),
            pass_fds=[log_write, self._inputs],
            env={**os.environ, "LD_PRELOAD": str(shim), "MODEM_LINES": f"{log_write} {self._inputs}"},
        )
        os.close(log_write)
        threading.Thread(
            target=self._follow_events, args=(log_read, {wire.pts: wire for wire in wires.values()}), daemon=True
        ).start()
        try:
            console = Seen(bytearray()).follow(lambda: os.read(self._qemu.stdout.fileno(), 4096))
            console.wait("the machine is up", lambda text: b"READY" in text)
            self.qmp = Qmp(folder / "qmp")
            self.ports = self._forwarded()
        except BaseException:
            self.stop()
            print(self._errors.read_text(errors="replace"))
            raise

    def _follow_events(self, pipe, wires):
        with os.fdopen(pipe) as lines:
            for line in lines:
                at, pts, kind, *words = line.split()
                wires[int(pts)].events.add([Event(float(at), kind, " ".join(words))])

    def _forwarded(self):
        """From ports of the guest to ports of this machine, which QEMU has chosen."""
        table = self.qmp("human-monitor-command", **{"command-line": "info usernet"})
        return {int(guest): int(host) for host, guest in re.findall(r"127\.0\.0\.1 +(\d+) +[\d.]+ +(\d+)", table)}

    def set_inputs(self, pts, bits):
        os.pwrite(self._inputs, bits.to_bytes(4, "little"), 4 * pts)

    def run(self, script):
        """A shell script in the guest, running: a socket that says what the script does."""
        agent = socket.create_connection(("127.0.0.1", self.ports[AGENT]), PATIENCE)
        agent.settimeout(None)
        agent.sendall(script.encode())
        agent.shutdown(socket.SHUT_WR)
        return agent

    def shell(self, script):
        """What a shell script in the guest says; it has to end well."""
        with self.run(script) as agent:
            said = bytes(
                Seen(bytearray())
                .follow(lambda: agent.recv(65536))
                .wait(script, lambda data: b"EXIT " in data[-9:] and data)
            )
        output, _, status = said.decode(errors="replace").rpartition("EXIT ")
        assert status.strip() == "0", f"{script}\nended with {status}:\n{output}"
        return output.strip()

    def driver(self, name):
        """What the driver of a 16550A says of it: "uart:16550A port:0000C040 irq:10 tx:0 rx:0 brk:1 RTS|DTR"."""
        number = name.removeprefix("ttyS")
        return self.shell(f"grep '^{number}:' /proc/tty/driver/serial")

    def unplug(self):
        self.qmp("device_del", id="adapter")
        # Its chardev is free again.
        self.qmp.event("DEVICE_DELETED")
        self.plugged = False

    def plug(self):
        self.qmp("device_add", **ADAPTER)
        self.plugged = True

    def stop(self):
        self._qemu.terminate()
        try:
            self._qemu.wait(5)
        except subprocess.TimeoutExpired:
            self._qemu.kill()
            self._qemu.wait()
