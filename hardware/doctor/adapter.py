"""How long the USB adapter sits on an answer: the latency timer of FTDI's, 16 ms as delivered."""

from collections.abc import Iterator

from hardware.doctor.finding import Finding
from hardware.doctor.grabbers import adapter_of
from hardware.doctor.machine import Machine

MOST_MS = 1  # at 100 Hz two exchanges a period leave no room for more


def check_adapter(machine: Machine, port: str) -> Iterator[Finding]:
    """Its identity, and its timer where it has one; CH340 and CDC-ACM adapters have none."""
    vendor, product = adapter_of(machine, port)
    if not machine.at(port).exists():
        return  # said elsewhere
    if not vendor:
        yield Finding("ok", "adapter", f"{port} is no USB adapter")
        return
    file = f"/sys/bus/usb-serial/devices/{machine.real(port).rpartition('/')[2]}/latency_timer"
    timer = machine.text(file)
    said = f"USB {vendor}:{product}"
    if not timer.isdigit():
        yield Finding("ok", "adapter", f"{said}, without a latency timer")
    elif int(timer) <= MOST_MS:
        yield Finding("ok", "adapter", f"{said}, latency timer {timer} ms")
    else:
        yield Finding(
            "warning",
            "adapter",
            f"{said}: its latency timer is {timer} ms, {MOST_MS} wanted "
            "(the driver is asked for it whenever limber opens the port; this is what it says before)",
            f"echo {MOST_MS} | sudo tee {file}",
        )
