"""The picture of a terminal in README shows what the program prints today."""

import html
import os
import pathlib
import re
import subprocess
import sys

PICTURES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "pictures"


def words(picture):
    """The text of a picture, without the numbers that differ from run to run."""
    lines = re.findall(r"<text[^>]*>(.*?)</text>", picture.read_text(encoding="utf-8"), re.DOTALL)
    return [re.sub(r"\d+", "N", html.unescape(re.sub(r"<[^>]*>", "", line))) for line in lines]


def test_the_terminal_in_the_readme_is_what_the_program_prints(tmp_path):
    drawn = tmp_path / "terminal.svg"
    subprocess.run([sys.executable, PICTURES / "make", os.environ["SERMUX_BIN"], drawn], check=True, capture_output=True)
    assert words(drawn) == words(PICTURES / "terminal.svg"), "run examples/pictures/make"
