"""labgrid's exporter starts the program under the name ser2net; its client uses the port twice, in two acquisitions.

    python labgrid_exporter.py DEVICE        with ser2net in PATH

test_labgrid.py runs it with labgrid's own python, and is the board.
"""

import logging
import sys

from labgrid import Target
from labgrid.driver import SerialDriver
from labgrid.remote.exporter import SerialPortExport
from labgrid.resource import NetworkSerialPort

logging.basicConfig(level=logging.INFO, stream=sys.stderr)
device = sys.argv[1]
export = SerialPortExport(
    {"cls": "RawSerialPort", "params": {"port": device, "speed": 115200}, "acquired": None, "avail": False},
    host="127.0.0.1",
)
export.poll()


def console():
    """A client of its own."""
    target = Target("board")
    NetworkSerialPort(target, name=None, host=export.params["host"], port=export.params["port"], speed=115200)
    driver = SerialDriver(target, name=None)
    target.activate(driver)
    return target, driver


for _ in range(2):
    export.acquire("place")
    (one, first), (two, second) = console(), console()
    first.sendline("first")
    first.expect("hello first", timeout=20)
    second.expect("hello first", timeout=20)
    second.sendline("second")
    second.expect("hello second", timeout=20)
    one.deactivate(first)
    two.deactivate(second)
    export.release()
    assert not export.broken, export.broken
    print("released", flush=True)
