"""Types, checked beside the other tests: it takes a minute of one core."""

import subprocess
import sys


def test_mypy_finds_no_wrong_type():
    done = subprocess.run([sys.executable, "-m", "mypy"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
