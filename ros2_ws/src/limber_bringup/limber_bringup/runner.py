"""Run a launch file from its start to the end of its last process."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from limber_bringup.checks import check_plan
from limber_bringup.model import Plan
from limber_bringup.output import Output, log_folder
from limber_bringup.resolve import make_plan
from limber_bringup.supervisor import Supervisor


def run_launch(path: Path, arguments: Mapping[str, str]) -> int:
    """Run a launch file until all its processes have ended; Ctrl-C or SIGTERM ends them.

    0 when they ended well, else the exit code of the first that failed. Raises `LaunchError` before
    anything is started when the file or an argument is wrong, or names what does not exist.
    """
    plan = make_plan(path, arguments)
    check_plan(plan)
    return asyncio.run(_run(plan))


async def _run(plan: Plan) -> int:
    environment = plan.processes[0].environment if plan.processes else {}
    output = Output(sys.stdout, log_folder(environment))
    with contextlib.closing(output), tempfile.TemporaryDirectory(prefix="limber_launch_") as folder:
        supervisor = Supervisor(plan, Path(folder), output)
        loop = asyncio.get_running_loop()
        for number, why in (
            (signal.SIGINT, "user interrupted with ctrl-c (SIGINT)"),
            (signal.SIGTERM, "asked to end (SIGTERM)"),
            (signal.SIGHUP, "the terminal has gone (SIGHUP)"),
        ):
            loop.add_signal_handler(number, supervisor.stop, why)
        return await supervisor.run()
