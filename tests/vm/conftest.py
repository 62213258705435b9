"""Fixtures: one virtual machine for all tests, and what each test starts in it."""

import os
import signal
import sys
import tempfile

import pytest

# The client is that of the tests with other programs; all else with a name of theirs is here.
sys.path.append(os.path.join(os.path.dirname(__file__), "..", "interop"))

import image
import machine
from rig import Sermux


def pytest_configure(config):
    for name in ("SERMUX_BIN", "SERMUX_VM_CACHE"):
        if name not in os.environ:
            raise pytest.UsageError(f"{name} is not set; tests/run --vm sees to it")
    # So that fixtures end what they started when the time limit is reached.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def the_machine():
    linux = image.prepare(os.environ["SERMUX_VM_CACHE"])
    with tempfile.TemporaryDirectory(prefix="sermux-vm.") as folder:
        running = machine.Machine(linux, os.environ["SERMUX_BIN"], folder)
        yield running
        running.stop()


@pytest.fixture
def vm(the_machine):
    """The machine, with all modem inputs off, nothing left on the wires and the adapter plugged in."""
    for wire in the_machine.wires.values():
        wire.inputs()
        wire.forget()
    yield the_machine
    if not the_machine.plugged:
        the_machine.plug()


@pytest.fixture
def ttyS4(vm):
    """The far end of a 16550A."""
    return vm.wires["ttyS4"]


@pytest.fixture
def ttyS5(vm):
    """The far end of another 16550A."""
    return vm.wires["ttyS5"]


@pytest.fixture
def ttyUSB0(vm):
    """The far end of the FTDI adapter."""
    return vm.wires["ttyUSB0"]


@pytest.fixture
def serve(vm):
    """Starts sermux; ends it after the test, as it should end."""
    started = []

    def start(*arguments, **more):
        started.append(Sermux(vm, *arguments, **more))
        return started[-1]

    yield start
    statuses = [sermux.end() for sermux in started]
    assert not any(statuses), f"exit statuses {statuses}"


@pytest.fixture
def show(capsys):
    """Prints a figure that was measured, also when the test passes."""

    def say(*words):
        with capsys.disabled():
            print("\ntests/vm:", *words, flush=True)

    return say
