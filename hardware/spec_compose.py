"""Several arms in one spec: `compose: {left: so101, right: so101}`.

Their joints, cameras and buses stand behind one another, the arm's name in front of each: left_gripper,
left_wrist. A bus is called after its arm. One loop drives them all, and what goes wrong with one stops
all. Each is calibrated, and can be driven, alone: `so101_pair:left` is the arm without its prefix.
"""

from collections.abc import Callable

from hardware.errors import SpecError, unknown
from hardware.spec_yaml import NAME, Located

RATES = ("control_hz", "action_hz")


def composed(root: Located, load: Callable[[Located, str], Located]) -> Located:
    """`root` over the arms that it composes, its `ports` given to its buses.

    `load(mapping, key)` is the shipped spec that a key names.
    """
    if root.has("compose"):
        root = root.over(_arms(root.mapping("compose"), load, [key for key in RATES if not root.has(key)]))
    return root.given(buses=_wired(root)).over(root) if root.has("ports") else root


def arm_of(root: Located, name: str, arm: str, load: Callable[[Located, str], Located]) -> Located:
    """One arm of the composed `root`, which was asked for as `name`, as a robot of its own."""
    if not root.has("compose"):
        raise SpecError(f"robot {name!r} is one arm and has no arm {arm!r}; write {name}")
    arms = root.mapping("compose")
    if arm not in arms.keys:
        raise SpecError(unknown("arm", f"{name}:{arm}", [f"{name}:{a}" for a in arms.keys]))
    base, prefix = load(arms, arm), f"{arm}_"

    def own(key: str) -> list[Located]:
        items = [i for i in root.items(key, optional=True) if i.text("name").startswith(prefix)]
        return [i.given(name=i.text("name").removeprefix(prefix)).over(i) for i in items]

    buses = [
        bus.given(
            servos=[s.given(joint=s.text("joint").removeprefix(prefix)).over(s) for s in bus.items("servos")]
        ).over(bus)
        for bus in root.items("buses", optional=True)
        if bus.text("name") == arm or bus.text("name").startswith(prefix)
    ]
    return root.given(
        name=f"{root.text('name')}_{arm}",
        description=f"the {arm} arm of {root.text('name')}",
        driver=root.text("driver", "sim"),
        model=base.text("model", base.text("name")),
        joints=own("joints"),
        cameras=own("cameras"),
        buses=buses,
    ).over(base)


def _arms(arms: Located, load: Callable[[Located, str], Located], rates: list[str]) -> Located:
    """Joints, cameras and buses of all, and the `rates` that they have in common."""
    bases = {arm: load(arms, arm) for arm in arms.keys}
    joints: list[Located] = []
    cameras: list[Located] = []
    buses: list[Located] = []
    for arm, base in bases.items():
        if not NAME.fullmatch(arm):
            raise arms.error(arm, f"compose: expected a letter, then letters, digits or _, got {arm!r}")
        if base.has("compose"):
            raise arms.error(arm, f"compose: expected one arm, {base.text('name')!r} has several")
        joints += [_prefixed(joint, "name", arm) for joint in base.items("joints")]
        cameras += [_camera(camera, arm) for camera in base.items("cameras", optional=True)]
        found = base.items("buses", optional=True)
        for bus in found:
            servos = [_prefixed(servo, "joint", arm) for servo in bus.items("servos")]
            name = arm if len(found) == 1 else f"{arm}_{bus.text('name')}"
            buses.append(bus.given(name=name, servos=servos).over(bus))
    if not bases:
        raise arms.error("", "compose: expected arms, as {left: so101, right: so101}")
    made = arms.given(joints=joints, cameras=cameras, buses=buses)
    for key in rates:
        hz = {arm: base.positive_int(key) for arm, base in bases.items() if base.has(key)}
        if len(set(hz.values())) > 1:
            raise arms.error("", f"compose: {key} differs ({hz}); say which one the robot is to have")
        if hz:
            made = made.over(arms.given(**{key: next(iter(hz.values()))}))
    return made


def _camera(camera: Located, arm: str) -> Located:
    renamed = _prefixed(camera, "name", arm)
    return _prefixed(renamed, "frame", arm) if camera.has("frame") else renamed


def _prefixed(item: Located, key: str, arm: str) -> Located:
    return item.given(**{key: f"{arm}_{item.text(key)}"}).over(item)


def _wired(root: Located) -> list[Located]:
    """The buses, on the ports that `ports: {bus: port}` says."""
    ports, buses = root.mapping("ports"), root.items("buses", optional=True)
    names = [bus.text("name") for bus in buses]
    for name in ports.keys:
        if name not in names:
            raise ports.error(name, unknown("bus", name, names))
    return [
        bus.given(port=ports.text(name)).over(bus) if name in ports.keys else bus
        for name, bus in zip(names, buses, strict=True)
    ]
