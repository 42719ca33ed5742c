"""The topics of a type that others have in the graph, to tell a person what was not asked for."""

from rclpy.node import Node


def type_name(kind: type) -> str:
    """As the graph says it: sensor_msgs/msg/JointState."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def topics_of(node: Node, kind: type) -> str:
    """Their names in words, less `node`'s own."""
    names = {name for name, kinds in node.get_topic_names_and_types() if type_name(kind) in kinds}
    own = {s.topic_name for s in node.subscriptions} | {p.topic_name for p in node.publishers}
    return ", ".join(sorted(names - own)) or "none"
