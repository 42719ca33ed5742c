"""Checkpoints that have learned nothing: right in shape and size, quick to make."""

from pathlib import Path

import numpy as np
import torch

from hardware.spec import RobotSpec
from policies.checkpoint import save_checkpoint
from policies.contracts import policy_spec
from policies.model import ChunkModel, ModelConfig
from policies.normalization import FeatureStats
from policies.table import METHODS


def untrained_checkpoint(folder: Path, robot: RobotSpec, chunk_size: int = 16, seed: int = 0) -> Path:
    """A flow policy of the usual size for `robot` whose chunks stay within 0.3 rad of the rest pose."""
    torch.manual_seed(seed)
    rest = robot.joint_array("rest")
    reach = np.stack([rest - 0.3, rest + 0.3]).clip(robot.joint_array("lower"), robot.joint_array("upper"))
    stats = FeatureStats.of(reach.astype(np.float32))
    config = ModelConfig(METHODS["flow"]())
    model = ChunkModel(config, policy_spec(robot, chunk_size), {"action": stats, "observation.state": stats})
    save_checkpoint(folder, model, robot, {"note": "untrained"})
    return folder
