"""Fixtures, and the rule about what is missing: skipped by name on a laptop, a failure with CI=true."""

import os
import shutil
import subprocess

import pytest

from rig import Program, Pty, Sermux, Terminal

IN_CI = os.environ.get("CI") == "true"


def pytest_configure(config):
    binary = os.environ.get("SERMUX_BIN")
    if not binary or not os.access(binary, os.X_OK):
        raise pytest.UsageError("SERMUX_BIN has to name the sermux binary; tests/run sees to it")
    # pyserial starts its threads as was done before Python 3.10.
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:serial")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {call.excinfo.value if call.excinfo else report.longrepr}"


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    report = (yield).get_result()
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"


@pytest.fixture
def started():
    """Starts programs and ends them after the test, the last one first."""
    running = []

    def start(thing):
        running.append(thing)
        return thing

    yield start
    for thing in reversed(running):
        thing.end() if hasattr(thing, "end") else thing.close()


@pytest.fixture
def tool(started):
    """Starts somebody else's program, which has to be installed."""

    def start(name, *arguments, **more):
        # Debian has several programs called nc.
        path = installed("nc.openbsd" if name == "nc" and shutil.which("nc.openbsd") else name)
        if name == "nc" and b"OpenBSD" not in subprocess.run([path, "-h"], capture_output=True).stderr:
            pytest.skip("nc is not netcat-openbsd")
        return started(Program(path, *arguments, **more))

    return start


@pytest.fixture
def terminal(started):
    """Starts somebody else's program at a terminal of its own."""

    def start(name, *arguments):
        return started(Terminal(installed(name), *arguments))

    return start


def installed(name):
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.fixture
def meter(started):
    """The simulated meter behind the P1 profile."""
    return started(Sermux({"p1": ["device: sim:dsmr-p1", "profile: dsmr-p1"]}))


@pytest.fixture
def line(started):
    """A pty and a sermux that shares it as port `p`, with no frames."""
    pty = started(Pty())
    sermux = started(Sermux({"p": [f"device: {pty.path}"]}))
    sermux.opened("p")
    return sermux, pty


@pytest.fixture
def p1_line(started):
    """A pty and a sermux that shares it as P1 port `p1`."""
    pty = started(Pty())
    sermux = started(Sermux({"p1": [f"device: {pty.path}", "profile: dsmr-p1"]}))
    sermux.opened("p1")
    return sermux, pty
