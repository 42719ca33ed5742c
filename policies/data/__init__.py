"""Recorded data: writing, reading and sampling LeRobotDataset v3.0, the raw log and its export."""
