"""Programs that take serial adapters for something else: running, or waiting in a udev rule."""

from collections.abc import Iterator, Mapping

from hardware.doctor.finding import Finding
from hardware.doctor.machine import Machine

# program -> (what it takes an adapter for, the line that ends that)
GRABBERS: Mapping[str, tuple[str, str]] = {
    "brltty": (
        "a Braille display",
        "sudo systemctl mask --now brltty-udev.service brltty.service (or: sudo apt remove brltty)",
    ),
    "ModemManager": (
        "a modem",
        "sudo systemctl disable --now ModemManager",
    ),
    "gpsd": (
        "a GPS receiver",
        "sudo systemctl disable --now gpsd.socket gpsd",
    ),
}
MODEM_IGNORED = "ID_MM_DEVICE_IGNORE"


def check_grabbers(machine: Machine, port: str) -> Iterator[Finding]:
    """One finding a program that runs or has a rule for this adapter; one ok where there is none."""
    vendor, product = adapter_of(machine, port)
    running = {process.name for process in machine.processes()}
    rules = [(file, line.lower()) for file, line in machine.udev_rules()]
    found = 0
    for name, (what, mend) in GRABBERS.items():
        ruled = [
            f for f, line in rules if name.lower() in f"{f} {line}".lower() and _names(line, vendor, product)
        ]
        if name == "ModemManager":
            if vendor and any(MODEM_IGNORED.lower() in line and vendor in line for _, line in rules):
                continue
            ruled = []  # it looks at every port that no rule excludes
            if vendor:
                mend += (
                    f""", or: echo 'ATTRS{{idVendor}}=="{vendor}", ENV{{{MODEM_IGNORED}}}="1"' | sudo tee """
                    "/etc/udev/rules.d/99-limber-modem.rules && sudo udevadm control --reload"
                )
        where = [
            *(["it runs"] if name in running else []),
            *(f"rule in {file}" for file in dict.fromkeys(ruled)),
        ]
        if where:
            found += 1
            said = f"{name} may take {port} for {what}: {', '.join(where)}"
            yield Finding("wrong" if ruled and name in running else "warning", "grabber", said, mend)
    if not found:
        yield Finding("ok", "grabber", f"none of {', '.join(GRABBERS)} is after it")


def adapter_of(machine: Machine, port: str) -> tuple[str, str]:
    """USB vendor and product of the adapter, four hex digits each; empty for what is no USB adapter."""
    tty = machine.real(port).rpartition("/")[2]
    for device in machine.usb_devices_above(f"/sys/class/tty/{tty}/device")[:1]:
        return machine.text(f"{device}/idVendor"), machine.text(f"{device}/idProduct")
    return "", ""


def _names(line: str, vendor: str, product: str) -> bool:
    """Whether a rule is about this adapter. ENV{PRODUCT} has no leading zeros: 403/6001/600."""
    if not vendor:
        return False
    pair = f"{vendor.lstrip('0')}/{product.lstrip('0')}/".lower()
    return pair in line or (f'"{vendor.lower()}"' in line and f'"{product.lower()}"' in line)
