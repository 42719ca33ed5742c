"""What every test shares: a ROS domain of its own, this host only, and the supporting modules."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))

# One domain a test session; 1 to 101 keeps the DDS ports clear of the ephemeral range.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer's threads fight the tests'
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("limber", deadline=None, print_blob=True)
settings.load_profile("limber")

SHARED_DATA = TESTS.parent.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def ordinary_priority() -> Iterator[None]:
    """Undo what SVT-AV1 does: run by root, it gives the thread that encodes real-time priority 99,
    which every process that is started later would inherit."""
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
