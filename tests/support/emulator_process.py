"""An emulated SO-101 in a process of its own: what is measured must not share its interpreter."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def emulator_process(folder: Path) -> Iterator[Path]:
    """Its port, `folder`/arm; its control socket is `folder`/control."""
    command = [sys.executable, "-m", "hardware", "emulate", "--robot", "so101", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("bus arm")
        yield folder / "arm"
    finally:
        process.terminate()
        process.wait(10)
