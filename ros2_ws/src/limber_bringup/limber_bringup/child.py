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
_LONGEST_LINE = 1 << 16  # bytes; what has no line end by then is printed as it is


class Child:
    """A running `Process`; `exited` is set when it and its whole process group are gone."""

    def __init__(self, process: Process, running: asyncio.subprocess.Process, output: Output) -> None:
        self.process, self._running, self._output = process, running, output
        self.exited = asyncio.Event()
        self.returncode = 0
        self.signalled: signal.Signals | None = None  # the last signal sent by the runner

    @classmethod
    async def start(
        cls, process: Process, command: Sequence[str], environment: Mapping[str, str], output: Output
    ) -> "Child":
        """Start it in a session of its own, so that Ctrl-C reaches it only through the runner."""
        running = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=process.cwd,
            env=dict(environment),
            start_new_session=True,
        )
        output.say("INFO", process.name, f"process started with pid [{running.pid}]")
        return cls(process, running, output)

    async def wait(self) -> int:
        """Pass its lines on until it ends; the return code, below zero for a signal as in subprocess."""
        screen = self.process.output in ("screen", "both")
        streams = (self._running.stdout, screen), (self._running.stderr, True)
        readers = [asyncio.ensure_future(self._read(stream, show)) for stream, show in streams]
        self.returncode = await self._running.wait()
        await self._end_group()
        await asyncio.wait(readers, timeout=ORPHAN_GRACE)  # a program that left the group may hold the pipe
        for reader in readers:
            reader.cancel()
        self._report()
        self.exited.set()
        return self.returncode

    def send(self, number: signal.Signals) -> None:
        """A signal to the whole process group, as a terminal's Ctrl-C would be."""
        self.signalled = number
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._running.pid, number)

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than asked for; a program may answer SIGINT by dying of it."""
        if self.signalled is None:
            return self.returncode != 0
        return self.returncode not in (
            0,
            -signal.SIGINT,
            -signal.SIGTERM,
            128 + signal.SIGINT,
            128 + signal.SIGTERM,
        )

    async def _end_group(self) -> None:
        for _ in range(int(ORPHAN_GRACE / 0.05)):
            if not self._group_alive():
                return
            await asyncio.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGKILL)

    def _group_alive(self) -> bool:
        try:
            os.killpg(self._running.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def _read(self, stream: asyncio.StreamReader | None, screen: bool) -> None:
        assert stream is not None
        log = self.process.output in ("log", "both")
        held = b""
        while True:
            piece = await stream.read(_LONGEST_LINE)
            *lines, held = (held + piece).split(b"\n")
            if held and (not piece or len(held) > _LONGEST_LINE):
                lines, held = [*lines, held], b""
            for line in lines:
                text = line.decode(errors="replace").rstrip("\r")
                self._output.line(self.process.name, text, screen=screen, log=log)
            if not piece:
                return

    def _report(self) -> None:
        pid, code = self._running.pid, self.returncode
        if not self.failed:
            self._output.say("INFO", self.process.name, f"process has finished cleanly [pid {pid}]")
            return
        command = shlex.join(self.process.command)
        self._output.say(
            "ERROR", self.process.name, f"process has died [pid {pid}, exit code {code}, cmd '{command}']"
        )
