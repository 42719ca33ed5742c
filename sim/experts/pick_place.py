"""The scripted demonstrator of PickPlace: no two of its episodes are alike."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from hardware.robot import ObjectPose
from hardware.spec import RobotSpec
from sim.errors import SimError
from sim.experts.contract import ExpertAction
from sim.experts.noise import EXECUTION_NOISE, Knock, SmoothNoise
from sim.experts.path import JointPath
from sim.geometry import yaw_of
from sim.kinematics import ToolKinematics

Vector = NDArray[np.float64]

OPEN, NARROW = 0.55, 0.45  # gripper before the grasp: 6 and 5 cm between the fingers
SQUEEZE = 0.08  # gripper goal on a cube of 3 cm, which stops it at about 0.16
MAX_ROLL = 1.75  # rad: grasp headings that turn the wrist further are not used
HOVER, CARRY = 0.050, 0.080  # m above the table: before the grasp, and over the bin's wall
RELEASE = 0.052  # the cube's underside is then just above the rim
SPEEDS = (1.7, 2.5)  # rad/s of the fastest joint between knots; the spec allows 3.5
EXPERT_STREAM = 1
ACCELERATION_SHARE = 0.6  # of what the spec allows: the SafetyFilter lets most goals pass as they are
KNOCK_SHARE = 0.2  # episodes in which the arm is pushed off its way and recovers
KNOCK_START_S = (0.2, 2.2)  # from the first approach to the release: a push may cost the grasp or the cube
PAUSE_SHARE = 0.15  # chance of a hesitation at each stage
MAX_STEP_S = 0.1  # a late call moves the path on by no more than this
SHIFT = 0.006  # m from the tool's centre to where the cube is taken
SETTLED, SETTLE_S = 0.04, 0.4  # rad, s: near enough to the grasp to close
MOVED = 0.012  # m: the cube was pushed, come again
EMPTY = 0.12  # a gripper closed further than this holds nothing
CALM = 0.25  # share of the execution noise that is left at the grasp
LAG = 0.25  # rad off the path at which the script waits for the arm to come back


class PickPlaceExpert:
    """Approach (from above, or in an arc from the side), grasp, carry, release; again if it failed."""

    def __init__(self, spec: RobotSpec, seed: int) -> None:
        self._spec = spec
        # Not the task's own stream, should somebody give both the same seed.
        arm = [joint.acceleration for joint in spec.joints if not joint.gripper]
        self._acceleration = ACCELERATION_SHARE * min(arm)
        self._rng = np.random.default_rng((seed, EXPERT_STREAM))
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
            self._knock = Knock(rng.uniform(*KNOCK_START_S), rng.uniform(0.3, 0.6), peak)
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
        with suppress(SimError):  # the cube rolled out of reach
            yield from self._pick_and_place()
        self._done = True

    def _pick_and_place(self) -> Iterator[Vector]:
        while not self._placed():
            yield from self._follow(self._approach(), self._cube_waits, calm_end=CALM)
            yield from self._settle()
            if not (self._cube_waits() and self._arrived()):
                continue
            yield from self._grip(SQUEEZE, 0.20)
            if self._state[self._gripper] < EMPTY:
                continue
            yield from self._follow(self._carry(), self._holding)
            if self._holding():
                yield from self._wait(0.05)
                yield from self._grip(OPEN, 0.20)
            self._calm = 1.0
        yield from self._follow(self._retreat())

    def _follow(
        self, path: JointPath, sane: Callable[[], bool] = lambda: True, calm_end: float = 1.0
    ) -> Iterator[Vector]:
        """Along the path while it is `sane`; the hand's noise falls to `calm_end` towards the end."""
        gone, calm = 0.0, self._calm
        pause_at = self._rng.uniform(0.1, 0.9) * path.duration
        pause = self._rng.uniform(0.1, 0.4) if self._rng.random() < PAUSE_SHARE else 0.0
        while gone < path.duration and sane():
            behind = np.abs(self._state - self._reference).max()
            pace = float(np.clip(2.0 - behind / LAG, 0.0, 1.0))
            if gone >= pause_at and pause > 0.0:
                pause -= self._dt
            else:
                gone += pace * self._dt
            self._calm = float(np.interp(gone / path.duration, (0.4, 0.9), (calm, calm_end)))
            yield path.at(gone)

    def _settle(self) -> Iterator[Vector]:
        """Until the arm is where the path ended, but no longer than `SETTLE_S`."""
        left = SETTLE_S
        while left > 0.0 and not self._arrived():
            left -= self._dt
            yield self._reference

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
        """To the cube by the first way, in random order, whose every point is within reach."""
        cube = np.array(self._objects["cube"].position)
        heading = self._grasp_heading()
        gripper = float(self._rng.choice([OPEN, NARROW]))
        # The gripper closes from one side: the cube waits nearer to the middle of the opening.
        self._aim = cube
        cube = cube - SHIFT * np.array([np.cos(heading), np.sin(heading), 0.0])
        grasp = self._solve(cube, heading, gripper)
        knots = [self._reference]
        if self._tool()[2] < HOVER:
            knots.append(self._solve(self._tool() + np.array([0, 0, HOVER]), heading, gripper))
        over = self._rng.uniform(0.9, 1.2) * HOVER
        side = self._rng.uniform(0.04, 0.06) * np.array([-np.sin(heading), np.cos(heading), 0.0])
        up = np.array([0.0, 0.0, over])
        # In an arc along the fingers' faces, so that the cube passes between them, or straight from above.
        ways = [(up + side, 0.55 * (up + side)), (up - side, 0.55 * (up - side)), (up, 0.5 * up)]
        for way in self._rng.choice(3, size=3, replace=False, p=[0.25, 0.25, 0.5]):
            try:
                between = [self._solve(cube + offset, heading, gripper) for offset in ways[way]]
            except SimError:
                continue
            return self._path([*knots, *between, grasp])
        raise SimError("grasp: no way to the cube is within reach")

    def _carry(self) -> JointPath:
        here, place = self._tool(), np.array(self._objects["bin"].position)
        aim = (*self._rng.uniform(-0.012, 0.012, 2), self._rng.uniform(1.0, 1.2) * RELEASE)
        goal = place + np.array(aim)
        height = self._rng.uniform(1.0, 1.3) * CARRY
        heading = self._heading(self._reference)
        turned = heading + self._rng.uniform(-0.5, 0.5)
        middle = self._kinematics.between(here, goal)
        points = [(here, heading, height - 0.02), (middle, turned, height), (goal, turned, height)]
        knots = [self._reference]
        for (x, y, _), yaw, z in points:
            knots.append(self._solve([x, y, z], yaw, SQUEEZE))
        knots.append(self._solve(goal, turned, SQUEEZE))
        return self._path(knots)

    def _retreat(self) -> JointPath:
        tool = self._tool() + np.array([0, 0, 0.05])
        above = self._solve(tool, self._heading(self._reference), OPEN)
        return self._path([self._reference, above])

    def _path(self, knots: list[Vector]) -> JointPath:
        return JointPath(knots, self._speed, self._acceleration)

    def _solve(self, position: Vector | Sequence[float], heading: float, gripper: float) -> Vector:
        return self._kinematics.looking_down(position, heading, gripper)

    # -- what it sees -----------------------------------------------------------------------

    def _tool(self) -> Vector:
        return self._kinematics.tool_position(self._reference)

    def _heading(self, joints: Vector) -> float:
        """Where the tool's z axis points when the tool looks down."""
        return self._kinematics.heading(joints)

    def _grasp_heading(self) -> float:
        """One of the cube's four face directions that the wrist can reach without turning far."""
        cube = self._objects["cube"]
        straight = self._solve(cube.position, 0.0, OPEN)
        level = -straight[self._roll]  # the heading at which the wrist is not turned at all
        yaw = yaw_of(cube.quaternion)
        turns = (yaw + np.arange(4) * np.pi / 2 - level + np.pi) % (2 * np.pi) - np.pi
        near = turns[np.abs(turns) < MAX_ROLL]
        return float(level + self._rng.choice(near))

    def _arrived(self) -> bool:
        off = np.abs(self._state - self._reference)
        off[self._gripper] = 0.0
        return bool(off.max() < SETTLED)

    def _cube_waits(self) -> bool:
        """The cube is still where the approach goes."""
        return bool(np.linalg.norm(np.array(self._objects["cube"].position) - self._aim) < MOVED)

    def _holding(self) -> bool:
        cube = np.array(self._objects["cube"].position)
        return bool(np.linalg.norm(cube - self._kinematics.tool_position(self._state)) < 0.04)

    def _placed(self) -> bool:
        cube, place = self._objects["cube"], self._objects["bin"]
        x, y, _ = np.abs(np.array(cube.position) - np.array(place.position))
        free = self._state[self._gripper] > 0.3
        return bool(max(x, y) < place.size[0] / 2 and cube.position[2] < place.size[2] and free)
