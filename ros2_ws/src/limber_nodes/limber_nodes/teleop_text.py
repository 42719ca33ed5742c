"""The task's text as a person types it: it is what `task/instruction` says from then on."""

from rclpy.node import Node
from std_msgs.msg import String

from hardware.teleop.keys import BACKSPACE, ENTER, ESCAPE
from limber_nodes import qos


class TaskText:
    """Says the text on `task/instruction`; recorders keep the last they heard in every episode."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._text = ""
        self._publisher = node.create_publisher(String, "task/instruction", qos.LATCHED)

    def say(self, text: str) -> None:
        self._text = text
        self._publisher.publish(String(data=text))

    def say_again(self) -> None:
        """After a reset, with which the task says its own."""
        if self._text:
            self.say(self._text)

    def close(self) -> None:
        self._node.destroy_publisher(self._publisher)


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
