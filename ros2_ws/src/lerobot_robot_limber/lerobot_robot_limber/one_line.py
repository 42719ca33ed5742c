"""A mistake that the person can mend is one line and exit code 2, in LeRobot's commands as in limber's."""

import sys
from types import TracebackType

from hardware.errors import LimberError


def install() -> None:
    """From now on an uncaught `LimberError`, whatever LeRobot wrapped it in, ends the process so.

    Whoever calls LeRobot as a library catches the exceptions themselves and sees no difference.
    """
    before = sys.excepthook

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        mistake = find(error)
        if mistake is None:
            before(kind, error, trace)
            return
        print(f"error: {mistake}", file=sys.stderr, flush=True)
        sys.exit(2)

    sys.excepthook = report


def find(error: BaseException) -> LimberError | None:
    """The `LimberError` that `error` is, or was raised from (LeRobot's factories raise ValueError)."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LimberError):
        cause = cause.__cause__
    return cause
