"""Generative policies, chunking methods, data, training and evaluation. Knows nothing of ROS.

Importing this room needs numpy and torch only; diffusers, lerobot and simulators are imported
by the command that uses them.
"""
