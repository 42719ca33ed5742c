"""What every policy of this room is made of: encoder, chunk network, normalisers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import Generator, Tensor, nn

from policies.contracts import PolicySpec
from policies.errors import PolicyError
from policies.method import Method
from policies.nets.chunk_mlp import ChunkMLP, ChunkMLPConfig
from policies.nets.encoders import EncoderConfig, ObservationEncoder
from policies.normalization import FeatureStats, Mode, Normalizer
from policies.table import method_class, method_name


@dataclass(frozen=True)
class ModelConfig:
    """A method with its networks. What to train it with is in `policies/train.py`."""

    method: Method
    use_state: bool = False
    """Joint state as an input beside the pixels. It can be a trap: the policy then copies the
    joints and looks less (measured in tests/benchmarks/bench_pickplace.py)."""
    crop: int = 8
    """Pixels cut off each picture's height and width: anywhere in training, the middle in use."""
    normalization: Mode = "min-max"
    """Of actions and joint state."""
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    net: ChunkMLPConfig = field(default_factory=ChunkMLPConfig)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "method": {"name": method_name(self.method), **asdict_of(self.method)}}


def asdict_of(method: Method) -> dict[str, Any]:
    """A method's options; every method is a dataclass."""
    return asdict(method)  # type: ignore[call-overload,no-any-return]


def model_config_from_dict(data: Mapping[str, Any]) -> ModelConfig:
    """The inverse of `ModelConfig.to_dict`; `PolicyError` for a method or option that is not there."""
    try:
        options = dict(data["method"])
        method = method_class(options.pop("name"))(**options)
        encoder = dict(data["encoder"])
        encoder["channels"] = tuple(encoder["channels"])
        return ModelConfig(
            method=method,
            use_state=data["use_state"],
            crop=data["crop"],
            normalization=data["normalization"],
            encoder=EncoderConfig(**encoder),
            net=ChunkMLPConfig(**data["net"]),
        )
    except (KeyError, TypeError) as error:
        raise PolicyError(f"model configuration: {error}") from None


class ChunkModel(nn.Module):
    """Trainable part of a policy; its state dict is `model.safetensors`."""

    def __init__(self, config: ModelConfig, spec: PolicySpec, stats: Mapping[str, FeatureStats]) -> None:
        """stats: `observation.state` and `action`."""
        super().__init__()
        for camera in spec.cameras:
            if min(camera.height, camera.width) - config.crop < 16:
                raise PolicyError(
                    f"camera {camera.name!r}: expected at least {config.crop + 16} px with crop "
                    f"{config.crop}, got {camera.width}x{camera.height}"
                )
        cropped = [
            replace(c, height=c.height - config.crop, width=c.width - config.crop) for c in spec.cameras
        ]
        self.config = config
        self.spec = spec
        self.stats = dict(stats)
        self.encoder = ObservationEncoder(
            config.encoder, cropped, spec.n_obs_steps, len(spec.state_names), config.use_state
        )
        self.net = ChunkMLP(config.net, spec.chunk_size, spec.action_dim, config.encoder.feature_dim)
        self.state_normalizer = Normalizer(stats["observation.state"], config.normalization)
        self.action_normalizer = Normalizer(stats["action"], config.normalization)

    def features(self, images: Mapping[str, Tensor], state: Tensor) -> Tensor:
        """images: camera -> cropped uint8 (B, n_obs, h, w, 3); state (B, n_obs, n) rad -> (B, D)."""
        out: Tensor = self.encoder(images, self.state_normalizer(state))
        return out

    def loss(
        self, images: Mapping[str, Tensor], state: Tensor, actions: Tensor, generator: Generator
    ) -> Tensor:
        """The method's loss for demonstrated actions (B, H, A) in rad."""
        features = self.features(images, state)
        return self.config.method.loss(self.net, features, self.action_normalizer(actions), generator)
