"""One training loop for every policy of this room.

Deterministic on one machine: batch, crop and noise of step i depend on (seed, i) only, so a run
that was interrupted and resumed ends with the same weights as one that was not.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hardware.spec import RobotSpec
from policies.checkpoint import all_finite
from policies.chunk_policy import centre_crop, random_crop
from policies.contracts import PolicySpec
from policies.data.frames import Frames
from policies.data.sampler import Batch, ChunkSampler, split_episodes
from policies.ema import EMA
from policies.errors import CheckpointError, TrainingError
from policies.interrupt import interruptible
from policies.model import ChunkModel, ModelConfig
from policies.normalization import FeatureStats
from policies.run_folder import LossPoint, Progress, RunFolder, plot_curve
from policies.train_config import TrainConfig

LOG_EVERY = 20  # steps between two points of the curve
BUDGETS = ("steps", "minutes", "core_minutes", "save_every_s", "threads")  # may change on resuming


class Trainer:
    """Holds a run: model, optimiser, averaged weights, sampler and counters."""

    def __init__(
        self,
        frames: Frames,
        spec: PolicySpec,
        model_config: ModelConfig,
        config: TrainConfig,
        out: Path,
        robot: RobotSpec | None = None,
        resume: bool = False,
    ) -> None:
        """`out` must be new unless `resume`; raises `PolicyError` for data that does not fit `spec`."""
        torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.config, self.spec, self.robot = config, spec, robot
        self.run = RunFolder(out)
        train_episodes, held_episodes = split_episodes(frames.n_episodes, config.held_out, config.seed)
        sizes = (spec.n_obs_steps, spec.chunk_size, config.batch_size)
        cameras = spec.camera_names
        self.sampler = ChunkSampler(frames, *sizes, config.seed, episodes=train_episodes, cameras=cameras)
        self.held_out = (
            ChunkSampler(frames, *sizes, config.seed, episodes=held_episodes, cameras=cameras)
            if len(held_episodes)
            else None
        )
        stats = {"observation.state": FeatureStats.of(frames.state), "action": FeatureStats.of(frames.action)}
        self.model = ChunkModel(model_config, spec, stats).to(config.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=config.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=config.weight_decay,
            fused=tuple(int(v) for v in torch.__version__.split(".")[:2]) >= (2, 4),
        )
        self.ema = EMA(self.model, config.ema_decay)
        self.step = 0
        self.seconds = 0.0
        self.core_seconds = 0.0
        self.history: list[LossPoint] = []
        self._saved_step = -1
        self._interrupted = False
        self._bf16 = config.use_bf16
        if resume:
            self._resume()
        else:
            self.run.begin()

    def train(self, report: Callable[["Trainer", float], None] = lambda trainer, loss: None) -> float:
        """Train until a budget is used up and save; returns the held-out loss.

        `report(trainer, loss)` is called after every step. SIGINT and SIGTERM end the running step,
        save, and raise KeyboardInterrupt; `TrainingError` when the loss is not finite, with the last
        good checkpoint kept.
        """
        with interruptible(self._interrupt):
            return self._train(report)

    def _interrupt(self) -> None:
        self._interrupted = True

    def _train(self, report: Callable[["Trainer", float], None]) -> float:
        loss_sum, loss_count, saved_at = 0.0, 0, time.monotonic()
        wall0 = time.monotonic() - self.seconds
        core0 = time.process_time() - self.core_seconds
        while self.progress < 1.0:
            loss = self._step()
            self.seconds, self.core_seconds = time.monotonic() - wall0, time.process_time() - core0
            loss_sum, loss_count = loss_sum + loss, loss_count + 1
            if self.step % LOG_EVERY == 0:
                self._log(loss_sum / loss_count, None)
                loss_sum, loss_count = 0.0, 0
            report(self, loss)
            if self._interrupted:
                self.save()
                raise KeyboardInterrupt
            if time.monotonic() - saved_at > self.config.save_every_s:
                self._log(loss, self.held_out_loss())
                self.save()
                saved_at = time.monotonic()
        held = self.held_out_loss()
        self._log(self.history[-1].loss if self.history else float("nan"), held)
        self.save()
        plot_curve(self.run.path, self.history, f"{self.model.config.to_dict()['method']['name']}")
        return held if held is not None else self.history[-1].loss

    @property
    def progress(self) -> float:
        """0..1 of the budget."""
        return self.config.progress(self.step, self.seconds, self.core_seconds)

    def _step(self) -> float:
        config = self.config
        rate = config.learning_rate_at(self.step, self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch = self.sampler.next()
        images = self._crop(batch, np.random.default_rng([config.seed, self.step]))
        loss = self._loss(batch, images, self._generator())
        value = loss.item()
        if not np.isfinite(value):
            raise TrainingError(f"loss is {value} at step {self.step}; {self._last_good()}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.step += 1
        self.ema.update(self.model, self.step)
        return value

    def _generator(self) -> torch.Generator:
        """The noise of this step."""
        seed = np.random.SeedSequence([self.config.seed, self.step]).generate_state(1, np.uint64)
        return torch.Generator(self.config.device).manual_seed(int(seed[0] >> 1))

    def _crop(self, batch: Batch, rng: np.random.Generator | None) -> dict[str, NDArray[np.uint8]]:
        """Pixels of each camera; `rng` draws the crops, None cuts the middle."""
        crop, images = self.model.config.crop, {}
        for c, name in enumerate(self.spec.camera_names):
            assert batch.images is not None  # there are cameras
            pixels = batch.images[:, :, c]
            cut = random_crop(pixels, crop, rng) if rng and crop else centre_crop(pixels, crop)
            images[name] = np.ascontiguousarray(cut)
        return images

    def _loss(
        self, batch: Batch, images: Mapping[str, NDArray[np.uint8]], generator: torch.Generator
    ) -> Tensor:
        """Mean loss of a batch with these crops and this noise."""
        device = torch.device(self.config.device)
        pixels = {name: torch.from_numpy(values).to(device) for name, values in images.items()}
        state, action = torch.from_numpy(batch.state), torch.from_numpy(batch.action)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bf16):
            return self.model.loss(pixels, state.to(device), action.to(device), generator)

    def held_out_loss(self, n_batches: int = 8) -> float | None:
        """Mean loss of the averaged weights on held-out episodes, always the same batches and noise."""
        if self.held_out is None:
            return None
        current = {name: t.clone() for name, t in self.model.state_dict().items()}
        self.model.load_state_dict(self.ema.weights)
        self.held_out.load_state_dict({"seed": 0, "epoch": 0, "batch": 0})
        generator = torch.Generator(self.config.device).manual_seed(0)
        losses = []
        with torch.no_grad():
            for _ in range(n_batches):
                batch = self.held_out.next()
                losses.append(self._loss(batch, self._crop(batch, None), generator).item())
        self.model.load_state_dict(current)
        return float(np.mean(losses))

    def _log(self, loss: float, held_out: float | None) -> None:
        self.history.append(LossPoint(self.step, self.seconds / 60, loss, held_out))

    def save(self) -> None:
        """Write a checkpoint, unless this step is saved already or its weights are not finite."""
        if self._saved_step == self.step:
            return
        if not all_finite(self.model.state_dict()):
            raise TrainingError(f"weights are not finite at step {self.step}; {self._last_good()}")
        progress = Progress(
            step=self.step,
            seconds=self.seconds,
            core_seconds=self.core_seconds,
            sampler=self.sampler.state_dict(),
            history=self.history,
            config={**asdict(self.config), "model": self.model.config.to_dict(), "spec": asdict(self.spec)},
        )
        self.run.save(
            self.model, self.ema.weights, self._optimizer_tensors(), self.robot, progress, self.summary()
        )
        self._saved_step = self.step

    def summary(self) -> dict[str, Any]:
        """What the checkpoint remembers of its training."""
        held = [p.held_out for p in self.history if p.held_out is not None]
        return {
            "step": self.step,
            "core_minutes": self.core_seconds / 60,
            "minutes": self.seconds / 60,
            "n_frames": self.sampler.n_windows,
            "held_out_loss": held[-1] if held else None,
            "config": asdict(self.config),
        }

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        names = [name for name, _ in self.model.named_parameters()]
        state = self.optimizer.state_dict()["state"]
        return {f"{names[i]}/{key}": value for i, entry in state.items() for key, value in entry.items()}

    def _resume(self) -> None:
        weights, averaged, optimizer, progress = self.run.load()
        wanted = {**asdict(self.config), "model": self.model.config.to_dict(), "spec": asdict(self.spec)}
        for key, value in _plain(wanted).items():
            if key not in BUDGETS and progress.config.get(key) != value:
                begun = progress.config.get(key)
                raise CheckpointError(f"cannot resume {self.run.path}: begun with {key} {begun}, got {value}")
        self.model.load_state_dict(weights)
        self.ema.load(averaged)
        self._load_optimizer(optimizer)
        self.sampler.load_state_dict(dict(progress.sampler))
        self.step, self.seconds = progress.step, progress.seconds
        self.core_seconds, self.history = progress.core_seconds, list(progress.history)
        self._saved_step = self.step

    def _load_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        state = self.optimizer.state_dict()
        for i, (name, parameter) in enumerate(self.model.named_parameters()):
            entry = {key.split("/")[1]: t for key, t in tensors.items() if key.split("/")[0] == name}
            # Moments must lie in memory as their weight does: the fused step takes them element by element.
            state["state"][i] = {
                key: torch.empty_like(parameter).copy_(t) if t.shape == parameter.shape else t
                for key, t in entry.items()
            }
        self.optimizer.load_state_dict(state)

    def _last_good(self) -> str:
        path = self.run.path / "checkpoint"
        return f"the last good checkpoint is {path}" if path.exists() else "no checkpoint was saved yet"


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """As it reads after a round trip through JSON (tuples become lists)."""
    result: dict[str, Any] = json.loads(json.dumps(data))
    return result
