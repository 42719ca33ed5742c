"""What every command line of limber shares: errors become one line and exit code 2."""

import os
import sys
from collections.abc import Callable

from hardware.errors import LimberError


def run_command(command: Callable[[], None]) -> None:
    """Run `command`; a `LimberError` is printed as one line and exits 2, Ctrl-C exits 130."""
    try:
        command()
    except LimberError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
