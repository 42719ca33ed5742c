"""The scripted demonstrator of PickPlace: no two of its episodes are alike."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from hardware.robot import ObjectPose
from hardware.spec import RobotSpec
from sim.experts.contract import ExpertAction
from sim.experts.noise import EXECUTION_NOISE, Knock, SmoothNoise
from sim.experts.path import JointPath
from sim.geometry import yaw_of
from sim.kinematics import ToolKinematics

Vector = NDArray[np.float64]

OPEN, NARROW = 0.50, 0.38  # gripper before the grasp: 5 cm and 4 cm between the fingers
SQUEEZE = 0.05  # gripper goal on a cube of 3 cm, which stops it at about 0.16
MAX_ROLL = 1.75  # rad: grasp headings that turn the wrist further are not used
HOVER, CARRY = 0.050, 0.080  # m above the table: before the grasp, and over the bin's wall
RELEASE = 0.052  # the cube's underside is then just above the rim
SPEEDS = (1.7, 2.5)  # rad/s of the fastest joint between knots; the spec allows 3.5
KNOCK_SHARE = 0.2  # episodes in which the arm is pushed off its way and recovers
PAUSE_SHARE = 0.15  # chance of a hesitation at each stage
MAX_STEP_S = 0.1  # a late call moves the path on by no more than this
LAG = 0.25  # rad off the path at which the script waits for the arm to come back


class PickPlaceExpert:
    """Approach (from above, or in an arc from the side), grasp, carry, release; again if it failed."""

    def __init__(self, spec: RobotSpec, seed: int) -> None:
        self._spec = spec
        self._rng = np.random.default_rng(seed)
        self._kinematics = ToolKinematics(spec)
        self._gripper = next(i for i, joint in enumerate(spec.joints) if joint.gripper)
        self._roll = spec.joint_names.index("wrist_roll")
        self._done = True

    def reset(self, objects: Mapping[str, ObjectPose], state: NDArray[np.floating]) -> None:
        rng = self._rng
        self._objects, self._state = objects, np.asarray(state, dtype=np.float64)
        self._reference = self._state.copy()  # the path, before gravity is made up for
        self._time: float | None = None
        self._elapsed = self._dt = 0.0
        self._done = False
        self._speed = rng.uniform(*SPEEDS)
        scale = np.full(self._spec.n_joints, EXECUTION_NOISE)
        scale[self._gripper] = 0.0
        self._noise = SmoothNoise(scale, rng)
        self._calm = 1.0
        self._knock: Knock | None = None
        if rng.random() < KNOCK_SHARE:
            peak = rng.uniform(0.15, 0.3, self._spec.n_joints) * rng.choice([-1.0, 1.0], self._spec.n_joints)
            peak[self._gripper] = 0.0
            self._knock = Knock(rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.5), peak)
        self._script = self._play()

    @property
    def done(self) -> bool:
        return self._done

    def act(
        self, state: NDArray[np.floating], objects: Mapping[str, ObjectPose], time_s: float
    ) -> ExpertAction:
        last = time_s - self._spec.action_dt if self._time is None else self._time
        self._dt = float(np.clip(time_s - last, 0.0, MAX_STEP_S))
        self._time = time_s
        self._elapsed += self._dt
        self._state, self._objects = np.asarray(state, dtype=np.float64), objects
        self._reference = next(self._script, self._reference)
        goal = self._reference + self._kinematics.sag(self._reference)
        goal[self._gripper] = self._reference[self._gripper]
        goal = np.clip(goal, self._spec.joint_array("lower"), self._spec.joint_array("upper"))
        correction = self._calm * self._noise.step(self._dt)
        if self._knock is not None:
            correction = correction + self._knock.at(self._elapsed)
        return ExpertAction(goal, correction)

    # -- the script: every yield is the reference of one action step --------------------------

    def _play(self) -> Iterator[Vector]:
        while not self._placed():
            yield from self._follow(self._approach())
            self._calm = 0.3
            yield from self._wait(0.08)
            yield from self._grip(SQUEEZE, 0.20)
            yield from self._follow(self._carry())
            if self._holding():
                yield from self._wait(0.05)
                yield from self._grip(OPEN, 0.20)
            self._calm = 1.0
        yield from self._follow(self._retreat())
        self._done = True

    def _follow(self, path: JointPath) -> Iterator[Vector]:
        gone = 0.0
        pause_at = self._rng.uniform(0.1, 0.9) * path.duration
        pause = self._rng.uniform(0.1, 0.4) if self._rng.random() < PAUSE_SHARE else 0.0
        while gone < path.duration:
            behind = np.abs(self._state - self._reference).max()
            pace = float(np.clip(2.0 - behind / LAG, 0.0, 1.0))
            if gone >= pause_at and pause > 0.0:
                pause -= self._dt
            else:
                gone += pace * self._dt
            yield path.at(gone)

    def _wait(self, seconds: float) -> Iterator[Vector]:
        if self._rng.random() < PAUSE_SHARE:
            seconds += self._rng.uniform(0.1, 0.4)
        while seconds > 0.0:
            seconds -= self._dt
            yield self._reference

    def _grip(self, goal: float, seconds: float) -> Iterator[Vector]:
        start, gone = self._reference.copy(), 0.0
        while gone < seconds:
            gone += self._dt
            reference = start.copy()
            share = min(1.0, gone / seconds)
            reference[self._gripper] += share * (goal - start[self._gripper])
            yield reference

    # -- paths ------------------------------------------------------------------------------

    def _approach(self) -> JointPath:
        cube = np.array(self._objects["cube"].position)
        heading = self._grasp_heading()
        grasp = self._solve(cube, heading, self._reference, self._rng.choice([OPEN, NARROW]))
        knots = [self._reference]
        if self._tool_height() < HOVER - 0.03:
            knots.append(self._solve(self._tool() + [0, 0, HOVER], heading, grasp, OPEN))
        if self._rng.random() < 0.5:  # from above
            over = self._rng.uniform(0.9, 1.2) * HOVER
            offsets = [(0.0, 0.0, over), (0.0, 0.0, 0.5 * over)]
        else:  # in an arc, along the fingers' faces so that the cube passes between them
            side = self._rng.choice([-1.0, 1.0]) * self._rng.uniform(0.04, 0.06)
            x, y = -side * np.sin(heading), side * np.cos(heading)
            offsets = [(x, y, 0.9 * HOVER), (0.55 * x, 0.55 * y, 0.5 * HOVER)]
        knots += [self._solve(cube + offset, heading, grasp, grasp[self._gripper]) for offset in offsets]
        return JointPath([*knots, grasp], self._speed)

    def _carry(self) -> JointPath:
        here, place = self._tool(), np.array(self._objects["bin"].position)
        goal = place + [*self._rng.uniform(-0.012, 0.012, 2), self._rng.uniform(1.0, 1.2) * RELEASE]
        height = self._rng.uniform(1.0, 1.3) * CARRY
        heading = self._heading(self._reference)
        turned = heading + self._rng.uniform(-0.5, 0.5)
        middle = 0.5 * (here + goal)
        points = [(here, heading, height - 0.02), (middle, turned, height), (goal, turned, height)]
        knots = [self._reference]
        for (x, y, _), yaw, z in points:
            knots.append(self._solve([x, y, z], yaw, knots[-1], SQUEEZE))
        knots.append(self._solve(goal, turned, knots[-1], SQUEEZE))
        return JointPath(knots, self._speed)

    def _retreat(self) -> JointPath:
        above = self._solve(
            self._tool() + [0, 0, 0.05], self._heading(self._reference), self._reference, OPEN
        )
        return JointPath([self._reference, above], self._speed)

    def _solve(self, position: Vector | list[float], heading: float, near: Vector, gripper: float) -> Vector:
        joints = self._kinematics.looking_down(position, heading, near)
        joints[self._gripper] = gripper
        return joints

    # -- what it sees -----------------------------------------------------------------------

    def _tool(self) -> Vector:
        return self._kinematics.tool_position(self._reference)

    def _tool_height(self) -> float:
        return float(self._tool()[2])

    def _heading(self, joints: Vector) -> float:
        """Where the tool's z axis points when the tool looks down."""
        return self._kinematics.heading(joints)

    def _grasp_heading(self) -> float:
        """One of the cube's four face directions that the wrist can reach without turning far."""
        cube = self._objects["cube"]
        straight = self._solve(cube.position, 0.0, self._reference, OPEN)
        level = -straight[self._roll]  # the heading at which the wrist is not turned at all
        yaw = yaw_of(cube.quaternion)
        turns = (yaw + np.arange(4) * np.pi / 2 - level + np.pi) % (2 * np.pi) - np.pi
        near = turns[np.abs(turns) < MAX_ROLL]
        return float(level + self._rng.choice(near))

    def _holding(self) -> bool:
        cube = np.array(self._objects["cube"].position)
        return bool(np.linalg.norm(cube - self._kinematics.tool_position(self._state)) < 0.04)

    def _placed(self) -> bool:
        cube, place = self._objects["cube"], self._objects["bin"]
        x, y, _ = np.abs(np.array(cube.position) - np.array(place.position))
        free = self._state[self._gripper] > 0.3
        return bool(max(x, y) < place.size[0] / 2 and cube.position[2] < place.size[2] and free)
