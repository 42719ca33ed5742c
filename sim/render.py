"""Pictures from a snapshot of the physics: in this process on demand, or in another one."""

from collections.abc import Iterator, Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from hardware.errors import unknown
from hardware.robot import Image
from hardware.spec import CameraSpec
from sim.errors import SimError

State = NDArray[np.float64]

# What a picture depends on: where everything is. Velocities and forces do not show.
RENDER_STATE = int(mujoco.mjtState.mjSTATE_QPOS | mujoco.mjtState.mjSTATE_MOCAP_POS) | int(
    mujoco.mjtState.mjSTATE_MOCAP_QUAT
)


def take_state(model: mujoco.MjModel, data: mujoco.MjData) -> State:
    """A copy (n,) of what `CameraRenderer.render` needs of the present instant."""
    state = np.empty(mujoco.mj_stateSize(model, RENDER_STATE))
    mujoco.mj_getState(model, data, state, RENDER_STATE)
    return state


class CameraRenderer:
    """Renders a scene's cameras; the OpenGL context belongs to the thread of the first picture."""

    def __init__(self, model: mujoco.MjModel, cameras: Sequence[CameraSpec]) -> None:
        self._model = model
        self._data = mujoco.MjData(model)
        self._cameras = {camera.name: camera for camera in cameras}
        self._renderers: dict[tuple[int, int], mujoco.Renderer] = {}

    def render(self, camera: str, state: State) -> Image:
        """The picture (H, W, 3) RGB that `camera` takes of `state`."""
        if camera not in self._cameras:
            raise SimError(unknown("camera", camera, self._cameras))
        spec = self._cameras[camera]
        renderer = self._renderer(spec.width, spec.height)
        mujoco.mj_setState(self._model, self._data, state, RENDER_STATE)
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        renderer.update_scene(self._data, camera)
        image: Image = renderer.render()
        return image

    def close(self) -> None:
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _renderer(self, width: int, height: int) -> mujoco.Renderer:
        if (width, height) not in self._renderers:
            renderer = mujoco.Renderer(self._model, height, width)
            for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                renderer.scene.flags[flag] = 0
            self._renderers[width, height] = renderer
        return self._renderers[width, height]


class Frame:
    """One camera's picture of one instant, rendered when it is first looked at, and once."""

    def __init__(self, renderer: CameraRenderer, camera: str, stamp_ns: int, state: State) -> None:
        self.stamp_ns = stamp_ns
        self._renderer, self._camera, self._state = renderer, camera, state
        self._image: Image | None = None

    @property
    def image(self) -> Image:
        if self._image is None:
            self._image = self._renderer.render(self._camera, self._state)
        return self._image


class LazyImages(Mapping[str, Image]):
    """Camera -> picture of its frame."""

    def __init__(self, frames: Mapping[str, Frame]) -> None:
        self._frames = dict(frames)

    def __getitem__(self, camera: str) -> Image:
        return self._frames[camera].image

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)
