"""bench-emulated: what emulated servos on a serial line cost a learned policy.

The whole way twice: demonstrations are collected, a policy is trained on them and played on unseen
seeds, once with the simulated arm itself, once with the same physics behind emulated servos: real bytes
over a pseudo-terminal, the arm's driver, its protections, ticks instead of radians. Lock-step: time
waits for everybody, so that the machine's load plays no part. Same seeds on both sides.

Cells are cached under runs/bench/emulated/ by their configuration and all sources.

    python tests/benchmarks/bench_emulated.py [--quick]
"""

import argparse
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

os.environ.setdefault("LP_NUM_THREADS", "1")

from figures import write_figures

from policies.data.frames import load_dataset
from policies.dataset_spec import dataset_spec
from policies.evaluation.rollout import RolloutConfig, evaluate
from policies.evaluation.seeds import COLLECTION, FINAL_TEST
from policies.evaluation.statistics import paired_difference, wilson_interval
from policies.presets import pick_place_flow
from policies.train import Trainer
from policies.verbs.collect import Collect

FOLDER = Path("runs/bench/emulated")
ROBOTS = ("so101", "so101_emulated")
INFERENCE_DELAY = 1  # steps: what the graph counts where inference takes less than 50 ms
MARGIN = 0.10  # that the success rate may be lower by


@dataclass(frozen=True)
class Size:
    """How much is done; `quick` shows that it works, and proves nothing."""

    demonstrations: int = 400
    steps: int = 2500
    episodes: int = 200
    seed: int = 0


QUICK = Size(demonstrations=40, steps=60, episodes=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small run: shows that it works")
    parser.add_argument("--workers", type=int, default=2, help="environments at a time")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else Size()
    state = digest(sources())
    cells = {robot: cell(robot, size, arguments.workers, state) for robot in ROBOTS}
    report(cells, size)


def cell(robot: str, size: Size, workers: int, state: str) -> dict:
    """Collect, train and play with one robot, or read it where it was done before."""
    recipe = pick_place_flow(steps=size.steps)
    recipe = replace(recipe, train=replace(recipe.train, seed=size.seed))
    key = digest(json.dumps([robot, asdict(size), asdict(recipe), state]))
    done = FOLDER / f"cell-{robot}-{key}.json"
    if done.exists():
        return json.loads(done.read_text())
    seconds: dict[str, float] = {}
    dataset = FOLDER / f"demonstrations-{robot}-{key}"
    begun = time.monotonic()
    started = dataset.exists()
    Collect(
        out=dataset,
        episodes=size.demonstrations,
        first_seed=COLLECTION.start,
        robot=robot,
        workers=workers,
        resume=started,
    ).run()
    seconds["collect"] = time.monotonic() - begun
    frames = load_dataset(str(dataset), progress=False)
    spec, robot_spec = dataset_spec(frames, recipe.chunk_size, recipe.n_obs_steps)
    run = FOLDER / f"run-{robot}-{key}"
    trainer = Trainer(
        frames, spec, recipe.model, recipe.train, run, robot_spec, resume=(run / "checkpoint").exists()
    )
    begun = time.monotonic()
    trainer.train(lambda t, loss: t.step % 500 == 0 and print(f"  {robot}: step {t.step}", flush=True))
    seconds["train"] = time.monotonic() - begun
    seeds = range(FINAL_TEST.start, FINAL_TEST.start + size.episodes)
    config = RolloutConfig(
        execution_horizon=recipe.execution_horizon, inference_delay=INFERENCE_DELAY, robot=robot
    )
    begun = time.monotonic()
    episodes = sorted(evaluate(str(run), seeds, config, workers), key=lambda e: e.seed)
    seconds["evaluate"] = time.monotonic() - begun
    result = {"success": [e.success for e in episodes], "seconds": seconds, "commit_key": key}
    partial = done.with_suffix(".partial")
    partial.write_text(json.dumps(result) + "\n")
    partial.replace(done)
    return result


def report(cells: dict[str, dict], size: Size) -> None:
    """One table, one JSON."""
    emulated, simulated = (cells[robot]["success"] for robot in reversed(ROBOTS))
    difference, low, _ = paired_difference(emulated, simulated)
    rates = {robot: sum(cells[robot]["success"]) / size.episodes for robot in ROBOTS}
    intervals = {robot: wilson_interval(sum(cells[robot]["success"]), size.episodes) for robot in ROBOTS}
    loss = max(0.0, -low)
    figures = {
        "loss_upper_bound": round(loss, 4),
        "n": size.episodes,
        "difference": round(difference, 4),
        "success_emulated": rates["so101_emulated"],
        "interval_emulated": intervals["so101_emulated"],
        **{f"{stage}_s_emulated": round(s, 1) for stage, s in cells["so101_emulated"]["seconds"].items()},
    }
    peers = {
        "success_simulated": rates["so101"],
        "interval_simulated": intervals["so101"],
        **{f"{stage}_s_simulated": round(s, 1) for stage, s in cells["so101"]["seconds"].items()},
    }

    def percent(robot: str) -> str:
        lower, upper = intervals[robot]
        return f"{rates[robot]:.1%} ({lower:.1%} to {upper:.1%})"

    times = {r: " / ".join(f"{s:.0f}" for s in cells[r]["seconds"].values()) for r in ROBOTS}
    rows = [
        ("success on unseen seeds", percent("so101_emulated"), f"simulated {percent('so101')}", ""),
        ("loss, 95 % upper bound", f"{loss:.1%}", f"<= {MARGIN:.0%}", "yes" if loss <= MARGIN else "NO"),
        ("episodes each", str(size.episodes), ">= 150", "yes" if size.episodes >= 150 else "NO"),
        ("collect / train / play, s", times["so101_emulated"], f"simulated {times['so101']}", ""),
    ]
    write_figures("emulated", figures, peers, rows)


def sources() -> str:
    """Every file of the three rooms and this one, as one text: any may change what a cell gives."""
    rooms, kinds = ("policies", "sim", "hardware"), (".py", ".yaml", ".xml")
    files = sorted(path for room in rooms for path in Path(room).rglob("*") if path.suffix in kinds)
    return "".join(f"{path}\n{path.read_text()}" for path in [*files, Path(__file__)])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


if __name__ == "__main__":
    main()
