"""A plain node around any object with two verbs, for what has no hardware to bring up and down."""

from collections.abc import Callable
from typing import Protocol

from rclpy.node import Node

from limber_nodes.spin import Finish


class PlainPart(Protocol):
    """What a plain node does; either verb may raise `LimberError`."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class PlainNode(Node):
    """Runs a `PlainPart` from its making to the end of the process; `finish` ends it from within."""

    def __init__(self, name: str, make_part: Callable[["PlainNode"], PlainPart]) -> None:
        super().__init__(name)
        self.finish = Finish()
        try:
            self.part = make_part(self)
        except BaseException:
            self.destroy_node()  # one that is left to the interpreter's end can hang it
            raise

    def start(self) -> None:
        self.part.start()

    def close(self) -> None:
        self.part.close()
