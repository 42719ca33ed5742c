"""From process start to clean exit: signals, the executor, and errors as one line and exit code 2."""

import signal
import sys
from collections.abc import Callable
from typing import Protocol

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from hardware.errors import LimberError

POLL_S = 0.05  # the longest that a signal waits to be noticed


class Finish:
    """A process's wish to end, set by a signal or by the node itself."""

    def __init__(self) -> None:
        self.code: int | None = None

    def __call__(self, code: int = 0) -> None:
        if self.code is None:
            self.code = code


class Runnable(Protocol):
    """What `run_node` needs beside a ROS node: a start and a clean end."""

    finish: Finish

    def start(self) -> None: ...

    def close(self) -> None: ...


def run_node(make: Callable[[], Node]) -> None:
    """Make a node, start it, spin until SIGINT, SIGTERM or its own `finish`, close it, exit.

    `make` returns a `Node` that is `Runnable` (a `ManagedNode`, or a plain node with the same
    three members). Exit code 0 after a signal; 2 with one line for a `LimberError`.
    """
    sys.setswitchinterval(0.001)  # a control thread may wait that long for the interpreter lock
    finish = Finish()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finish(0))
    # rclpy's own handlers would end the context before the arm is stopped.
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    node = None
    try:
        node = make()
        node.start()  # type: ignore[attr-defined]
        executor.add_node(node)
        while finish.code is None and node.finish.code is None:  # type: ignore[attr-defined]
            executor.spin_once(timeout_sec=POLL_S)
        finish(node.finish.code or 0)  # type: ignore[attr-defined]
    except LimberError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        finish.code = 2
    finally:
        if node is not None:
            node.close()  # type: ignore[attr-defined]
            node.destroy_node()
        executor.shutdown()  # it keeps the node's DDS participant, which would crash the exit
        rclpy.try_shutdown()
    sys.exit(finish.code)
