"""ament_python package; pip installs it too, then `lib/limber_nodes/<exe>` are shims to `bin/<exe>`."""

import os
from pathlib import Path

from setuptools import setup

PACKAGE = "limber_nodes"
EXECUTABLES = [
    "robot_node",
    "task_node",
    "teleop_node",
    "recorder_node",
    "policy_node",
    "evaluator_node",
    "replay_node",
]

data_files = [
    ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
    (f"share/{PACKAGE}", ["package.xml"]),
]
# colcon sets AMENT_PREFIX_PATH and honours setup.cfg's install_scripts; pip ignores both, and
# `<node pkg exec>` looks under lib/<package>.
if "COLCON" not in os.environ:
    shims = sorted(str(Path("scripts") / name) for name in EXECUTABLES)
    data_files.append((f"lib/{PACKAGE}", shims))

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=[PACKAGE],
    data_files=data_files,
    install_requires=["setuptools"],
    zip_safe=True,
    maintainer="limber maintainers",
    maintainer_email="maintainers@limber.invalid",
    description="Thin ROS 2 nodes around limber's libraries: conversions and life cycle, nothing else.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [f"{name} = {PACKAGE}.start:main" for name in EXECUTABLES],
    },
)
