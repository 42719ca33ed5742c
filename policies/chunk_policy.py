"""A `Policy` around a `ChunkModel`: checks the context, encodes it once, samples a chunk."""

import numpy as np
import torch
from numpy.typing import NDArray

from policies.contracts import Array, Context, PolicySpec
from policies.errors import PolicyError
from policies.method import CleanPrefix
from policies.model import ChunkModel


class ChunkPolicy:
    """Runs a trained model on one observation window at a time."""

    def __init__(self, model: ChunkModel, device: str = "cpu", seed: int = 0) -> None:
        self.model = model.to(device).eval().requires_grad_(False)
        self._device = device
        self._seed = seed
        self._generator = np.random.default_rng(seed)

    @property
    def spec(self) -> PolicySpec:
        return self.model.spec

    def reset(self) -> None:
        """Start the noise anew, so that an episode can be repeated."""
        self._generator = np.random.default_rng(self._seed)

    def predict_chunk(self, context: Context) -> Array:
        """(chunk_size, action_dim) float32 in rad; `PolicyError` when the context does not fit."""
        self._check(context)
        spec, method = self.spec, self.model.config.method
        generator = context.generator or self._generator
        noise = generator.standard_normal((spec.chunk_size, spec.action_dim), dtype=np.float32)
        with torch.inference_mode():
            images = {
                name: self._tensor(centre_crop(context.images[name], self.model.config.crop))
                for name in spec.camera_names
            }
            features = self.model.features(images, self._tensor(context.state))
            chunk = method.sample(
                self.model.net, features, self._tensor(noise), self._prefix(context), context.knobs
            )
            actions: Array = self.model.action_normalizer.inverse(chunk)[0].cpu().numpy()
        return actions

    def _prefix(self, context: Context) -> CleanPrefix | None:
        """The points that are fixed already: what is planned for the first d steps."""
        if context.prefix is None:
            return None
        length = min(context.prefix.inference_delay, len(context.prefix.actions), self.spec.chunk_size)
        if length <= 0:
            return None
        actions = self._tensor(np.asarray(context.prefix.actions[:length], np.float32))
        return CleanPrefix(self.model.action_normalizer(actions), length)

    def _tensor(self, array: NDArray[np.generic]) -> torch.Tensor:
        """With a batch axis of one, on the model's device."""
        return torch.from_numpy(np.ascontiguousarray(array)).unsqueeze(0).to(self._device)

    def _check(self, context: Context) -> None:
        spec = self.spec
        expected = (spec.n_obs_steps, len(spec.state_names))
        if context.state.shape != expected:
            raise PolicyError(f"observation.state: expected shape {expected}, got {context.state.shape}")
        if not np.isfinite(context.state).all():
            raise PolicyError("observation.state: expected finite values, got NaN or infinity")
        for camera in spec.cameras:
            if camera.name not in context.images:
                got = " ".join(context.images) or "none"
                raise PolicyError(f"cameras: expected [{' '.join(spec.camera_names)}], got [{got}]")
            shape = (spec.n_obs_steps, camera.height, camera.width, 3)
            image = context.images[camera.name]
            if image.shape != shape or image.dtype != np.uint8:
                raise PolicyError(
                    f"camera {camera.name!r}: expected uint8 {shape}, got {image.dtype} {image.shape}"
                )


def centre_crop(images: NDArray[np.uint8], crop: int) -> NDArray[np.uint8]:
    """(..., H, W, 3) -> (..., H - crop, W - crop, 3), cut equally on all sides."""
    if crop == 0:
        return images
    first, last = crop // 2, crop - crop // 2
    return images[..., first:-last, first:-last, :]


def random_crop(
    images: NDArray[np.uint8], crop: int, rng: np.random.Generator, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """(B, T, H, W, 3) -> (B, T, H - crop, W - crop, 3), cut elsewhere for each of B.

    By slices: copying rows is four times faster than gathering pixels with index arrays.
    """
    batch, steps, height, width, channels = images.shape
    h, w = height - crop, width - crop
    if out is None:
        out = np.empty((batch, steps, h, w, channels), np.uint8)
    corners = rng.integers(0, crop + 1, (batch, 2)).tolist()
    for i, (top, left) in enumerate(corners):
        out[i] = images[i, :, top : top + h, left : left + w]
    return out
