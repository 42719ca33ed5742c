"""Named starting points: functions that return a configuration, tuned by measurement.

Where the numbers come from: tests/benchmarks/bench_pickplace.py and the README.
"""

from dataclasses import dataclass, replace

from policies.contracts import EXECUTION_HORIZON
from policies.flow import Flow
from policies.model import ModelConfig
from policies.regression import Regression
from policies.train_config import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """All it takes to train and to play a policy."""

    model: ModelConfig
    train: TrainConfig
    n_obs_steps: int
    chunk_size: int
    execution_horizon: int


def pick_place_flow(steps: int | None = None, minutes: float | None = None) -> Recipe:
    """Flow matching on pick-and-place from two cameras of 96 px, a few minutes on 2 cores."""
    if steps is None and minutes is None:
        minutes = 2.5
    return Recipe(
        model=ModelConfig(Flow()),
        train=TrainConfig(steps=steps, minutes=minutes),
        n_obs_steps=1,
        chunk_size=16,
        execution_horizon=EXECUTION_HORIZON,
    )


def pick_place_regression(
    steps: int | None = None, minutes: float | None = None, use_state: bool = False
) -> Recipe:
    """The same with plain L1 regression."""
    recipe = pick_place_flow(steps, minutes)
    return replace(recipe, model=replace(recipe.model, method=Regression(), use_state=use_state))
