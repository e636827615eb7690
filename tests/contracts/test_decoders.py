"""Whatever bytes a decoder is given, it raises what it says that it raises and nothing else."""

import importlib.util
import subprocess
import sys

import pytest


@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="no wheel for this platform")
def test_no_decoder_falls_over_what_atheris_finds() -> None:
    command = [sys.executable, "-m", "tests.chaos.decoders", "20000", "1"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
