"""`python -m policies train`: a policy on a LeRobotDataset."""

import json
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from hardware.errors import unknown
from policies.errors import PolicyError
from policies.method import Method
from policies.presets import pick_place_flow
from policies.progress import Style, progress
from policies.table import method_class


@dataclass(frozen=True)
class Train:
    """Train a policy. The first budget used up (steps, minutes, core-minutes) ends the run."""

    dataset: Path
    """A LeRobotDataset v3.0, ours or not."""
    out: Path
    """The run's folder: checkpoint, loss curve, state to resume from."""
    policy: str = "flow"
    """flow, regression or diffusion (policies/table.py)."""
    option: tuple[str, ...] = ()
    """Options of the policy, as NAME=VALUE."""
    minutes: float | None = None
    """Wall-clock budget; default the preset's 2.5 where no other budget is given."""
    core_minutes: float | None = None
    """Processor-time budget."""
    steps: int | None = None
    """Budget of optimiser steps: the one whose result does not depend on the machine's load."""
    chunk_size: int | None = None
    """Actions a chunk, H; default the preset's."""
    n_obs_steps: int | None = None
    """Observations a policy sees; default the preset's."""
    cameras: tuple[str, ...] | None = None
    """Cameras to use; default all of the dataset."""
    use_state: bool | None = None
    """Joint state as an input beside the pixels; default the preset's (measured)."""
    robot: str | None = None
    """Robot the data is of; default what the dataset says."""
    batch_size: int | None = None
    """Chunks an optimiser step; default the preset's."""
    learning_rate: float | None = None
    """Largest one of the schedule; default the preset's."""
    seed: int = 0
    """Of the weights, the batches and the noise."""
    threads: int = 2
    """Torch threads."""
    device: str = "cpu"
    """cpu or a device of torch, such as cuda."""
    cache: Path | None = None
    """Where decoded pictures are kept; default inside the dataset's folder."""
    resume: bool = False
    """Go on with an interrupted run in OUT."""
    progress: Style | None = None
    """Default: a bar on a terminal, else a line every 15 s."""

    def run(self) -> None:
        from policies.data.frames import load_dataset
        from policies.dataset_spec import dataset_spec
        from policies.device import check_device
        from policies.train import Trainer

        check_device(self.device)
        method = method_class(self.policy)
        recipe = pick_place_flow(self.steps, self.minutes)
        chosen: dict[str, Any] = {"seed": self.seed, "threads": self.threads, "device": self.device}
        if self.core_minutes is not None:  # instead of the preset's own budget
            chosen |= {"core_minutes": self.core_minutes, "minutes": self.minutes}
        for name in ("batch_size", "learning_rate"):
            if getattr(self, name) is not None:
                chosen[name] = getattr(self, name)
        config = replace(recipe.train, **chosen)
        options = _options(method, self.option)
        base = recipe.model.method if isinstance(recipe.model.method, method) else method()
        model = replace(recipe.model, method=replace(base, **options))  # type: ignore[type-var]
        if self.use_state is not None:
            model = replace(model, use_state=self.use_state)
        if self.out.exists() and not self.resume and any(self.out.iterdir()):
            raise PolicyError(f"expected a new run folder, {self.out} exists; add --resume or choose another")
        frames = load_dataset(self.dataset, self.cache)
        spec, robot = dataset_spec(
            frames,
            chunk_size=recipe.chunk_size if self.chunk_size is None else self.chunk_size,
            n_obs_steps=recipe.n_obs_steps if self.n_obs_steps is None else self.n_obs_steps,
            cameras=self.cameras,
            robot=self.robot,
        )
        longest = getattr(model.method, "max_prefix", 0)
        if not 0 <= longest < spec.chunk_size:
            raise PolicyError(f"option max_prefix: expected 0 to {spec.chunk_size - 1}, got {longest}")
        trainer = Trainer(frames, spec, model, config, self.out, robot, resume=self.resume)
        with progress("training", self.progress) as advance:
            held_out = trainer.train(
                lambda t, loss: advance(
                    t.progress, f"step {t.step} loss {loss:.4f} {t.step / t.seconds:.1f} steps/s"
                )
            )
        print(
            f"trained {trainer.step} steps in {trainer.seconds / 60:.1f} min "
            f"({trainer.core_seconds / 60:.1f} core-minutes), held-out loss {held_out:.4f}: "
            f"{self.out / 'checkpoint'}"
        )


def _options(method: type[Method], pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs as options of `method`; `PolicyError` for one that it does not have."""
    known: dict[str, Any] = {f.name: f.default for f in fields(method)}  # type: ignore[arg-type]
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise PolicyError(f"option: expected NAME=VALUE, got {pair!r}")
        if name not in known:
            raise PolicyError(unknown("option", name, known))
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
        wanted, got = type(known[name]), type(options[name])
        if got is not wanted and not (wanted is float and got is int):
            raise PolicyError(f"option {name}: expected {wanted.__name__}, got {value!r}")
        least = min(1, known[name])  # none of them may be negative, and 0 only what is 0 by default
        if not least <= options[name] < math.inf:
            raise PolicyError(f"option {name}: expected at least {least}, got {value}")
    return options
