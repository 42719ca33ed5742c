"""The safety chain's kinematics are those of the simulated arm."""

import mujoco
import numpy as np

from hardware.kinematics import TOOL, load_kinematics
from hardware.spec import load_spec
from sim.models import load_arm


def test_links_are_where_the_simulation_has_them(monkeypatch):
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    spec = load_spec("so101")
    kinematics = load_kinematics("so101", spec.joint_names)
    model = load_arm("so101").compile()
    data = mujoco.MjData(model)
    poses = np.random.default_rng(0).uniform(
        spec.joint_array("lower"), spec.joint_array("upper"), (20, spec.n_joints)
    )
    frames = kinematics.frames(poses)
    base = model.body("base").id
    for pose, frame in zip(poses, frames, strict=True):
        for name, angle in zip(spec.joint_names, pose, strict=True):
            data.joint(name).qpos[0] = angle
        mujoco.mj_kinematics(model, data)
        turn, origin = data.xmat[base].reshape(3, 3), data.xpos[base]
        for body in range(base + 1, model.nbody):
            link = frame[kinematics.index(f"{model.body(body).name}_link")]
            np.testing.assert_allclose(link[:3, 3], turn.T @ (data.xpos[body] - origin), atol=1e-7)
            np.testing.assert_allclose(link[:3, :3], turn.T @ data.xmat[body].reshape(3, 3), atol=1e-7)
        tool = turn.T @ (data.site("tool").xpos - origin)
        np.testing.assert_allclose(frame[kinematics.index(TOOL)][:3, 3], tool, atol=1e-7)
