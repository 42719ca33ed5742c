"""A raw log as arrays in robot time and in the spec's joint order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hardware.errors import LimberError
from hardware.spec import RobotSpec, spec_from_dict
from policies.data import cdr
from policies.data.raw_log import EPISODE, RESULT
from policies.data.raw_log_reader import RawLog, TopicLog
from policies.data.resample import Series, Stamps, ordered
from policies.errors import DatasetError


@dataclass(frozen=True)
class CameraStream:
    """Encoded pictures with the time of each exposure and of its arrival (wall clock), in ns."""

    stamps: Stamps
    arrivals: Stamps
    pictures: list[memoryview]


@dataclass(frozen=True)
class Streams:
    """One episode. `steps` are the step boundaries; `person` the teleoperation's commands, if any.

    success: None when nobody said. arrivals (J,): wall time at which each
    joint state had come.
    """

    spec: RobotSpec
    task: str
    operator: str
    success: bool | None
    joints: Series
    arrivals: Stamps
    sent: Series
    person: Series | None
    steps: Stamps
    cameras: dict[str, CameraStream]


def read_streams(log: RawLog) -> Streams:
    """Sort a log by stamps. `DatasetError` for a log without what an episode needs."""
    info = log.metadata.get(EPISODE, {})
    spec = _spec(log)
    states = _required(log, "joint_states")
    stamps, positions = _joints(states, spec, log)
    joints = ordered(stamps, positions)
    arrived = ordered(stamps, states.log_time_array.astype(np.float64)[:, None]).values[:, 0]
    arrivals = np.maximum.accumulate(arrived).astype(np.int64)
    person_log = log.topic("teleop/joint_command")
    person = None
    if person_log is not None and len(person_log):
        person = _person(person_log, spec, log, joints, arrivals)
    plans = log.topic("planned_action")
    return Streams(
        spec=spec,
        task=info.get("task", ""),
        operator=info.get("operator", ""),
        success=_success(log),
        joints=joints,
        arrivals=arrivals,
        sent=ordered(*_joints(_required(log, "executed_action"), spec, log)),
        person=person,
        steps=cdr.stamps_ns(plans.payloads) if plans is not None else np.zeros(0, np.int64),
        cameras={name: _camera(log, name) for name in spec.camera_names},
    )


def robot_time_at(arrivals: Stamps, stamps: Stamps, wall: Stamps) -> Stamps:
    """Robot time (K,) at wall times (K,), read off the joint states that had arrived by then."""
    zero, start = arrivals[0], stamps[0]
    x, xp = (wall - zero).astype(np.float64), (arrivals - zero).astype(np.float64)
    found: Stamps = start + np.rint(np.interp(x, xp, (stamps - start).astype(np.float64))).astype(np.int64)
    return found


def _person(topic: TopicLog, spec: RobotSpec, log: RawLog, joints: Series, arrivals: Stamps) -> Series:
    """Commands at their own stamps; at their arrival when another machine's clock stamped them."""
    stamps, goals = _joints(topic, spec, log)
    slack = 1_000_000_000
    inside = (stamps >= joints.stamps[0] - slack) & (stamps <= joints.stamps[-1] + slack)
    if not inside.all():
        stamps = robot_time_at(arrivals, joints.stamps, topic.log_time_array)
    return ordered(stamps, goals)


def _spec(log: RawLog) -> RobotSpec:
    try:
        return spec_from_dict(json.loads(log.metadata[EPISODE]["robot"]))
    except (KeyError, ValueError, TypeError, LimberError):
        raise DatasetError(f"expected a robot spec in {EPISODE!r} of {log.path}, found none") from None


def _required(log: RawLog, name: str) -> TopicLog:
    topic = log.topic(name)
    if topic is None or len(topic) == 0:
        raise DatasetError(f"expected messages of {name!r} in {log.path}, found none")
    return topic


def _joints(topic: TopicLog, spec: RobotSpec, log: RawLog) -> tuple[Stamps, NDArray[np.float64]]:
    stamps, names, positions = cdr.joint_series(topic.payloads)
    if sorted(names) != sorted(spec.joint_names):
        raise DatasetError(
            f"expected joints {' '.join(spec.joint_names)} in {topic.topic} of {log.path}, "
            f"got {' '.join(names)}"
        )
    return stamps, positions[:, [names.index(name) for name in spec.joint_names]]


def _camera(log: RawLog, name: str) -> CameraStream:
    topic = _required(log, f"{name}/image_raw/compressed")
    parsed = [cdr.compressed_image(p) for p in topic.payloads]
    stamps = np.array([p[0] for p in parsed], dtype=np.int64)
    unique, index = np.unique(stamps, return_index=True)
    return CameraStream(unique, topic.log_time_array[index], _pick([p[2] for p in parsed], index))


def _pick(items: Sequence[memoryview], index: NDArray[np.intp]) -> list[memoryview]:
    return [items[i] for i in index]


def _success(log: RawLog) -> bool | None:
    """The label given when the episode was saved, else the task's own last word."""
    label = log.metadata.get(RESULT, {}).get("success", "unknown")
    if label in ("true", "false"):
        return label == "true"
    said = log.topic("task/success")
    return cdr.boolean(said.payloads[-1]) if said is not None and len(said) else None
