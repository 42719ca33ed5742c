"""Lock-step evaluation: the policy in the very loop of the robot, with a declared delay.

Time stands still while a policy thinks, so what is measured is the policy and not the machine.
A chunk built on step k is handed to the ChunkScheduler at step k + d, as on a robot whose
inference takes d steps; it is asked for every s steps.
"""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hardware.control.scheduler import ChunkScheduler
from policies.contracts import EXECUTION_HORIZON, Array, Context, Policy, Prefix
from policies.data.layout import STATE
from policies.errors import PolicyError
from policies.evaluation.environment import Pictures, make_environment, policy_options
from policies.evaluation.report import EpisodeResult


@dataclass(frozen=True)
class RolloutConfig:
    """How a policy is played."""

    env: str = "sim:PickPlace-v0"
    execution_horizon: int = EXECUTION_HORIZON
    """Steps s between two requests."""
    inference_delay: int = 0
    """Steps d between the observation and the chunk's arrival. ROS always has at least 1."""
    num_inference_steps: int | None = None
    """Steps of the sampler; default the checkpoint's."""
    robot: str = ""
    """Name of a robot, or path of its spec, for environments that take one; empty: their own."""

    @property
    def options(self) -> dict[str, Any]:
        """What the environment is made with beside what the policy wants to see."""
        return {"robot": self.robot} if self.robot else {}


def check_horizons(chunk_size: int, config: RolloutConfig) -> None:
    """Raise `PolicyError` unless d <= s <= H - d: otherwise the schedule runs dry between chunks."""
    s, d = config.execution_horizon, config.inference_delay
    if d < 0 or not max(d, 1) <= s <= chunk_size - d:
        raise PolicyError(
            f"expected inference_delay <= execution_horizon <= chunk_size - inference_delay, "
            f"got d={d}, s={s} and chunk_size={chunk_size}"
        )


def run_episode(env: Any, policy: Policy, seed: int, config: RolloutConfig) -> EpisodeResult:
    """Play one episode from `env.reset(seed)`; whatever is not a success in time is a failure."""
    spec, s, d = policy.spec, config.execution_horizon, config.inference_delay
    check_horizons(spec.chunk_size, config)
    knobs = {} if config.num_inference_steps is None else {"num_inference_steps": config.num_inference_steps}
    generator = np.random.default_rng([seed, 1])
    scheduler = ChunkScheduler(spec.action_dim)
    pictures = Pictures(env, spec.camera_names)
    policy.reset()
    observation, info = env.reset(seed=seed)
    window: deque[tuple[Array, dict[str, NDArray[np.uint8]]]] = deque(maxlen=spec.n_obs_steps)
    arriving: deque[tuple[int, int, Array]] = deque()  # (step it arrives, step it was built on, chunk)
    latency_ms: list[float] = []
    dry = 0

    def submit_due(step: int) -> None:
        while arriving and arriving[0][0] <= step:
            _, built_on, chunk = arriving.popleft()
            scheduler.submit(chunk.astype(np.float64), built_on, expected_delay=d)

    hold = np.asarray(info.get("sent", observation[STATE]), dtype=np.float64)
    for step in range(1_000_000):
        if (step + spec.n_obs_steps - 1) % s < spec.n_obs_steps or step == 0:  # a step that is looked at
            window.append((np.asarray(observation[STATE], np.float32), pictures.of(observation)))
        submit_due(step)  # before the next one is asked for, whose prefix it is
        if step % s == 0:
            while len(window) < spec.n_obs_steps:
                window.appendleft(window[0])
            begun = time.perf_counter()
            chunk = policy.predict_chunk(
                Context(
                    state=np.stack([state for state, _ in window]),
                    images={n: np.stack([images[n] for _, images in window]) for n in spec.camera_names},
                    task=str(info.get("instruction", "")),
                    knobs=knobs,
                    generator=generator,
                    prefix=Prefix(scheduler.plan(spec.chunk_size).astype(np.float32), d, s) if d else None,
                )
            )
            latency_ms.append((time.perf_counter() - begun) * 1e3)
            arriving.append((step + d, step, chunk))
            submit_due(step)  # one without delay
        point = scheduler.commit(step)
        if point is None:
            dry += 1
        else:
            hold = point
        observation, _, terminated, truncated, info = env.step(hold.astype(np.float32))
        if terminated or truncated:
            break
    verdict = "success" if terminated and info.get("success", True) else "timeout"
    seconds = (step + 1) / spec.action_hz
    delays = (d,) * len(latency_ms)
    return EpisodeResult(seed, verdict, seconds, delays, tuple(latency_ms), dry_steps=dry)


def evaluate(
    checkpoint: str,
    seeds: Sequence[int],
    config: RolloutConfig,
    workers: int = 2,
    report: Callable[[EpisodeResult], None] = lambda result: None,
) -> list[EpisodeResult]:
    """Play every seed, `workers` processes with an environment and one torch thread each.

    `report` is called as episodes end; the results are in the order of `seeds`. `LimberError` for a
    checkpoint or an environment that cannot be used.
    """
    from policies.checkpoint import load_policy

    if workers <= 1:
        _start_worker(checkpoint, config)
        results = []
        for seed in seeds:
            results.append(_run_seed(seed))
            report(results[-1])
        return results
    # What cannot be made ends here in one line; in a worker it would break the pool.
    make_environment(config.env, **config.options, **policy_options(load_policy(checkpoint).spec)).close()
    by_seed: dict[int, EpisodeResult] = {}
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _start_worker, (checkpoint, config)
    )
    try:
        for future in as_completed([pool.submit(_run_seed, seed) for seed in seeds]):
            result = future.result()
            by_seed[result.seed] = result
            report(result)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [by_seed[seed] for seed in seeds]


_WORKER: dict[str, Any] = {}  # of a worker process: its policy, environment and configuration


def _start_worker(checkpoint: str, config: RolloutConfig) -> None:
    os.environ.setdefault("LP_NUM_THREADS", "1")
    import torch

    from policies.checkpoint import load_policy

    torch.set_num_threads(1)
    policy = load_policy(checkpoint)
    check_horizons(policy.spec.chunk_size, config)
    env = make_environment(config.env, **config.options, **policy_options(policy.spec))
    _WORKER.update(policy=policy, env=env, config=config)


def _run_seed(seed: int) -> EpisodeResult:
    try:
        return run_episode(_WORKER["env"], _WORKER["policy"], seed, _WORKER["config"])
    except PolicyError:
        raise
    except Exception as error:  # a fault counts as a failure of the policy under test
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return EpisodeResult(seed, "fault", 0.0, reason=reason)


def latencies(results: Sequence[EpisodeResult]) -> NDArray[np.float64]:
    """Every chunk's latency in ms, (M,)."""
    return np.array([ms for result in results for ms in result.latency_ms])
