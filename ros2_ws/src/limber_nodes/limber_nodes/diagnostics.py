"""/diagnostics: one status a node, published on a timer."""

from collections.abc import Callable, Mapping

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

# level, one line for a person, values by name
Status = tuple[bytes, str, Mapping[str, object]]


class Diagnostics:
    """Publishes what `collect` returns once a `period_s` of wall time, until `stop`.

    `stamp` gives the message's time (robot time where the node knows it; else the node's clock).
    """

    def __init__(
        self,
        node: Node,
        collect: Callable[[], Status],
        *,
        hardware_id: str = "",
        period_s: float = 1.0,
        stamp: Callable[[], Time] | None = None,
    ) -> None:
        self._node = node
        self._collect = collect
        self._hardware_id = hardware_id
        self._stamp = stamp or (lambda: node.get_clock().now().to_msg())
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._timer = node.create_timer(period_s, self.publish)

    def publish(self) -> None:
        """Publish now, beside the timer."""
        level, message, values = self._collect()
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=message,
            hardware_id=self._hardware_id,
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._stamp()
        self._publisher.publish(array)

    def stop(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def status_name(node: Node, name: str) -> str:
    """The name in /diagnostics of the node called `name` in the namespace of `node`."""
    return f"{node.get_namespace()}/{name}".replace("//", "/").lstrip("/")


def values_of(array: DiagnosticArray, name: str) -> dict[str, str] | None:
    """The values of the status called `name` (see `status_name`) in a message, if it is there."""
    for status in array.status:
        if status.name == name:
            return {pair.key: pair.value for pair in status.values}
    return None
