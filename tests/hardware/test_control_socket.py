"""The simulation's control channel: a real socket between a server and its clients."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hardware.control_socket import ControlSocketServer, SimulationClient, default_path
from hardware.errors import HardwareError
from hardware.robot import ObjectPose


class World:
    """Two numbers and a cube."""

    def __init__(self) -> None:
        self.seed = 0
        self.time = 0

    def reset(self, seed: int) -> str:
        if seed == 13:
            raise RuntimeError("no such world")
        self.seed = seed
        return f"task {seed}"

    def objects(self) -> Mapping[str, ObjectPose]:
        return {"cube": ObjectPose((0.1 * self.seed, 0.0, 0.02), (1.0, 0.0, 0.0, 0.0), (0.03, 0.03, 0.03))}

    def success(self) -> bool:
        return self.seed == 7

    def now_ns(self) -> int:
        self.time += 1
        return self.time

    def advance_to(self, time_ns: int) -> None:
        self.time = time_ns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "world.sock"


@pytest.fixture
def server(path: Path) -> Iterator[ControlSocketServer]:
    made = ControlSocketServer(path, World(), lambda look: look())
    yield made
    made.close()


def test_a_client_resets_and_sees_the_truth(server: ControlSocketServer) -> None:
    client = SimulationClient(server.path)
    assert client.reset(7) == "task 7"
    state = client.state()
    assert state.success
    assert state.objects["cube"].position == pytest.approx((0.7, 0.0, 0.02))
    assert state.objects["cube"].size == (0.03, 0.03, 0.03)
    assert client.now_ns() > state.now_ns
    client.close()


def test_two_clients_are_answered_each_their_own(server: ControlSocketServer) -> None:
    answers: dict[int, list[str]] = {}

    def ask(seed: int) -> None:
        client = SimulationClient(server.path)
        answers[seed] = [client.reset(seed) for _ in range(50)]
        client.close()

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {seed: [f"task {seed}"] * 50 for seed in (1, 2, 3)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"hello\n", "one JSON object a line"),
        (b"[1]\n", "one JSON object a line"),
        (b'{"verb": "rest"}\n', "unknown verb 'rest' (did you mean 'reset'?)"),
        (b'{"verb": "reset"}\n', "expected a seed of 0 or more, got None"),
        (b'{"verb": "reset", "seed": -1}\n', "expected a seed of 0 or more, got -1"),
        (b'{"verb": "reset", "seed": true}\n', "expected a seed of 0 or more, got True"),
        (b'{"verb": "reset", "seed": 13}\n', "RuntimeError: no such world"),
    ],
)
def test_what_is_not_understood_is_answered_and_the_connection_lives(
    server: ControlSocketServer, line: bytes, said: str
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw, raw.makefile("rwb") as stream:
        raw.connect(str(server.path))
        stream.write(line)
        stream.flush()
        assert said in json.loads(stream.readline())["error"]
        stream.write(b'{"verb": "state"}\n')
        stream.flush()
        assert json.loads(stream.readline())["result"]["success"] is False


def test_only_its_owner_may_connect(server: ControlSocketServer) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700


def test_one_path_one_world(server: ControlSocketServer, path: Path) -> None:
    with pytest.raises(HardwareError, match="already listens at"):
        ControlSocketServer(path, World(), lambda look: look())
    assert SimulationClient(path).reset(1) == "task 1"  # the first one was not disturbed


def test_what_a_killed_process_left_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    leave = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
    subprocess.run([sys.executable, "-c", leave, str(path)], check=True)
    assert path.exists()
    server = ControlSocketServer(path, World(), lambda look: look())
    assert SimulationClient(path).reset(2) == "task 2"
    server.close()
    server.close()
    assert not path.exists()


def test_a_missing_or_vanished_world_is_one_line(path: Path) -> None:
    with pytest.raises(HardwareError, match="expected a simulation listening at"):
        SimulationClient(path)
    server = ControlSocketServer(path, World(), lambda look: look())
    client = SimulationClient(path)
    assert client.success() is False
    server.close()
    with pytest.raises(HardwareError, match=r"hung up|does not answer"):
        client.state()
    with pytest.raises(HardwareError, match="cannot listen at"):
        ControlSocketServer(Path("/proc/nowhere/world.sock"), World(), lambda look: look())


def test_robots_of_other_namespaces_and_domains_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    monkeypatch.setenv("ROS_DOMAIN_ID", "5")
    assert default_path("/") == Path(f"/run/user/1/limber-{os.getuid()}/5-robot.sock")
    assert default_path("/left/arm").name == "5-left-arm.sock"
    monkeypatch.setenv("ROS_DOMAIN_ID", "6")
    assert default_path("/").name == "6-robot.sock"
