"""Pick-and-place from pixels: success of flow matching over unseen episodes, and of plain regression.

Each cell (method, joint state, training seed) is trained on one thread within the core-minutes
allowed and played in lock-step over the same final-test seeds, with the delay of one step that
ROS has on this machine. Cells are cached under runs/bench/pickplace/ by their configuration and
all sources, so an interrupted benchmark goes on where it was. The interval is Wilson's
for the distinct episodes, not for all runs over them: conservative.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from figures import write_figures

from policies.evaluation.seeds import COLLECTION, FINAL_TEST
from policies.evaluation.statistics import wilson_interval
from policies.presets import Recipe, pick_place_flow, pick_place_regression

FOLDER = Path("runs/bench/pickplace")
CORE_MINUTES = 10.0
INFERENCE_DELAY = 1  # steps: what the graph counts where inference takes less than 50 ms
VARIANTS = {
    "flow": lambda steps: pick_place_flow(steps=steps),
    "regression": lambda steps: pick_place_regression(steps=steps, use_state=False),
    "regression+state": lambda steps: pick_place_regression(steps=steps, use_state=True),
}


@dataclass(frozen=True)
class Size:
    """How much is done; `quick` shows that it works, and proves nothing."""

    demonstrations: int = 1000
    steps: int = 6000
    episodes: int = 300
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Size(demonstrations=40, steps=300, episodes=10, seeds=(0,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small run: shows that it works")
    parser.add_argument("--workers", type=int, default=2, help="cells at a time, one thread each")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else Size()
    state = sources()
    dataset = FOLDER / f"demonstrations-{size.demonstrations}-{digest(state)}"
    if not dataset.exists():
        collect(dataset, size, arguments.workers)
    cells = [(variant, seed) for variant in VARIANTS for seed in size.seeds]
    results: dict[tuple[str, int], dict] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, context) as pool:
        futures = {pool.submit(cell, *key, size, str(dataset), state): key for key in cells}
        for future in as_completed(futures):
            results[futures[future]] = future.result()
            variant, seed = futures[future]
            print(f"{variant} seed {seed}: {results[futures[future]]}", flush=True)
    report(results, size)


def report(results: dict[tuple[str, int], dict], size: Size) -> None:
    """One table, one JSON."""
    summary = {}
    for variant in VARIANTS:
        cells = [results[variant, seed] for seed in size.seeds]
        rates = [cell["success_rate"] for cell in cells]
        low, high = wilson_interval(round(float(np.mean(rates)) * size.episodes), size.episodes)
        summary[variant] = {
            "success_rate": round(float(np.mean(rates)), 4),
            "interval_low": round(low, 4),
            "interval_high": round(high, 4),
            "core_minutes": round(max(cell["core_minutes"] for cell in cells), 2),
            "per_seed": rates,
            "latency_p50_ms": round(float(np.median([cell["latency_p50_ms"] for cell in cells])), 2),
            "latency_p99_ms": round(float(max(cell["latency_p99_ms"] for cell in cells)), 2),
        }
    ours = summary["flow"]
    conditions = {"demonstrations": size.demonstrations, "inference_delay": INFERENCE_DELAY}
    figures = {**ours, "n_episodes": size.episodes, **conditions}
    rate, minutes = ours["success_rate"], ours["core_minutes"]
    rows = [
        ("success rate, mean of training seeds", f"{rate:.1%}", ">= 95 %", yes(rate >= 0.95)),
        ("unseen episodes", str(size.episodes), ">= 300", yes(size.episodes >= 300)),
        ("95 % interval from", f"{ours['interval_low']:.1%}", "", ""),
        ("core-minutes of training", f"{minutes:.1f}", f"<= {CORE_MINUTES:g}", yes(minutes <= CORE_MINUTES)),
        ("per training seed", " ".join(f"{r:.1%}" for r in ours["per_seed"]), "3 seeds", ""),
    ]
    peers = {name: summary[name] for name in VARIANTS if name != "flow"}
    rows += [(f"success of {name}", "", f"{peer['success_rate']:.1%}", "") for name, peer in peers.items()]
    write_figures("pickplace", figures, peers, rows)


def collect(dataset: Path, size: Size, workers: int) -> None:
    from policies.verbs.collect import Collect

    Collect(out=dataset, episodes=size.demonstrations, first_seed=COLLECTION.start, workers=workers).run()


def cell(variant: str, seed: int, size: Size, dataset: str, state: str) -> dict:
    """Train and play one cell, or read it where it was done before."""
    recipe: Recipe = VARIANTS[variant](size.steps)
    recipe = replace(
        recipe,
        train=replace(recipe.train, seed=seed, threads=1, core_minutes=CORE_MINUTES - 0.2),
    )
    key = digest(json.dumps([variant, seed, asdict(size), asdict(recipe), digest(state)]))
    done = FOLDER / f"cell-{variant}-{seed}-{key}.json"
    if done.exists():
        return json.loads(done.read_text())
    os.environ["LP_NUM_THREADS"] = "1"
    from policies.data.frames import load_dataset
    from policies.dataset_spec import dataset_spec
    from policies.evaluation.rollout import RolloutConfig, evaluate, latencies
    from policies.train import Trainer

    frames = load_dataset(dataset, progress=False)
    spec, robot = dataset_spec(frames, recipe.chunk_size, recipe.n_obs_steps)
    run = FOLDER / f"run-{variant}-{seed}-{key}"
    trainer = Trainer(
        frames, spec, recipe.model, recipe.train, run, robot, resume=(run / "checkpoint").exists()
    )
    begun = time.monotonic()
    trainer.train(
        lambda t, loss: t.step % 500 == 0 and print(f"  {variant} {seed}: step {t.step}", flush=True)
    )
    seeds = range(FINAL_TEST.start, FINAL_TEST.start + size.episodes)
    config = RolloutConfig(execution_horizon=recipe.execution_horizon, inference_delay=INFERENCE_DELAY)
    episodes = evaluate(str(run), seeds, config, workers=1)
    result = {
        "success_rate": round(sum(e.success for e in episodes) / len(episodes), 4),
        "failed_seeds": [e.seed for e in episodes if not e.success],
        "core_minutes": round(trainer.core_seconds / 60, 3),
        "steps": trainer.step,
        "wall_s": round(time.monotonic() - begun, 1),
        "latency_p50_ms": float(np.percentile(latencies(episodes), 50)),
        "latency_p99_ms": float(np.percentile(latencies(episodes), 99)),
    }
    partial = done.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=2) + "\n")
    partial.replace(done)
    return result


def sources() -> str:
    """Every file of the three rooms and this one, as one text: any may change what a cell gives."""
    rooms = ("policies", "sim", "hardware")
    kinds = (".py", ".yaml", ".xml")
    files = sorted(path for room in rooms for path in Path(room).rglob("*") if path.suffix in kinds)
    return "".join(f"{path}\n{path.read_text()}" for path in [*files, Path(__file__)])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def yes(holds: bool) -> str:
    return "yes" if holds else "NO"


if __name__ == "__main__":
    main()
