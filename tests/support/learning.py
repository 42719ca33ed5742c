"""A dataset that is learned in seconds: the goal is where a bright column stands in the picture."""

from dataclasses import replace

import numpy as np

from policies.contracts import CameraShape, PolicySpec
from policies.data.frames import Frames
from policies.model import ModelConfig
from policies.nets.chunk_mlp import ChunkMLPConfig
from policies.nets.encoders import EncoderConfig
from policies.table import METHODS
from policies.train_config import TrainConfig

LINE = (-0.5, 0.05)  # action 0 = LINE[0] + LINE[1] * column
SIZE = 32


def tiny_frames(n_episodes=6, length=40, seed=0):
    rng = np.random.default_rng(seed)
    n = n_episodes * length
    columns = np.repeat(rng.integers(6, SIZE - 6, n // 10), 10)
    images = rng.integers(0, 40, (n, SIZE, SIZE, 3), dtype=np.uint8)
    images[np.arange(n), :, columns] = 255
    action = np.stack([LINE[0] + LINE[1] * columns, 0.3 - 0.02 * columns], axis=1).astype(np.float32)
    return Frames(
        state=rng.normal(size=(n, 2)).astype(np.float32),
        action=action,
        images={"front": images},
        episode_starts=np.arange(0, n + 1, length),
        tasks=["point at the column"],
        task_index=np.zeros(n, np.int64),
        fps=20,
        names={"observation.state": ["a", "b"], "action": ["a", "b"]},
    )


def tiny_spec(chunk_size=4, n_obs_steps=1):
    return PolicySpec(
        n_obs_steps, chunk_size, 20, ("a", "b"), ("a", "b"), (CameraShape("front", SIZE, SIZE),)
    )


def tiny_model(name="flow", **changes):
    config = ModelConfig(
        METHODS[name](),
        crop=0,
        encoder=EncoderConfig(channels=(8, 16), image_dim=16, state_dim=8, feature_dim=32),
        net=ChunkMLPConfig(width=64, n_blocks=2),
    )
    return replace(config, **changes)


def tiny_config(**changes):
    small = {"batch_size": 16, "learning_rate": 3e-3, "warmup_steps": 5, "ema_decay": 0.95, "threads": 1}
    return TrainConfig(**{**small, "held_out": 0.2, **changes})
