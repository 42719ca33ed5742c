"""What a training run is told, and how far it has come."""

import math
from dataclasses import dataclass
from pathlib import Path

from policies.errors import PolicyError


@dataclass(frozen=True)
class TrainConfig:
    """How to train; what to train is `ModelConfig`. The first budget used up ends the run."""

    steps: int | None = None
    """Optimiser steps."""
    minutes: float | None = None
    """Wall time. It makes the result depend on the machine's load; steps do not."""
    core_minutes: float | None = None
    """Processor time of this process, all threads."""
    batch_size: int = 64
    """Observations a step; each also serves several noise samples."""
    learning_rate: float = 1e-3
    """Peak of a cosine; AdamW's usual for MLPs of this size (1e-4 is for U-Nets of 100 M)."""
    weight_decay: float = 1e-4
    warmup_steps: int = 100
    ema_decay: float = 0.995
    """About 200 steps of memory: short runs have few steps."""
    gradient_clip: float = 1.0
    held_out: float = 0.05
    """Share of episodes kept for the held-out loss."""
    seed: int = 0
    threads: int = 2
    """Torch threads on a CPU."""
    device: str = "cpu"
    save_every_s: float = 30.0
    """Wall seconds between two checkpoints."""
    bf16: bool | None = None
    """bfloat16 autocast: 1.9 times the steps a second where the processor has it, slower where not.
    Default: where it has (avx512_bf16, amx_bf16, cuda)."""

    def __post_init__(self) -> None:
        budgets = (self.steps, self.minutes, self.core_minutes)
        if all(b is None for b in budgets):
            raise PolicyError("training budget: expected steps, minutes or core_minutes, got none of them")
        for budget in budgets:
            if budget is not None and not 0 < budget < math.inf:
                raise PolicyError(f"training budget: expected a finite number above 0, got {budget}")
        if not 0 < self.learning_rate < math.inf:
            raise PolicyError(f"learning_rate: expected a finite number above 0, got {self.learning_rate}")
        for name in ("batch_size", "threads"):
            if getattr(self, name) < 1:
                raise PolicyError(f"{name}: expected at least 1, got {getattr(self, name)}")

    @property
    def use_bf16(self) -> bool:
        """`bf16`, or what suits this machine."""
        if self.bf16 is not None:
            return self.bf16
        return self.device.startswith("cuda") or processor_has_bf16()

    def progress(self, step: int, seconds: float, core_seconds: float) -> float:
        """0 at the start, 1 when a budget is used up."""
        parts = [
            done / budget
            for done, budget in (
                (step, self.steps),
                (seconds / 60, self.minutes),
                (core_seconds / 60, self.core_minutes),
            )
            if budget is not None
        ]
        return min(1.0, max(parts))

    def learning_rate_at(self, step: int, progress: float) -> float:
        """Linear warm-up, then a cosine over the budget down to 1 % of the peak."""
        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
        return self.learning_rate * warmup * cosine


def processor_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware (Linux on x86-64; elsewhere False)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
