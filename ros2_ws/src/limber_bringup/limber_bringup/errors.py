"""This package's branch of limber's error tree."""

from hardware.errors import LimberError


class LaunchError(LimberError):
    """A launch file or argument that cannot be right; the message names file and line."""
