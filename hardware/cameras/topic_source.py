"""A camera that somebody else's driver publishes: `topic:/some/image_raw`, resolved where ROS is.

This room knows no ROS: limber_nodes opens such a source, everything else only recognises it.
"""

BEGIN = "topic:"


def is_topic(source: str) -> bool:
    """Whether a spec's `source` names a topic."""
    return source.startswith(BEGIN)


def topic_of(source: str) -> str:
    """The topic's name."""
    return source.removeprefix(BEGIN)
