"""`python -m policies evaluate`: a checkpoint in lock-step over unseen seeds."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from policies.checkpoint import read_config
from policies.contracts import EXECUTION_HORIZON
from policies.errors import PolicyError
from policies.evaluation.report import EpisodeResult, EvaluationReport, figures, write_report
from policies.evaluation.report_sources import commit, machine, read_curve
from policies.evaluation.rollout import RolloutConfig, check_horizons, evaluate
from policies.evaluation.seeds import FINAL_TEST, RANGES
from policies.progress import Style, progress


@dataclass(frozen=True)
class Evaluate:
    """Play a checkpoint on seeds it has never seen; failures, timeouts and faults all count."""

    checkpoint: Path
    """A checkpoint or a run folder."""
    env: str = "sim:PickPlace-v0"
    """A gymnasium name; its package is imported now."""
    robot: str = ""
    """A shipped robot's name, or a path to a spec's YAML file; empty: the environment's own."""
    episodes: int = 100
    """Episodes, one a seed; an interval of 10 points takes about as many."""
    first_seed: int = FINAL_TEST.start
    """Published ranges are in policies/evaluation/seeds.py."""
    execution_horizon: int = EXECUTION_HORIZON
    """Steps between two chunks, s."""
    inference_delay: int = 0
    """Steps between an observation and the chunk built on it, d. ROS always has at least 1."""
    num_inference_steps: int | None = None
    """Steps of the sampler; default the checkpoint's."""
    workers: int = 2
    """Processes, each with an environment."""
    out: Path | None = None
    """Write the figures here as JSON; must not exist."""
    report: Path | None = None
    """Write a page (.html) and its figures beside it (.json); neither may exist."""
    progress: Style | None = None
    """Default: a bar on a terminal, else a line every 15 s."""

    def run(self) -> None:
        if self.episodes < 1:
            raise PolicyError(f"episodes: expected at least 1, got {self.episodes}")
        if self.out is not None and self.out.exists():
            raise PolicyError(f"expected a new file, {self.out} exists; nothing was overwritten")
        if self.report is not None:
            if self.report.suffix != ".html":
                raise PolicyError(f"report: expected a name ending in .html, got {str(self.report)!r}")
            for file in (self.report, self.report.with_suffix(".json")):
                if file.exists():
                    raise PolicyError(f"expected a new report, {file} exists; nothing was overwritten")
        config = read_config(self.checkpoint)
        rollout = RolloutConfig(
            self.env, self.execution_horizon, self.inference_delay, self.num_inference_steps, self.robot
        )
        check_horizons(config.spec.chunk_size, rollout)
        seeds = range(self.first_seed, self.first_seed + self.episodes)
        done: list[EpisodeResult] = []
        with progress("evaluating", self.progress) as advance:

            def report(result: EpisodeResult) -> None:
                done.append(result)
                won = sum(r.success for r in done)
                advance(len(done) / len(seeds), f"{won}/{len(done)} successes")

            results = evaluate(str(self.checkpoint), seeds, rollout, self.workers, report)
        summary = EvaluationReport(
            title=f"{self.env} in lock-step",
            instruction="",
            joint_names=config.spec.action_names,
            action_dt=1 / config.spec.action_hz,
            time_limit_s=0.0,
            episodes=tuple(results),
            conditions={
                "checkpoint": str(self.checkpoint),
                "seeds": f"{seeds[0]}..{seeds[-1]} ({_range_of(seeds)})",
                "execution_horizon": str(self.execution_horizon),
                "inference_delay": str(self.inference_delay),
            },
            curve=read_curve(self.checkpoint),
            machine=machine(),
            commit=commit(),
        )
        if self.report is not None:
            print(f"report: {write_report(summary, self.report)}")
        numbers = figures(summary)
        if self.out is not None:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            partial = self.out.with_name(f".{self.out.name}.{os.getpid()}.partial")
            partial.write_text(json.dumps(numbers, indent=2) + "\n")
            partial.replace(self.out)
        failed = [f"{r.seed} ({r.reason or r.verdict})" for r in results if not r.success]
        print(
            f"success {numbers['success_rate']:.1%} of {len(results)}, 95 % interval "
            f"{numbers['interval_low']:.1%} to {numbers['interval_high']:.1%}; "
            f"{np.mean([r.seconds for r in results]):.1f} s an episode; latency ms {numbers['latency_ms']}"
        )
        if failed:
            print("failed seeds: " + ", ".join(failed[:20]) + (" ..." if len(failed) > 20 else ""))


def _range_of(seeds: range) -> str:
    for name, published in RANGES.items():
        if seeds[0] in published and seeds[-1] in published:
            return name
    return "no published range"
