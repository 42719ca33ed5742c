"""Do all servos of a model have the same firmware?"""

from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.servos import Seen, listed


def check_firmware(seen: list[Seen]) -> Iterator[Finding]:
    """What they have; a difference is worth knowing when they behave differently."""
    for model in dict.fromkeys(s.model.name for s in seen):
        versions: dict[str, list[str]] = {}
        for servo in seen:
            if servo.model.name == model:
                versions.setdefault(_version(servo), []).append(servo.name)
        if len(versions) == 1:
            yield Finding("ok", "firmware", f"{model}: {next(iter(versions))}")
            continue
        parts = [f"{version} in {listed(names)}" for version, names in sorted(versions.items())]
        yield Finding(
            "warning",
            "firmware",
            f"{model}: {'; '.join(parts)}",
            "update the older ones with the vendor's tool (Feetech: FD; ROBOTIS: Dynamixel Wizard)",
        )


def _version(servo: Seen) -> str:
    if "firmware_major" in servo.model.registers:
        return f"{servo.read('firmware_major')}.{servo.read('firmware_minor')}"
    return str(servo.read("firmware"))
