"""The task's text as a person types it: task_node says it on `task/instruction` from then on."""

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient

from hardware.teleop.keys import BACKSPACE, ENTER, ESCAPE


class TaskText:
    """Gives task_node another text; recorders keep the last they heard in every episode."""

    def __init__(self, node: Node, say: Callable[[str], None]) -> None:
        self._say = say
        self._task = AsyncParameterClient(node, "task_node")

    def set(self, text: str) -> None:
        """From any thread; what comes of it is said."""
        if not self._task.services_are_ready():
            self._say("expected a task_node to take the text, there is none")
            return
        future = self._task.set_parameters([Parameter("instruction", value=text)])
        future.add_done_callback(partial(self._answered, text))

    def _answered(self, text: str, future: Any) -> None:
        result = future.result().results[0]
        self._say(f"task: {text}" if result.successful else f"the task's text: {result.reason}")


class LineEdit:
    """One line typed key by key, shown as it grows; None when there is nothing to be edited."""

    def __init__(self) -> None:
        self._line: str | None = None

    @property
    def editing(self) -> bool:
        return self._line is not None

    def begin(self) -> None:
        self._line = ""
        print("the task's text (Enter ends, Esc leaves it as it is): ", end="", flush=True)

    def key(self, key: str) -> str | None:
        """Take a key; the whole line once Enter ends it."""
        line = self._line or ""
        if key in (ENTER, ESCAPE):
            self._line = None
            print(flush=True)
            return (line.strip() or None) if key == ENTER else None
        if key == BACKSPACE:
            self._line = line[:-1]
            print("\b \b" if line else "", end="", flush=True)
        elif key.isprintable():
            self._line = line + key
            print(key, end="", flush=True)
        return None
