"""Servo models: registers, units and what their feedback means. One file a family."""
