"""Arms: the robot contract over servo buses, and the calibration that turns ticks into joint angles."""
