"""A simulated world's control channel: JSON lines over a Unix domain socket of mode 0600.

One request a line, `{"verb": ..., "seed": ...}`, one answer a line, `{"result": ...}` or
`{"error": text}`. Verbs: reset (needs `seed`; gives the instruction), state (now_ns, success,
objects). Anything that simulates a robot may serve it; whoever resets tasks is a client.
"""

import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hardware.errors import HardwareError, unknown
from hardware.robot import ObjectPose, Simulated

VERBS = ("reset", "state")
ANSWER_S = 10.0  # a world that is slower than this to answer is taken for dead


def default_path(namespace: str = "/") -> Path:
    """Where this user's robot in `namespace` and ROS domain listens unless told otherwise."""
    root = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    name = namespace.strip("/").replace("/", "-") or "robot"
    return Path(root) / f"limber-{os.getuid()}" / f"{domain}-{name}.sock"


@dataclass(frozen=True)
class WorldState:
    """The truth at one instant of robot time."""

    now_ns: int
    success: bool
    objects: Mapping[str, ObjectPose]


class ControlSocketServer:
    """Serves a `Simulated` world in a thread of its own until `close`.

    `run` calls a function while nobody steps the world and gives its result (`lambda f: f()`
    where there is only one thread); `reset` does what a reset needs beside the world's own.
    """

    def __init__(
        self,
        path: Path,
        world: Simulated,
        run: Callable[[Callable[[], Any]], Any],
        reset: Callable[[int], str] | None = None,
        extra: Mapping[str, Callable[[Mapping[str, Any]], Any]] | None = None,
    ) -> None:
        """`extra`: more verbs; each takes the rest of a request and gives what is answered.

        Raises `HardwareError` if somebody already serves at `path`.
        """
        self.path = path
        self._world = world
        self._run = run
        self._extra = extra or {}
        self._reset = reset or (lambda seed: str(run(lambda: world.reset(seed))))
        self._clients: list[socket.socket] = []
        self._listener = _listen(path)
        self._thread = threading.Thread(target=self._accept, name="control-socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and remove the socket file. May be called twice."""
        for connection in (self._listener, *self._clients):
            _hang_up(connection)
        self._thread.join(timeout=1.0)
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._clients = [c for c in self._clients if c.fileno() >= 0] + [connection]
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            try:
                for line in stream:
                    stream.write(json.dumps(self._answer(line)).encode() + b"\n")
                    stream.flush()
            except OSError:  # the client went away in the middle of a line
                return

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            verb = request.get("verb")
            if verb == "reset":
                seed = request.get("seed")
                if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
                    return {"error": f"reset: expected a seed of 0 or more, got {seed!r}"}
                return {"result": {"instruction": self._reset(seed)}}
            if verb == "state":
                return {"result": self._run(self._state)}
            if verb in self._extra:
                return {"result": self._extra[verb]({k: v for k, v in request.items() if k != "verb"})}
            return {"error": unknown("verb", str(verb), (*VERBS, *self._extra))}
        except (ValueError, AttributeError):
            return {"error": "expected one JSON object a line"}
        except Exception as error:  # the world's own fault: said to the client, never the end of the server
            return {"error": f"{type(error).__name__}: {error}"}

    def _state(self) -> dict[str, Any]:
        objects = {name: asdict(pose) for name, pose in self._world.objects().items()}
        return {"now_ns": self._world.now_ns(), "success": self._world.success(), "objects": objects}


class SimulationClient:
    """Asks a simulated world for the truth, and resets it. One connection, used by one thread."""

    def __init__(self, path: Path) -> None:
        """Raises `HardwareError` when nobody serves at `path`."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise HardwareError(f"expected a simulation listening at {path}: {error.strerror}") from None
        self._stream = self._socket.makefile("rwb")

    def reset(self, seed: int) -> str:
        """Place the task's objects and the arm as `seed` says; gives the instruction."""
        return str(self._ask(verb="reset", seed=seed)["instruction"])

    def state(self) -> WorldState:
        """Time, success and objects, all of the same instant."""
        answer = self._ask(verb="state")
        objects = {name: _pose(pose) for name, pose in answer["objects"].items()}
        return WorldState(int(answer["now_ns"]), bool(answer["success"]), objects)

    def objects(self) -> Mapping[str, ObjectPose]:
        return self.state().objects

    def success(self) -> bool:
        return self.state().success

    def now_ns(self) -> int:
        return self.state().now_ns

    def ask(self, verb: str, **request: Any) -> dict[str, Any]:
        """Any other verb that the server has."""
        return self._ask(verb=verb, **request)

    def close(self) -> None:
        _hang_up(self._socket)

    def _ask(self, **request: Any) -> dict[str, Any]:
        try:
            self._stream.write(json.dumps(request).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except (OSError, ValueError) as error:
            raise HardwareError(f"simulation at {self._path} does not answer: {error}") from None
        if not line:
            raise HardwareError(f"simulation at {self._path} hung up")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise HardwareError(f"simulation at {self._path}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result


def _pose(data: Mapping[str, Any]) -> ObjectPose:
    x, y, z = data["position"]
    qw, qx, qy, qz = data["quaternion"]
    dx, dy, dz = data["size"]
    return ObjectPose((x, y, z), (qw, qx, qy, qz), (dx, dy, dz))


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists() and _is_served(path):
            raise HardwareError(f"a simulation already listens at {path}; end it or choose another namespace")
        path.unlink(missing_ok=True)  # left behind by a process that was killed
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen()
    except OSError as error:
        listener.close()
        raise HardwareError(f"cannot listen at {path}: {error.strerror or error}") from None
    except HardwareError:
        listener.close()
        raise
    return listener


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):  # not connected, or closed already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
