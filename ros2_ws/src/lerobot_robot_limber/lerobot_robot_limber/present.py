"""The arm that this process drives now: LeRobot asks a teleoperator for goals, and tells it no state."""

from lerobot_robot_limber.drive import Drive

_drives: list[Drive] = []


def enter(drive: Drive) -> None:
    _drives.append(drive)


def leave(drive: Drive) -> None:
    """May be called twice."""
    if drive in _drives:
        _drives.remove(drive)


def arm(joint_names: tuple[str, ...]) -> Drive | None:
    """The connected arm with these joints, the last one if there are several; None: there is none."""
    return next((drive for drive in reversed(_drives) if drive.spec.joint_names == joint_names), None)
