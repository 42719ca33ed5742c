"""Do the cameras fit through their USB links together?

A camera needs width * height * fps * bits a pixel. Every link on its way to the host carries all that
hang below it; of a link's speed, USB 2.0 lets 80 % (full speed: 90 %) be reserved for streams
(specification, 5.6.4). What a camera really reserves only its driver knows: MJPG's figure is typical.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from hardware.doctor.finding import Finding
from hardware.doctor.machine import Machine
from hardware.spec import CameraSpec

BITS_A_PIXEL = {"YUYV": 16, "UYVY": 16, "NV12": 12, "YU12": 12, "GREY": 8, "RGB3": 24, "BGR3": 24, "MJPG": 4}
UNKNOWN_BITS = 16
STREAM_SHARE, FULL_SPEED_SHARE = 0.8, 0.9
TIGHT = 0.75  # of what can be reserved: cameras round up


def check_usb_bandwidth(machine: Machine, cameras: Sequence[CameraSpec]) -> Iterator[Finding]:
    """One finding a link that is too full, or one ok for all; nothing where no camera is on USB."""
    needs: dict[str, dict[str, float]] = defaultdict(dict)  # link -> camera -> Mbit/s
    for camera in cameras:
        for link in links_of(machine, camera.source):
            needs[link][camera.name] = megabits(camera)
    told: set[tuple[str, ...]] = set()
    for link, by_camera in needs.items():
        speed = _number(machine.text(f"{link}/speed"))
        room = speed * (STREAM_SHARE if speed >= 480 else FULL_SPEED_SHARE)
        need, names = sum(by_camera.values()), tuple(by_camera)
        if need <= TIGHT * room or names in told:
            continue
        told.add(names)  # the narrowest link is nearest to the camera, or as narrow as it
        yield Finding(
            "wrong" if need > room else "warning",
            "USB bandwidth",
            f"{', '.join(f'{name} {mb:.0f}' for name, mb in by_camera.items())} Mbit/s through "
            f"{link.rpartition('/')[2]} ({_product(machine, link)}: {speed:g} Mbit/s, "
            f"{room:.0f} of it for streams)",
            _mend(cameras, names),
        )
    if needs and not told:
        total = sum({name: mb for by in needs.values() for name, mb in by.items()}.values())
        yield Finding("ok", "USB bandwidth", f"{total:.0f} Mbit/s in all, and room on every link")


def links_of(machine: Machine, source: str) -> list[str]:
    """The USB links of a camera device, from its own to the root hub's; none for what is no device."""
    if not source.startswith("/dev/"):
        return []
    device = machine.real(source).rpartition("/")[2]
    return machine.usb_devices_above(f"/sys/class/video4linux/{device}/device")


def megabits(camera: CameraSpec) -> float:
    """What its pictures need, in Mbit/s."""
    bits = BITS_A_PIXEL.get(camera.fourcc.upper(), UNKNOWN_BITS)
    return camera.width * camera.height * camera.fps * bits / 1e6


def _mend(cameras: Sequence[CameraSpec], names: Sequence[str]) -> str:
    raw = [c.name for c in cameras if c.name in names and c.fourcc.upper() != "MJPG"]
    if raw:
        return f"set fourcc: MJPG for {', '.join(raw)} in the spec"
    return (
        "give one a port of another USB controller (`lsusb -t` shows them), or a smaller width, height or fps"
    )


def _product(machine: Machine, link: str) -> str:
    return machine.text(f"{link}/product") or "hub"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 480.0
