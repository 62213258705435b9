"""Counted, not timed: what the hub and the telnet codec execute for each byte, told by callgrind. The read and the copy into
the ring, which are the kernel's, are not in it, nor are the system calls."""

import re
import shutil
import subprocess

import pytest
from counts import executable

# tests/counts/instructions.rs
BYTES = 64 * 1024


# Instructions for a byte; what was counted when this was written, and half as much again: compilers differ.
@pytest.mark.parametrize(
    ("test", "counted", "most"),
    [
        ("from_the_line_to_a_raw_client", "counted_line_to_raw", 5),
        ("from_the_line_to_a_telnet_client", "counted_line_to_telnet", 7),
        ("ff_from_the_line_to_a_telnet_client", "counted_ff_to_telnet", 15),
        ("from_a_raw_client_to_the_line", "counted_raw_to_line", 15),
        ("from_a_telnet_client_to_the_line", "counted_telnet_to_line", 18),
        ("ff_from_a_telnet_client_to_the_line", "counted_telnet_ff", 16),
    ],
)
def test_a_byte_takes_few_instructions(tmp_path, test, counted, most):
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out", f"--toggle-collect=*{counted}*"]
    run = subprocess.run(
        [*callgrind, executable("counts"), "--exact", f"instructions::{test}", "--test-threads=1"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout, run.stdout
    collected = int(re.search(r"Collected : (\d+)", run.stderr)[1])
    print(f"{counted}: {collected / BYTES:.2f} instructions a byte")
    assert 0 < collected / BYTES <= most
