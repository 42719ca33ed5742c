"""One started program in a process group of its own: its output, its end, and how it is ended."""

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Mapping, Sequence

from limber_bringup.model import Process
from limber_bringup.output import Output

ORPHAN_GRACE = 1.0  # s that programs which a child started and left behind get before SIGKILL
_STDERR = 2
_LONGEST_LINE = 1 << 16  # bytes; what has no line end by then is passed on as it is
_ASKED_FOR = (0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)


class Child:
    """A running `Process`; `exited` is set when it and its whole process group are gone."""

    def __init__(self, process: Process, output: Output) -> None:
        self.process, self._output = process, output
        self.exited = asyncio.Event()
        self.returncode = 0
        self._signalled = False

    async def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it only through the runner."""
        self._transport, self._lines = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Lines(self.process, self._output),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.process.cwd,
            env=dict(environment),
            start_new_session=True,
        )
        self._pid = self._transport.get_pid()

    async def wait(self) -> int:
        """Until it has ended; the return code, below zero for a signal as in subprocess."""
        await self._lines.ended.wait()
        self.returncode = self._transport.get_returncode() or 0
        await self._end_group()
        with contextlib.suppress(asyncio.TimeoutError):  # a program that left the group may hold a pipe
            await asyncio.wait_for(self._lines.drained.wait(), ORPHAN_GRACE)
        self._transport.close()
        self._report()
        self.exited.set()
        return self.returncode

    def send(self, number: signal.Signals) -> None:
        """A signal to the whole process group, as a terminal's Ctrl-C would be."""
        self._signalled = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, number)

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than asked for; a program may answer SIGINT by dying of it."""
        return self.returncode not in _ASKED_FOR if self._signalled else self.returncode != 0

    async def _end_group(self) -> None:
        """What the program started and did not end must not outlive it."""
        for _ in range(int(ORPHAN_GRACE / 0.05)):
            try:
                os.killpg(self._pid, 0)
            except (ProcessLookupError, PermissionError):
                return
            await asyncio.sleep(0.05)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)

    def _report(self) -> None:
        name, pid = self.process.name, self._pid
        if not self.failed:
            self._output.say("INFO", name, f"process has finished cleanly [pid {pid}]")
            return
        command = shlex.join(self.process.command)
        died = f"process has died [pid {pid}, exit code {self.returncode}, cmd '{command}']"
        self._output.say("ERROR", name, died)


class _Lines(asyncio.SubprocessProtocol):
    """Hands a program's output on line by line; `drained` once both its pipes are closed."""

    def __init__(self, process: Process, output: Output) -> None:
        self._process, self._output = process, output
        self._held = {1: b"", _STDERR: b""}
        self.ended, self.drained = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)
        self._output.say("INFO", self._process.name, f"process started with pid [{transport.get_pid()}]")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, held = (self._held[fd] + data).split(b"\n")
        if len(held) > _LONGEST_LINE:
            lines, held = [*lines, held], b""
        self._held[fd] = held
        for line in lines:
            self._pass_on(fd, line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if last := self._held.pop(fd, b""):
            self._pass_on(fd, last)
        if not self._held:
            self.drained.set()

    def process_exited(self) -> None:
        self.ended.set()

    def _pass_on(self, fd: int, line: bytes) -> None:
        output = self._process.output
        text = line.decode(errors="replace").rstrip("\r")
        screen = fd == _STDERR or output in ("screen", "both")
        self._output.line(self._process.name, text, screen=screen, log=output in ("log", "both"))
