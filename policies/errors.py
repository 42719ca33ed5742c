"""This room's branch of the error tree."""

from hardware.errors import LimberError


class PolicyError(LimberError):
    """A fault of this room: policies, checkpoints, training, evaluation."""


class CheckpointError(PolicyError):
    """A checkpoint that cannot be read, or that is for another robot."""


class DatasetError(PolicyError):
    """A dataset that is missing, truncated, of another version or without what is asked of it."""


class TrainingError(PolicyError):
    """Training that cannot go on; the message says where the last good checkpoint is."""
