"""The words of the control loop: modes, sources, counters, and the report of a tick."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hardware.robot import Observation
from hardware.safety.filter import SafetyReport

Vector = NDArray[np.float64]  # (n_joints,)


class Mode(str, Enum):
    """What the arm may do. Only ARMED follows a person or a policy."""

    DISARMED = "disarmed"  # nothing is sent
    ARMING = "arming"  # the torque comes up, the arm holds
    ARMED = "armed"
    STOPPED = "stopped"  # latched: decelerated, holding, until armed again
    PARKING = "parking"
    RELEASING = "releasing"


class Source(str, Enum):
    """Who had control in a tick."""

    HOLD = "hold"
    PERSON = "person"
    POLICY = "policy"
    PARK = "park"


@dataclass
class LoopCounters:
    """What the loop refused, met or did without, since the start."""

    refused: dict[str, int] = field(default_factory=dict)  # reason -> count; the reasons are a fixed few
    dry_steps: int = 0  # times the policy's plan ran out
    stale_corrections: int = 0
    stale_observations: int = 0
    observer_errors: int = 0
    robot_errors: int = 0  # readings or sendings that failed; each stops the arm
    overruns: int = 0  # ticks that began more than a period late

    def refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1


@dataclass(frozen=True)
class TickReport:
    """All that happened in one tick; `planned` is set on the first tick of a step only."""

    stamp_ns: int
    tick: int
    step: int
    epoch: int
    mode: Mode
    source: Source
    observation: Observation
    base: Vector | None  # the goal before correction and filter; None: no goal, hold
    correction: Vector | None
    sent: Vector  # where nothing is sent (DISARMED): where the arm is
    safety: SafetyReport
    planned: NDArray[np.float64] | None  # (at most plan_length, n_joints), the running step's point first
    dry: bool  # the policy's plan ran out in this tick
