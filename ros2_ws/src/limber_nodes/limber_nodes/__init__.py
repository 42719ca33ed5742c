"""Thin ROS 2 nodes around limber's libraries: conversions and life cycle, nothing else."""
