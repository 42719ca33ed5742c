"""`python -m hardware robots`"""

from dataclasses import dataclass

from hardware.spec import load_spec, robot_names


@dataclass(frozen=True)
class Robots:
    """List the robots whose specs are shipped."""

    def run(self) -> None:
        for name in robot_names():
            spec = load_spec(name)
            cameras = ", ".join(spec.camera_names) or "none"
            print(f"{name:22} {spec.n_joints} joints, cameras: {cameras}. {spec.description}")
