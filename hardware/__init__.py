"""The robot contract, the control loop, safety, and everything that touches a real machine."""
