"""The packages of the workspace install with pip and build with colcon, and their nodes are found."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from limber_bringup.packages import find_executable
from support.launching import run

REPOSITORY = Path(__file__).parents[2]
SOURCES = REPOSITORY / "ros2_ws" / "src"
PACKAGES = sorted(p.parent.name for p in SOURCES.glob("*/package.xml"))
LAUNCH_FILES = sorted(p.name for p in (REPOSITORY / "launch").glob("*.launch.xml"))
COLCON = shutil.which("colcon", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
NODES = (
    "robot_node",
    "task_node",
    "teleop_node",
    "recorder_node",
    "policy_node",
    "evaluator_node",
    "replay_node",
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The workspace and what it links to as git has them, symbolic links and all; builds stay in here."""
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("build", "install", "log", "*.egg-info", "__pycache__")
    for name in ("ros2_ws", "launch", "hardware/robots"):
        shutil.copytree(REPOSITORY / name, folder / name, symlinks=True, ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def pip_prefix(checkout, tmp_path_factory):
    prefix = tmp_path_factory.mktemp("pip") / "prefix"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    # Without --ignore-installed pip first removes the packages from this interpreter's own environment.
    command += ["--no-index", "--ignore-installed"]
    command += ["--prefix", str(prefix), *(str(checkout / "ros2_ws" / "src" / name) for name in PACKAGES)]
    subprocess.run(command, check=True, timeout=150)
    return prefix


@pytest.fixture(scope="module")
def colcon_install(checkout):
    if COLCON is None:
        pytest.skip("colcon is not installed (pip install colcon-common-extensions)")
    workspace = checkout / "ros2_ws"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLCON_HOME": str(checkout / "colcon")}
    listed = subprocess.run(
        [COLCON, "list"], cwd=workspace, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert sorted(line.split()[0] for line in listed.splitlines()) == PACKAGES
    assert all(line.endswith("(ros.ament_python)") for line in listed.splitlines()), listed
    subprocess.run(
        [COLCON, "build", "--symlink-install"], cwd=workspace, env=environment, check=True, timeout=150
    )
    return workspace / "install"


def installed_files(prefix: Path, package: str) -> None:
    share = prefix / "share" / package
    assert (prefix / "share/ament_index/resource_index/packages" / package).is_file()
    assert (share / "package.xml").read_text() == (SOURCES / package / "package.xml").read_text()
    if package == "limber_bringup":
        assert sorted(p.name for p in (share / "launch").iterdir()) == LAUNCH_FILES
        for name in LAUNCH_FILES:
            assert (share / "launch" / name).read_text() == (REPOSITORY / "launch" / name).read_text()
    if package == "limber_description":
        assert (share / "urdf" / "so101.urdf").is_file()


def refuses_an_arm_without_a_port(launch_file: Path, folder: Path, **environment: str) -> None:
    """The launch file starts the installed nodes, and their exit code and line come through."""
    spec = folder / "portless.yaml"
    spec.write_text("extends: so101\nname: portless\ndriver: serial\n")  # only the node looks for its port
    code, text = run(launch_file, f"robot:={spec}", **environment)
    assert code == 2, text
    assert "[robot_node-1] error: bus 'arm' of robot 'portless': expected its serial port, got none" in text


@pytest.mark.parametrize("package", PACKAGES)
def test_package_xml_follows_rep_149(package):
    root = ElementTree.parse(SOURCES / package / "package.xml").getroot()
    assert root.get("format") == "3"
    assert root.findtext("name") == package
    assert root.findtext("license") == "Apache-2.0"  # SPDX
    assert root.findtext("export/build_type") == "ament_python"
    assert root.findtext("version") == "0.1.0"
    assert root.find("maintainer").get("email")
    assert root.findtext("description").strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_pip_installs_what_ros_looks_for(pip_prefix, package):
    installed_files(pip_prefix, package)


def test_pip_installed_nodes_are_found_and_start(pip_prefix, tmp_path):
    environment = {"AMENT_PREFIX_PATH": str(pip_prefix)}
    for node in NODES:
        assert (
            find_executable("limber_nodes", node, environment) == pip_prefix / "lib" / "limber_nodes" / node
        )
    (site_packages,) = pip_prefix.glob("lib/python3*/site-packages")
    launch_file = pip_prefix / "share" / "limber_bringup" / "launch" / "robot.launch.xml"
    refuses_an_arm_without_a_port(
        launch_file,
        tmp_path,
        AMENT_PREFIX_PATH=str(pip_prefix),
        PYTHONPATH=f"{site_packages}{os.pathsep}{REPOSITORY}",
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_colcon_builds_what_ros_looks_for(colcon_install, package):
    installed_files(colcon_install / package, package)


def test_colcon_built_nodes_are_found_and_start(colcon_install, tmp_path):
    """Sourced as a person would: the environment comes from colcon's own setup file."""
    script = f'. "{colcon_install}/local_setup.sh" && env'
    environment = {k: v for k, v in os.environ.items() if k not in ("AMENT_PREFIX_PATH", "PYTHONPATH")}
    environment["COLCON_CURRENT_PREFIX"] = str(colcon_install)
    lines = subprocess.run(
        ["sh", "-c", script], check=True, capture_output=True, text=True, env=environment
    ).stdout.splitlines()
    sourced = dict(line.split("=", 1) for line in lines if "=" in line)
    assert str(colcon_install / "limber_nodes") in sourced["AMENT_PREFIX_PATH"].split(os.pathsep)
    for node in NODES:
        assert (
            find_executable("limber_nodes", node, sourced).parent
            == colcon_install / "limber_nodes/lib/limber_nodes"
        )
    launch_file = (
        colcon_install / "limber_bringup" / "share" / "limber_bringup" / "launch" / "robot.launch.xml"
    )
    refuses_an_arm_without_a_port(
        launch_file,
        tmp_path,
        AMENT_PREFIX_PATH=sourced["AMENT_PREFIX_PATH"],
        PYTHONPATH=f"{sourced['PYTHONPATH']}{os.pathsep}{REPOSITORY}",
    )
