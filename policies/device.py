"""Where torch can compute on this machine."""

import torch

from hardware.errors import unknown
from policies.errors import PolicyError


def check_device(name: str) -> None:
    """Raise `PolicyError`, naming the devices there are, unless `name` is one of them."""
    valid = ["cpu"]
    if torch.cuda.is_available():
        valid += ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        valid.append("mps")
    if name not in valid:
        raise PolicyError(unknown("device", name, valid))
