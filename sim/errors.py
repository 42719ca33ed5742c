"""This room's branch of the error tree."""

from hardware.errors import LimberError


class SimError(LimberError):
    """A task, robot model or environment that cannot be built as asked."""
