"""`python -m limber_bringup FILE arg:=value ...`: limber's launch files where `ros2 launch` is missing."""

import argparse
import os
import sys
from pathlib import Path

from hardware.cli import run_command
from limber_bringup.errors import LaunchError


def main() -> None:
    """Exit codes: 0 when all ended well, 2 for a mistake in what was asked, else the first failure's."""
    parser = argparse.ArgumentParser(
        prog="python -m limber_bringup",
        description="Run a ROS 2 launch file (XML) without ROS 2's own launch. Ctrl-C ends everything.",
    )
    parser.add_argument("file", type=Path, help="the launch file, e.g. launch/sim.launch.xml")
    # Without the default argparse says that it is required.
    parser.add_argument("arguments", nargs="*", default=[], metavar="name:=value", help="launch arguments")
    parser.add_argument("-s", "--show-args", action="store_true", help="show the launch file's arguments")
    options = parser.parse_intermixed_args()
    run_command(lambda: _launch(options.file, options.arguments, options.show_args))


def _launch(file: Path, words: list[str], show: bool) -> None:
    # Only here, where a Ctrl-C while they are imported is one word.
    from limber_bringup.arguments import format_arguments, list_arguments
    from limber_bringup.parse import parse_launch_file
    from limber_bringup.runner import run_launch

    if show:
        print(format_arguments(list_arguments(parse_launch_file(file), os.environ)))
        return
    sys.exit(run_launch(file, dict(_pair(word) for word in words)))


def _pair(word: str) -> tuple[str, str]:
    name, separator, value = word.partition(":=")
    if not name or not separator:
        raise LaunchError(f"expected a launch argument as <name>:=<value>, got {word!r}")
    return name, value


main()
