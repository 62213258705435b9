"""What the tests that count are counted on: the `counts` profile, as fast as a release in what matters there."""

import functools
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def executable(name):
    """Of the test program `counts`, or of `sermux` itself, which is built with it."""
    build = ["cargo", "test", "--profile", "counts", "-p", "sermux", "--test", "counts", "--no-run"]
    built = subprocess.run([*build, "--message-format=json"], cwd=ROOT, capture_output=True, text=True, check=True)
    messages = (json.loads(line) for line in built.stdout.splitlines() if line.startswith("{"))
    found = [message["executable"] for message in messages if message.get("target", {}).get("name") == name]
    return next(path for path in found if path)
