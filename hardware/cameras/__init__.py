"""Cameras: USB, video file, image folder, network stream. One file a kind, one line each in the table."""
