"""Logs in at a console as labgrid does in a test of a board; test_labgrid.py runs it with labgrid's own python.

    python labgrid_console.py PORT SPEED
"""

import sys

from labgrid import Target
from labgrid.driver import SerialDriver
from labgrid.resource import NetworkSerialPort

port, speed = map(int, sys.argv[1:])
target = Target("board")
NetworkSerialPort(target, name=None, host="127.0.0.1", port=port, speed=speed, protocol="rfc2217")
console = SerialDriver(target, name=None)
target.activate(console)
console.sendline("")
console.expect("login: ", timeout=20)
console.sendline("root")
console.expect("Password: ", timeout=20)
console.sendline("secret")
_, _, match, _ = console.expect(r"Last login: (\S+)\r\n.*# ", timeout=20)
print(match[1].decode(), flush=True)
# Off and on again, as between two tests.
target.deactivate(console)
target.activate(console)
console.sendline("reboot")
console.expect("U-Boot .*=> ", timeout=20)
print("U-Boot", flush=True)
target.deactivate(console)
