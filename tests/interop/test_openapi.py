"""The server against its own description (openapi.json), by schemathesis: what it answers, and what it refuses and how."""

import os
import re
import subprocess
import sys

from rig import PATIENCE, Program, Sermux, eventually

TOP = ['http: { address: "127.0.0.1:0" }']
PORTS = {"meter": ["device: sim:dsmr-p1?version=5.0", "profile: dsmr-p1"], "echo": ["device: sim:echo"]}

# An answer to these goes on for as long as somebody reads, or does away with what is tested.
LEFT_OUT = "/follow$|/kick$"


def schemathesis(port, *arguments):
    program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
    done = subprocess.run(
        [program, "run", f"http://127.0.0.1:{port}/v1/openapi.json", "--no-color", "--seed=1", "--generation-database=none"]
        + ["--max-examples=15", "--request-timeout=30", *arguments],
        capture_output=True,
        text=True,
        timeout=15 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tested = re.search(r"Tested: (\d+)", done.stdout)
    return int(tested[1])


def test_what_is_asked_over_tcp_is_answered_as_described(started):
    sermux = started(Sermux(PORTS, top=TOP))
    sermux.opened("meter")
    assert schemathesis(sermux.http(), "--include-method=GET", f"--exclude-path-regex={LEFT_OUT}|/config$") == 8
    # Whatever came, everything goes on.
    assert sermux.process.poll() is None


def test_what_is_asked_and_done_on_the_control_socket_is_answered_as_described(started, tool, tmp_path):
    socket = tmp_path / "control.sock"
    sermux = started(Sermux(PORTS, top=[f"control: {{ socket: {socket} }}"]))
    sermux.opened("meter")
    sermux.stderr.wait("the control socket", re.compile(rb"event=control\.listening").search)
    bridge = tool("socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,reuseaddr,fork", f"UNIX-CONNECT:{socket}")
    said = re.compile(rb"listening on AF=2 127\.0\.0\.1:(\d+)")
    port = int(bridge.stderr.wait("socat listens", said.search)[1])
    # What a line can be set to is more than a schema can say, and a schema takes 424.0 for an integer.
    unjudged = "--exclude-checks=positive_data_acceptance"
    assert schemathesis(port, f"--exclude-path-regex={LEFT_OUT}", unjudged) == 16
    assert sermux.process.poll() is None
