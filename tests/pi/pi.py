"""Boots the machine that tests/pi/run prepared, and checks the package on it. Ends what it started, by itself."""

import argparse
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import guide

KERNEL_LINE = (
    "console=hvc0 quiet loglevel=3 mitigations=off nokaslr cryptomgr.notests net.ifnames=0 systemd.show_status=false "
    "random.trust_cpu=on 8250.nr_uarts=0 audit=0"
)


def say(*words):
    print("tests/pi:", *words, flush=True)


def crc16(data):
    """CRC-16/ARC, over everything from `/` to `!`."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def telegram(number):
    lines = [
        "/Ene5\\T210-D ESMR5.0",
        "",
        "1-3:0.2.8(50)",
        "0-0:96.1.1(4530303438303030303332343432363138)",
        f"1-0:1.8.1({number / 1000:010.3f}*kWh)",
        "1-0:1.8.2(001234.567*kWh)",
        "1-0:1.7.0(00.250*kW)",
        "1-0:32.7.0(231.4*V)",
        "0-1:24.2.1(261122120000W)(01234.567*m3)",
    ]
    text = ("\r\n".join(lines) + "\r\n!").encode()
    return text + b"%04X\r\n" % crc16(text)


def number_of(whole):
    """Which telegram this is; fails if it is not a whole and right one."""
    body, mark, crc = whole.partition(b"!")
    if not whole.startswith(b"/") or crc != b"%04X\r\n" % crc16(body + mark):
        raise AssertionError(f"not a telegram: {whole!r}")
    return round(float(body.split(b"1-0:1.8.1(")[1].split(b"*")[0]) * 1000)


class Meter(threading.Thread):
    """Speaks into the UART, one telegram a second; what the UART does not take is lost, as on a wire."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.wire = socket.socket(socket.AF_UNIX)
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.wire.connect(str(path))
        self.sent = 0
        # As a UART reads it without the inverter, when the characters come back to back.
        self.turned_over = False

    def run(self):
        due = time.monotonic()
        try:
            while True:
                # What comes from the UART (a tty echoes until it is set up) is thrown away. QEMU stands still when it cannot
                # get rid of it.
                if select.select([self.wire], [], [], max(0, due - time.monotonic()))[0] and not self.wire.recv(4096):
                    return
                if time.monotonic() < due:
                    continue
                due += 1
                if select.select([], [self.wire], [], 0)[1]:
                    self.sent += 1
                    whole = telegram(self.sent)
                    self.wire.sendall(bytes((~byte << 1 | 1) & 0xFF for byte in whole) if self.turned_over else whole)
        except OSError:
            pass  # the machine is gone


class Machine:
    def __init__(self, options):
        self.ports = {guest: free_port() for guest in (2323, 9000, 9001)}
        forward = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for guest, host in self.ports.items())
        folder = Path(options.folder)
        self.console = folder / "console"
        self.started = time.monotonic()
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-accel", "tcg,thread=multi,tb-size=512", "-M", "virt,gic-version=2", "-cpu", options.cpu]
            + ["-smp", "2", "-m", "512", "-nodefaults", "-display", "none", "-no-reboot"]
            + ["-kernel", options.kernel, "-initrd", options.initrd, "-append", KERNEL_LINE]
            + ["-drive", f"file={options.disk},format=raw,if=none,id=disk,snapshot=on,cache=unsafe"]
            + ["-device", "virtio-blk-device,drive=disk", "-device", "virtio-rng-device"]
            + ["-netdev", f"user,id=net,restrict=on{forward}", "-device", "virtio-net-device,netdev=net"]
            + ["-chardev", f"file,id=console,path={self.console}", "-device", "virtio-serial-device"]
            + ["-device", "virtconsole,chardev=console"]
            + ["-chardev", f"socket,id=uart,path={folder}/uart,server=on,wait=off", "-serial", "chardev:uart"],
            stdin=subprocess.DEVNULL,
            stderr=self.console.with_name("qemu").open("wb"),
        )
        uart = folder / "uart"
        wait(10, uart.exists, "QEMU's UART")
        self.meter = Meter(uart)

    def stop(self):
        self.qemu.terminate()
        try:
            self.qemu.wait(5)
        except subprocess.TimeoutExpired:
            self.qemu.kill()
            self.qemu.wait()

    def try_shell(self, script, timeout=60):
        """The exit status and the output of a bash script (errexit, pipefail) in the machine."""
        with socket.create_connection(("127.0.0.1", self.ports[2323]), timeout) as agent:
            agent.settimeout(timeout)
            agent.sendall(script.encode())
            agent.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: agent.recv(65536), b""))
        output, mark, status = answer.rpartition(b"EXIT ")
        if not mark:
            raise OSError("no answer from the machine")
        return int(status), output.decode(errors="replace")

    def shell(self, script, timeout=60):
        status, output = self.try_shell(script, timeout)
        if status != 0:
            raise AssertionError(f"{script}\nended with {status}:\n{output}")
        return output.strip()

    def answers(self):
        if self.qemu.poll() is not None:
            raise AssertionError(f"QEMU ended: {self.console.with_name('qemu').read_text(errors='replace')}")
        try:
            return self.try_shell("true", 10)[0] == 0
        except OSError:
            return False

    def shell_says(self, seconds, script):
        wait(seconds, lambda: self.try_shell(script)[0] == 0, script)


class Reader:
    """A client of port 9000, as it is seen from outside."""

    def __init__(self, machine, port=9000):
        self.socket = socket.create_connection(("127.0.0.1", machine.ports[port]), 10)
        self.held = b""

    def telegram(self, timeout=10):
        """The next telegram; b"" when the connection has ended."""
        end = time.monotonic() + timeout
        while b"!" not in self.held or not self.held.endswith(b"\r\n"):
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            data = self.socket.recv(65536)
            if not data:
                return b""
            self.held += data
        cut = self.held.index(b"\r\n", self.held.index(b"!")) + 2
        whole, self.held = self.held[:cut], self.held[cut:]
        return whole

    def close(self):
        self.socket.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(seconds, condition, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def first_telegram(machine, seconds=30):
    """The number of a telegram by a new connection. QEMU accepts before anybody in the machine listens, so it is tried again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            reader = Reader(machine)
            try:
                whole = reader.telegram(4)
            finally:
                reader.close()
            if whole:
                return number_of(whole)
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"no telegram within {seconds} s")


# ---- checks; what they return is shown


def installs(machine):
    begun = time.monotonic()
    machine.shell("DEBIAN_FRONTEND=noninteractive apt-get -q -y install /package/sermux.deb", 120)
    return f"{time.monotonic() - begun:.1f} s"


def is_running(machine):
    machine.shell_says(10, "systemctl is-active -q sermux && systemctl is-enabled -q sermux")
    return machine.shell(
        "sermux check >/dev/null; sermux --version; id -nG sermux | grep -qw dialout; "
        "systemctl show --value -p StatusText sermux; pid=$(systemctl show --value -p MainPID sermux); grep VmRSS /proc/$pid/status; "
        "grep -qE '^Max open files +65536 +65536 ' /proc/$pid/limits; grep -qx 'CapBnd:.0*' /proc/$pid/status"
    ).replace("\t", " ").replace("\n", ", ")


def example_and_reload(machine):
    begun = time.monotonic()
    machine.shell("cp /usr/share/doc/sermux/examples/dsmr-p1.yaml /etc/sermux/ports.d/; systemctl reload sermux")
    first_telegram(machine)
    return f"{time.monotonic() - begun:.1f} s to the first telegram, {time.monotonic() - machine.started:.1f} s after power on"


def several_readers(machine):
    readers = [Reader(machine) for _ in range(8)]
    firsts = [number_of(reader.telegram()) for reader in readers]
    last = max(firsts) + 3
    for reader, first in zip(readers, firsts):
        for number in range(first + 1, last + 1):
            assert number_of(reader.telegram()) == number, f"a telegram before {number} is missing"
        reader.close()
    return f"8 readers, each its telegrams up to number {last}, none missing"


def reload_keeps_readers(machine):
    reader = Reader(machine)
    number_of(reader.telegram())
    machine.shell(
        "sed 's,^  p1:,  absent:,; s,ttyAMA0,ttyUSB7,; s,:9000,:9001,' /etc/sermux/ports.d/dsmr-p1.yaml >/etc/sermux/ports.d/absent.yaml; "
        "systemctl reload sermux"
    )
    machine.shell_says(10, "journalctl -u sermux -q --no-pager -o cat PORT=absent | grep -q ttyUSB7")
    before = number_of(reader.telegram())
    assert number_of(reader.telegram()) == before + 1
    machine.shell("rm /etc/sermux/ports.d/absent.yaml; systemctl reload sermux")
    before = number_of(reader.telegram())
    assert number_of(reader.telegram()) == before + 1
    reader.close()
    return machine.shell("journalctl -u sermux -q --no-pager -o cat PORT=absent | grep ttyUSB7 | head -n 1")


def bad_reload(machine):
    reader = Reader(machine)
    number_of(reader.telegram())
    machine.shell("echo 'ports: { x: { devise: /dev/x } }' >/etc/sermux/ports.d/bad.yaml; systemctl reload sermux || true")
    machine.shell_says(10, "journalctl -u sermux -q --no-pager -o cat | grep -q bad.yaml")
    assert number_of(reader.telegram())
    reader.close()
    machine.shell("rm /etc/sermux/ports.d/bad.yaml; systemctl reload sermux; systemctl is-active -q sermux")


def restarts(machine):
    took = machine.shell("from=$(date +%s%N); systemctl restart sermux; echo $((($(date +%s%N) - from) / 1000000))")
    first_telegram(machine)
    assert int(took) < 5000
    return f"{took} ms under emulation"


def comes_back_after_kill(machine):
    before = machine.shell("systemctl show --value -p MainPID sermux")
    machine.shell(f"kill -KILL {before}")
    machine.shell_says(
        20, f"test $(systemctl show --value -p MainPID sermux) != {before}; systemctl is-active -q sermux"
    )
    begun = time.monotonic()
    first_telegram(machine)
    return f"telegrams {time.monotonic() - begun:.1f} s after that"


def held_by_another(machine):
    machine.shell("systemctl stop sermux; systemd-run -q --unit=holder --collect flock -x /dev/ttyAMA0 sleep 100; sleep 1; systemctl start sermux")
    machine.shell_says(10, "journalctl -u sermux -q --no-pager -o cat PORT=p1 SERMUX_EVENT=line.open-failed | grep -q .; systemctl is-active -q sermux")
    said = machine.shell("journalctl -u sermux -q --no-pager -o cat PORT=p1 SERMUX_EVENT=line.open-failed | tail -n 1")
    machine.shell("systemctl stop holder")
    first_telegram(machine)
    return said


def upgrades_over_itself(machine):
    machine.shell("echo '# mine' >>/etc/sermux/sermux.yaml")
    before = machine.shell("systemctl show --value -p MainPID sermux")
    begun = time.monotonic()
    machine.shell("DEBIAN_FRONTEND=noninteractive dpkg -i /package/sermux.deb", 120)
    took = time.monotonic() - begun
    machine.shell(f"test $(systemctl show --value -p MainPID sermux) != {before}; grep -qx '# mine' /etc/sermux/sermux.yaml")
    first_telegram(machine)
    return f"{took:.1f} s"


def stops(machine):
    reader = Reader(machine)
    number_of(reader.telegram())
    took = int(machine.shell("from=$(date +%s%N); systemctl stop sermux; echo $((($(date +%s%N) - from) / 1000000))"))
    reader.close()
    assert took < 2000, f"{took} ms"
    machine.shell("systemctl start sermux")
    first_telegram(machine)
    return f"{took} ms with a reader"


def removes(machine):
    machine.shell("dpkg -r sermux", 120)
    machine.shell("! systemctl is-active -q sermux; ! pgrep -x sermux; test -f /etc/sermux/ports.d/dsmr-p1.yaml")


def purges(machine):
    machine.shell("dpkg -P sermux", 120)
    left = machine.shell(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache "
        "-o -path /package \\) -prune -o -name '*sermux*' -print; getent passwd sermux || true; getent group sermux || true"
    )
    assert not left, left


def telegrams_arrive_at_the_address(machine):
    return f"number {first_telegram(machine)}"


CHECKS = [
    installs,
    is_running,
    *guide.BEFORE,
    telegrams_arrive_at_the_address,
    *guide.AFTER,
    example_and_reload,
    several_readers,
    reload_keeps_readers,
    bad_reload,
    restarts,
    comes_back_after_kill,
    held_by_another,
    upgrades_over_itself,
    stops,
    removes,
    purges,
]


def main():
    parser = argparse.ArgumentParser()
    for name in ("kernel", "initrd", "disk", "cpu", "folder"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("tests/pi: FAILED: out of time"))
    machine = Machine(options)
    failed = []
    try:
        try:
            wait(180, machine.answers, "the machine is up")
        except AssertionError as error:
            say(f"FAILED: {error}\n{machine.console.read_text(errors='replace')[-2000:]}")
            return 1
        say(f"up after {time.monotonic() - machine.started:.1f} s")
        machine.meter.start()
        for check in CHECKS:
            name = check.__name__.replace("_", " ")
            try:
                note = check(machine)
                say(f"ok: {name}" + (f" ({note})" if note else ""))
            except (AssertionError, OSError, ValueError, IndexError) as error:
                failed.append(name)
                say(f"FAILED: {name}: {type(error).__name__}: {error}")
                try:
                    say(machine.try_shell("systemctl status --no-pager -n 15 sermux; true")[1])
                except OSError as lost:
                    say(f"the machine does not answer: {lost}")
        say(f"{len(CHECKS) - len(failed)} checks passed, {len(failed)} failed, {time.monotonic() - machine.started:.0f} s")
        for name in failed:
            say(f"FAILED: {name}")
        return 1 if failed else 0
    finally:
        machine.stop()


if __name__ == "__main__":
    sys.exit(main())
