"""What a task is made of: a simulated world behind its control socket, or a person at the table."""

import time
from pathlib import Path
from typing import Protocol

from hardware.control_socket import SimulationClient, WorldState
from hardware.errors import HardwareError

RETRY_S = 1.0


class Backing(Protocol):
    """Who places the objects and knows whether the task is done."""

    def reset(self, seed: int) -> str:
        """Place the objects; gives the instruction. Raises `HardwareError`."""

    def state(self) -> WorldState | None:
        """The truth now; None while nobody knows."""

    def close(self) -> None: ...


class SimulationBacking:
    """A simulated world; connects when it is there, and again when it has come back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._client: SimulationClient | None = None
        self._retry_at = 0.0

    def reset(self, seed: int) -> str:
        client = self._client or self._connect()
        try:
            return client.reset(seed)
        except HardwareError:
            self.close()
            raise

    def state(self) -> WorldState | None:
        if self._client is None and time.monotonic() < self._retry_at:
            return None
        try:
            return (self._client or self._connect()).state()
        except HardwareError:
            self.close()
            return None

    def close(self) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> SimulationClient:
        self._client = SimulationClient(self._path)
        return self._client


class PersonBacking:
    """A person places the objects and says by `task/label` whether it went well; the text is task_node's."""

    def reset(self, seed: int) -> str:
        return ""

    def state(self) -> WorldState | None:
        return None

    def close(self) -> None:
        pass
