"""pyserial 3.5's own test programs, unmodified, from its source package, against rfc2217:// and sim:echo, on a port that takes
one client: they close and open again all the time.

sim:echo has the plug that they ask for: TX with RX, RTS with CTS, DTR with DSR.

These do not apply. They never reach a server: test_pty, test_timeout_class, test_url, test_util; and test_settings_dict,
which opens nothing. Their client has not got what they test: test_cancel (cancel_read), test_rs485 and test_exclusive
(skipped unless it is a local device), test_asyncio (needs serial.aio, which 3.5 has not got either). Of test.py,
Test_MoreTimeouts needs write_timeout, for which the client raises NotImplementedError, and test2 of Test4_Nonblocking
reads more than one byte with a time-out of 0, where the client gives one.
"""

import os
import re
import sys

import pytest
from rig import RFC2217, Program, Sermux

# Set by tests/run, which has it downloaded: the folder `test` of the source package.
FOLDER = os.environ.get("PYSERIAL_TESTS", "")

# The parts that take long are apart, because all run at once.
PROGRAMS = [
    "test Test0_DataWires",
    "test Test1_Forever",
    "test Test2_Forever",
    "test Test3_Timeout Test4_Nonblocking.test1_ReadEmpty",
    "test_advanced",
    "test_context",
    "test_high_load",
    "test_iolib",
    "test_readline",
    "test_rfc2217",
    "test_threaded",
]

# What `python test.py URL` does, and the choice of classes.
RUN = """
import importlib, sys, unittest
folder, name, url, *classes = sys.argv[1:]
sys.path.insert(0, folder)
program = importlib.import_module(name)
assert program.__file__.startswith(folder), program.__file__
program.PORT = url
unittest.main(program, argv=[name, "-v", *classes])
"""


@pytest.fixture(scope="module")
def programs():
    """All of them at once, each with a sermux of its own: they sleep most of the time."""
    if not os.path.exists(os.path.join(FOLDER, "test_high_load.py")):
        pytest.skip("pyserial's source package is not there (PYSERIAL_TESTS)")
    running = {}
    for program in PROGRAMS:
        name, *classes = program.split()
        sermux = Sermux({"p": ["device: sim:echo"]}, f"{RFC2217}, max-clients: 1")
        url = f"rfc2217://127.0.0.1:{sermux.port('p')}"
        running[program] = Program(sys.executable, "-W", "ignore", "-c", RUN, FOLDER, name, url, *classes), sermux
    yield running
    for program, sermux in running.values():
        program.end()
        sermux.end()


@pytest.mark.parametrize("program", PROGRAMS)
def test_its_own(programs, program):
    running, _ = programs[program]
    status = running.wait(90)
    report = running.stderr.bytes().decode()
    assert status == 0, report
    assert re.search(r"^Ran [1-9]\d* tests? in .*\n\nOK$", report, re.MULTILINE), f"not all ran: {report}"
