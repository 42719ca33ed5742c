"""Run a launch file: from another program with `start_launch`, to its end with `run_launch`."""

import asyncio
import contextlib
import signal
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from limber_bringup.model import Plan
from limber_bringup.output import LineListener, Output, log_folder, standard_output
from limber_bringup.resolve import make_plan
from limber_bringup.supervisor import Supervisor


def run_launch(
    path: str | Path,
    arguments: Mapping[str, str] | None = None,
    on_line: LineListener | None = None,
    *,
    echo: bool = True,
) -> int:
    """Run a launch file until all its processes have ended, on Ctrl-C or SIGTERM by ending them.

    0 when they ended well, else the exit code of the first that failed. Raises `LaunchError` before
    anything is started when the file or an argument is wrong. Belongs to the main thread.
    """
    plan = make_plan(Path(path), arguments or {})
    return asyncio.run(_run(plan, on_line, echo, signals=True))


def start_launch(
    path: str | Path,
    arguments: Mapping[str, str] | None = None,
    on_line: LineListener | None = None,
    *,
    echo: bool = True,
) -> "Launch":
    """Start a launch file and go on; `LaunchError` before anything is started, as in `run_launch`."""
    return Launch(make_plan(Path(path), arguments or {}), on_line, echo)


class Launch:
    """A running launch file. As a context manager it ends all processes on the way out."""

    def __init__(self, plan: Plan, on_line: LineListener | None = None, echo: bool = True) -> None:
        self.plan = plan
        self._returncode: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._supervisor: Supervisor | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(on_line, echo), name="launch", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Begin to end all processes; called again it escalates."""
        if self._loop is not None and self._supervisor is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended with the last process
                self._loop.call_soon_threadsafe(self._supervisor.stop)

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code once every process has ended, or None after `timeout` seconds."""
        self._thread.join(timeout)
        return self.poll()

    def poll(self) -> int | None:
        """The exit code, or None while anything runs."""
        return None if self._thread.is_alive() else self._returncode

    def __enter__(self) -> "Launch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self.wait()

    def _main(self, on_line: LineListener | None, echo: bool) -> None:
        try:
            self._returncode = asyncio.run(_run(self.plan, on_line, echo, signals=False, launch=self))
        finally:
            self._ready.set()

    def _started(self, supervisor: Supervisor) -> None:
        self._loop, self._supervisor = asyncio.get_running_loop(), supervisor
        self._ready.set()


async def _run(
    plan: Plan, on_line: LineListener | None, echo: bool, *, signals: bool, launch: Launch | None = None
) -> int:
    environment = plan.processes[0].environment if plan.processes else {}
    output = Output(standard_output() if echo else None, on_line, log_folder(environment))
    with contextlib.closing(output), tempfile.TemporaryDirectory(prefix="limber_launch_") as folder:
        supervisor = Supervisor(plan, Path(folder), output)
        if signals:
            _end_on_signals(supervisor)
        if launch is not None:
            launch._started(supervisor)
        return await supervisor.run()


def _end_on_signals(supervisor: Supervisor) -> None:
    loop = asyncio.get_running_loop()
    for number, why in (
        (signal.SIGINT, "user interrupted with ctrl-c (SIGINT)"),
        (signal.SIGTERM, "asked to end (SIGTERM)"),
        (signal.SIGHUP, "the terminal has gone (SIGHUP)"),
    ):
        loop.add_signal_handler(number, supervisor.stop, why)
