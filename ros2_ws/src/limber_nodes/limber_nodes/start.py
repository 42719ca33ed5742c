"""Where the process of every node begins: before what takes seconds to import, so that it ends quietly."""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Run the node that the program is called after: `robot_node` is `limber_nodes.robot_node`'s main."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # Nothing is there to be closed, and an exception would end in the middle of an import;
        # `run_node` has handlers of its own.
        signal.signal(number, lambda *_: os._exit(0))
    import_module(f"limber_nodes.{Path(sys.argv[0]).name}").main()
