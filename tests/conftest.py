"""What every test shares: a ROS domain of its own, this host only, and the supporting modules."""

import os
import sys
from pathlib import Path

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))

# One domain a test session; 1 to 101 keeps the DDS ports clear of the ephemeral range.
os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 101)
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("LP_NUM_THREADS", "1")  # the software renderer's threads fight the tests'
os.environ.setdefault("HF_HUB_OFFLINE", "1")

SHARED_DATA = TESTS.parent.parent / "shared" / "data"
