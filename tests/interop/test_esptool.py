"""esptool 5 over rfc2217://: it resets the chip by DTR and RTS, which must keep their order and their distance."""

import importlib.util
import sys

import pytest
from esp_rom import CHANGE_BAUDRATE, MAC, READ_REG, SYNC, EspRom
from rig import RFC2217, Program, Pty, Sermux

if importlib.util.find_spec("esptool") is None:
    pytest.skip("esptool is not installed", allow_module_level=True)


def test_it_resets_the_chip_reads_from_it_and_sets_it_running(started):
    pty = started(Pty())
    sermux = started(Sermux({"p": [f"device: {pty.path}", "on-release: keep"]}, RFC2217, verbosity=["-v"]))
    sermux.opened("p")
    chip = started(EspRom(pty, sermux))
    port = f"rfc2217://127.0.0.1:{sermux.port('p')}"
    command = [sys.executable, "-W", "ignore", "-m", "esptool", "--port", port, "--baud", "921600", "--no-stub", "read-mac"]
    esptool = started(Program(*command))
    status = esptool.wait(60)
    said = esptool.stdout.bytes().decode() + esptool.stderr.bytes().decode()

    assert status == 0, said
    assert "ESP32" in said and MAC in said
    assert chip.requests[0] == SYNC and READ_REG in chip.requests
    # From then on it talks as fast as was asked.
    assert CHANGE_BAUDRATE in chip.requests and pty.settings().baud == 921600

    # Both are on from the start. First into the ROM: DTR is on while RTS lets go; at the end into the program.
    wires = list(chip.outputs())
    on, changes = {"DTR": True, "RTS": True}, []
    for name, value, _ in wires:
        if on[name] != value:
            changes.append((name, value))
        on[name] = value
    into_the_rom = [("DTR", False), ("DTR", True), ("RTS", False), ("DTR", False)]
    assert changes == [*into_the_rom, ("RTS", True), ("RTS", False)]
    # After the answer that the chip is held it sleeps 0.1 s.
    let_go = next(n for n, wire in enumerate(wires) if wire[:2] == ("RTS", False))
    held = max(n for n in range(let_go) if wires[n][:2] == ("RTS", True))
    assert (wires[let_go][2] - wires[held][2]) % 86400 >= 0.1
