"""Demonstrations of a scripted expert, in process and in parallel.

The label is the expert's clean goal; what is executed is that goal plus the expert's own
correction (noise, knocks), so that the data shows how to come back.
"""

import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.contracts import Array
from policies.data.layout import IMAGES, STATE
from policies.errors import PolicyError
from policies.evaluation.environment import make_environment


@dataclass(frozen=True)
class Demonstration:
    """One episode of T steps: state (T, n), action (T, A), images camera -> (T, H, W, 3)."""

    seed: int
    success: bool
    instruction: str
    state: Array
    action: Array
    images: Mapping[str, NDArray[np.uint8]]


def demonstrate(env: Any, seed: int) -> Demonstration:
    """Let the environment's expert play `seed`; ends with success, or when time is up."""
    observation, info = env.reset(seed=seed)
    expert = env.unwrapped.make_expert(seed)
    robot = env.unwrapped.robot
    expert.reset(robot.objects(), observation[STATE])
    states, actions = [], []
    images: dict[str, list[NDArray[np.uint8]]] = {
        key.removeprefix(IMAGES): [] for key in observation if key.startswith(IMAGES)
    }
    success, ended = False, False
    while not ended:
        act = expert.act(observation[STATE], robot.objects(), info["stamp_ns"] / 1e9)
        states.append(observation[STATE].copy())
        actions.append(act.goal.astype(np.float32))
        for name, pictures in images.items():
            pictures.append(observation[IMAGES + name])
        env.unwrapped.set_correction(act.correction)
        observation, _, terminated, truncated, info = env.step(actions[-1])
        success = success or bool(info["success"])
        ended = terminated or truncated
    return Demonstration(
        seed=seed,
        success=success,
        instruction=str(info["instruction"]),
        state=np.stack(states),
        action=np.stack(actions),
        images={name: np.stack(pictures) for name, pictures in images.items()},
    )


def check_environment(env: str, **options: Any) -> None:
    """`LimberError` unless the environment can be made, with these options, and offers an expert."""
    with closing(make_environment(env, **options)) as environment:
        if not hasattr(environment.unwrapped, "make_expert"):
            raise PolicyError(f"environment: expected one that offers an expert, {env!r} has no make_expert")
        environment.unwrapped.make_expert(0)


def collect(
    env: str, seeds: Iterator[int], episodes: int, workers: int = 2, **options: Any
) -> Iterator[Demonstration]:
    """`episodes` (0 or more) successful demonstrations in the order of `seeds`, failures left out.

    workers: processes; 1 stays in this one. options: of the environment (cameras, width, height).
    """
    if workers <= 1:
        with closing(make_environment(env, **options)) as environment:
            yield from _successes((demonstrate(environment, seed) for seed in seeds), episodes)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _start_worker, (env, options))
    try:
        yield from _successes(_in_order(pool, seeds, ahead=2 * workers), episodes)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _successes(demonstrations: Iterator[Demonstration], episodes: int) -> Iterator[Demonstration]:
    return islice((d for d in demonstrations if d.success), episodes)


def _in_order(pool: ProcessPoolExecutor, seeds: Iterator[int], ahead: int) -> Iterator[Demonstration]:
    """Results in the order of `seeds`, never more than `ahead` of them waiting in memory."""
    running: list[Future[Demonstration]] = []
    for seed in seeds:
        running.append(pool.submit(_demonstrate_seed, seed))
        if len(running) >= ahead:
            yield running.pop(0).result()
    for future in running:
        yield future.result()


_WORKER: dict[str, Any] = {}


def _start_worker(env: str, options: Mapping[str, Any]) -> None:
    _WORKER["env"] = make_environment(env, **options)


def _demonstrate_seed(seed: int) -> Demonstration:
    return demonstrate(_WORKER["env"], seed)
