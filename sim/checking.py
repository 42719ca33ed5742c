"""How good a scripted expert is: success over seeds, episode length, and how fast it demonstrates."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from sim.env import RobotEnv


@dataclass(frozen=True)
class ExpertCheck:
    """What came of the seeds; lengths (episodes,) in s of the successful ones."""

    episodes: int
    failed_seeds: tuple[int, ...]
    lengths_s: tuple[float, ...]
    wall_s: float

    @property
    def success_rate(self) -> float:
        return 1.0 - len(self.failed_seeds) / self.episodes

    @property
    def median_length_s(self) -> float:
        return float(np.median(self.lengths_s)) if self.lengths_s else float("nan")


def check_expert(
    env: RobotEnv,
    episodes: int,
    first_seed: int = 0,
    expert_seed: int = 0,
    on_episode: Callable[[int, bool], None] = lambda seed, success: None,
) -> ExpertCheck:
    """Let the task's expert play `episodes` seeds from `first_seed` on; one expert for all of them."""
    expert = env.make_expert(expert_seed)
    lengths: list[float] = []
    failed: list[int] = []
    started = perf_counter()
    for seed in range(first_seed, first_seed + episodes):
        observation, info = env.reset(seed=seed)
        expert.reset(env.robot.objects(), observation["observation.state"])
        ended = False
        while not ended:
            action = expert.act(observation["observation.state"], env.robot.objects(), info["stamp_ns"] / 1e9)
            env.set_correction(action.correction)
            observation, _, succeeded, truncated, info = env.step(action.goal.astype(np.float32))
            ended = succeeded or truncated
        if info["success"]:
            lengths.append(info["stamp_ns"] / 1e9)
        else:
            failed.append(seed)
        on_episode(seed, bool(info["success"]))
    return ExpertCheck(episodes, tuple(failed), tuple(lengths), perf_counter() - started)
