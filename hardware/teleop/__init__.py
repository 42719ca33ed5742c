"""Devices in a person's hands: what they press or move becomes joint goals."""
