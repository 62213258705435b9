"""The steps of examples/guides/p1-meter.md, in their order, as somebody takes them who has not done it before.

The machine is given what doctor looks at on a Raspberry Pi 3 (model, config.txt, cmdline.txt, serial0, a login prompt); its
UART is a real PL011, as far as QEMU has one.
"""

MODEL = "Raspberry Pi 3 Model B Plus Rev 1.3"
CMDLINE = "console=tty1 root=PARTUUID=4c4e106f-02 rootfstype=ext4 fsck.repair=yes rootwait"


def has(text, *parts):
    """All of these, in this order."""
    at = 0
    for part in parts:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is not there, or not behind the others:\n{text}"
        at = found + len(part)


def is_made_a_pi(machine):
    machine.shell(
        f"""
        printf '{MODEL}\\0' >/run/model
        mount --bind /run/model /sys/firmware/devicetree/base/model
        mkdir -p /boot/firmware
        printf '[all]\\ndtoverlay=disable-bt\\n' >/boot/firmware/config.txt
        echo 'console=serial0,115200 {CMDLINE}' >/boot/firmware/cmdline.txt
        ln -s ttyAMA0 /dev/serial0
        systemctl enable --now -q serial-getty@ttyAMA0
        """
    )
    return machine.shell("tr -d '\\0' </proc/device-tree/model")


def doctor_finds_what_is_in_the_way(machine):
    status, said = machine.try_shell("sermux doctor /dev/ttyAMA0")
    assert status == 1, said
    has(
        said,
        "bad: /dev/ttyAMA0: the kernel writes its messages to it (console=serial0,115200)\n  in /boot/firmware/cmdline.txt:1\n",
        f"  - take out `console=serial0,115200`; line 1 is then: {CMDLINE}\n",
        "a login prompt (serial-getty@ttyAMA0) runs on it",
        "  - sudo systemctl disable --now serial-getty@ttyAMA0\n",
        f"good: {MODEL}: the UART on the pins of the header is /dev/ttyAMA0\n",
        "2 bad, 0 warnings\n",
    )


def doctor_is_done_after_its_steps(machine):
    machine.shell(f"echo '{CMDLINE}' >/boot/firmware/cmdline.txt; systemctl disable --now -q serial-getty@ttyAMA0")
    # The login prompt has left it to root alone.
    status, said = machine.try_shell("sermux doctor")
    assert status == 1, said
    # 0620 in bookworm, 0600 in trixie.
    has(said, "/dev/ttyAMA0: its mode is 06", ", so the service cannot open the device\n  - sudo udevadm trigger --action=add /dev/ttyAMA0 ")
    machine.shell("udevadm trigger --action=add /dev/ttyAMA0; udevadm settle")
    has(machine.shell("sermux doctor"), "/dev/ttyAMA0: ready to use; no other program has it open\n", "no problems found")


def setup_shows_and_writes_nothing(machine):
    said = machine.shell("sermux setup p1 --dry-run", 90)
    has(
        said,
        "the meter's device: /dev/ttyAMA0, the UART on the pins of this Raspberry Pi\n",
        "/dev/ttyAMA0: P1 telegrams of a smart meter (certain)\n  settings   115200 8N1\n  version    DSMR 5.0\n",
        "/etc/sermux/ports.d/p1.yaml would be new:\n",
        '      device: "/dev/ttyAMA0"\n      profile: dsmr-p1\n',
        '- { protocol: raw, address: "*:9000" }',
    )
    machine.shell("! test -e /etc/sermux/ports.d/p1.yaml")
    declined = terminal(machine, "sermux setup p1", "n")
    has(declined, "write this? (y/N)", "nothing was written")
    machine.shell("! test -e /etc/sermux/ports.d/p1.yaml")


def setup_writes_after_a_yes_and_says_where_readers_connect(machine):
    said = terminal(machine, "sermux setup p1", "y")
    has(said, "write this? (y/N)", "waiting for a telegram, at most 30 s", "the meter's telegrams arrive")
    for reader in ("Domoticz ", "Home Assistant ", "DSMR-reader "):
        has(said, reader, "10.0.2.15", "9000")
    return next(line.strip() for line in said.splitlines() if "Domoticz" in line)


def terminal(machine, command, answer):
    """What a command says on a terminal on which this is typed."""
    return machine.shell(f"echo {answer} | script -qec '{command}' /dev/null", 120).replace("\r", "")


def status_is_well(machine):
    said = machine.shell("sermux status p1")
    has(said, "p1  open", "/dev/ttyAMA0", "115200 8N1", "telegrams")
    return next(line.strip() for line in said.splitlines() if "telegrams" in line)


def probe_asks_the_service_that_has_the_device(machine):
    said = machine.shell("sermux probe /dev/ttyAMA0", 60)
    has(
        said,
        "/dev/ttyAMA0: P1 telegrams of a smart meter (certain)\n  held by    the running sermux, as port p1\n",
        "  telegrams  2",
        "  CRC        2 good, 0 bad\n",
        "  use `profile: dsmr-p1`",
    )


def a_meter_without_an_inverter_is_named(machine):
    machine.meter.turned_over = True
    try:
        status, said = machine.try_shell("sermux probe /dev/ttyAMA0", 60)
        assert status == 1, said
        has(said, "the signal is inverted: a P1 output without its inverter", "held by", "put an inverter", "sermux pause p1")
        # What comes next, with other settings.
        said = machine.shell("sermux pause p1; sermux probe /dev/ttyAMA0 || true; sermux resume p1 >/dev/null", 90)
        has(said, "/dev/ttyAMA0: the signal is inverted", "  settings   115200 8N1\n")
        assert "held by" not in said, said
    finally:
        machine.meter.turned_over = False
    machine.shell_says(20, "sermux status p1 | grep -q 'p1  open'")


def support_has_all_of_it(machine):
    said = machine.shell("sermux support --data p1 -o /run/sermux.txt; cat /run/sermux.txt")
    has(
        said,
        "written to /run/sermux.txt; look through it before you show it to others",
        f"machine: {MODEL}\n",
        "== doctor\n",
        "== configuration /etc/sermux/sermux.yaml\n",
        "== configuration /etc/sermux/ports.d/p1.yaml\n",
        "== status\n",
        "== devices\n",
        "== data of p1\n",
    )


def is_taken_away(machine):
    machine.shell("rm /etc/sermux/ports.d/p1.yaml; systemctl reload sermux; umount /sys/firmware/devicetree/base/model")


BEFORE = [
    is_made_a_pi,
    doctor_finds_what_is_in_the_way,
    doctor_is_done_after_its_steps,
    setup_shows_and_writes_nothing,
    setup_writes_after_a_yes_and_says_where_readers_connect,
]
AFTER = [
    status_is_well,
    probe_asks_the_service_that_has_the_device,
    a_meter_without_an_inverter_is_named,
    support_has_all_of_it,
    is_taken_away,
]
