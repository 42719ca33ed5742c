"""Start the processes of a plan in order, watch them, and end them all in reverse order.

SIGINT first, newest process first and each before the one it may depend on; a process that does not
end gets SIGTERM after `sigterm_timeout` and SIGKILL `sigkill_timeout` after that. Asking to stop a
second time sends SIGTERM to all that are left at once, a third time SIGKILL. When a process has failed
the others get SIGTERM at once: a Python program that is still starting answers SIGINT with a page of
traceback, in which the message that matters would drown.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from limber_bringup.child import Child
from limber_bringup.model import Plan, Process
from limber_bringup.output import Output, log_folder
from limber_bringup.parameters import full_command

ORDER_WAIT = 2.0  # s until the next older process is asked to end although the newer one has not


class Supervisor:
    """Runs one plan once. All methods belong to the event loop in which `run` runs."""

    def __init__(self, plan: Plan, folder: Path, output: Output) -> None:
        self._plan, self._folder, self._output = plan, folder, output
        self._children: list[Child] = []
        self._ends: dict[Child, asyncio.Future[None]] = {}
        self._stopping = asyncio.Event()
        self._hurry = {signal.SIGTERM: asyncio.Event(), signal.SIGKILL: asyncio.Event()}
        self._failure = 0
        self._first = signal.SIGINT

    async def run(self) -> int:
        """Until every process has ended; 0, or the exit code of the first that failed."""
        ending = asyncio.ensure_future(self._end_all())
        watchers = []
        for process in self._plan.processes:
            first = None if process.delay else await self._start(process)
            watchers.append(asyncio.ensure_future(self._watch(process, first)))
        await asyncio.gather(*watchers)
        self._stopping.set()
        await ending
        return self._failure

    def stop(self, why: str = "") -> None:
        """Begin to end everything; said again, no longer patiently."""
        if not self._stopping.is_set():
            if why:
                self._output.say("WARNING", "launch", why)
            self._stopping.set()
        elif not self._hurry[signal.SIGTERM].is_set():
            self._output.say("WARNING", "launch", "asked twice, escalating to 'SIGTERM'")
            self._hurry[signal.SIGTERM].set()
        else:
            self._output.say("WARNING", "launch", "asked again, escalating to 'SIGKILL'")
            self._hurry[signal.SIGKILL].set()

    async def _watch(self, process: Process, child: Child | None) -> None:
        """One process from its start, which may be delayed, to its last end."""
        if child is None and not await self._wait(process.delay, self._stopping):
            child = await self._start(process)
        retries = process.respawn_max_retries
        while child is not None:
            code = await child.wait()
            if self._stopping.is_set():
                self._note(code if child.failed else 0)
                return
            if process.respawn and retries != 0:
                retries -= 1
                stopped = await self._wait(process.respawn_delay, self._stopping)
                child = None if stopped else await self._start(process)
                continue
            self._note(code)
            if process.shutdown_on_exit and not self._stopping.is_set():
                self._first = signal.SIGTERM if code else signal.SIGINT
                self.stop()
            return

    async def _start(self, process: Process) -> Child | None:
        if self._stopping.is_set():
            return None
        child = Child(process, self._output)
        try:
            await child.start(full_command(process, self._folder), _environment(process))
        except OSError as error:
            self._output.say("ERROR", process.name, f"cannot be started: {error}")
            self._note(1)
            self.stop()
            return None
        self._children.append(child)
        if self._stopping.is_set():  # asked to stop while it was starting
            self._begin_end(child)
        return child

    async def _end_all(self) -> None:
        await self._stopping.wait()
        for child in reversed(self._children):
            if not child.exited.is_set():
                self._begin_end(child)
                await self._wait(ORDER_WAIT, child.exited, self._hurry[signal.SIGTERM])
        await asyncio.gather(*self._ends.values())

    def _begin_end(self, child: Child) -> None:
        if child not in self._ends:
            self._ends[child] = asyncio.ensure_future(self._end(child))

    async def _end(self, child: Child) -> None:
        child.send(self._first)
        patience = {
            signal.SIGTERM: child.process.sigterm_timeout,
            signal.SIGKILL: child.process.sigkill_timeout,
        }
        for harder, seconds in patience.items():
            if harder is self._first:
                continue
            await self._wait(seconds, child.exited, self._hurry[harder])
            if child.exited.is_set():
                return
            self._output.say("ERROR", child.process.name, f"did not end, escalating to '{harder.name}'")
            child.send(harder)
        await child.exited.wait()

    @staticmethod
    async def _wait(seconds: float, *events: asyncio.Event) -> bool:
        """Wait for any of the events; whether one came in time."""
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        done, _ = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return bool(done)

    def _note(self, code: int) -> None:
        """Keep the first failure as the exit code; death by signal n counts as 128 + n, as in a shell."""
        if not self._failure:
            self._failure = code if code >= 0 else 128 - code


def _environment(process: Process) -> Mapping[str, str]:
    """The process's own, plus what rclpy cannot do without: a log folder and the ament prefix."""
    environment = dict(process.environment)
    prefixes = [p for p in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    if sys.prefix not in prefixes:
        environment["AMENT_PREFIX_PATH"] = os.pathsep.join([*prefixes, sys.prefix])
    if "HOME" not in environment and "ROS_LOG_DIR" not in environment:
        environment["ROS_LOG_DIR"] = str(log_folder(environment))
    return environment
