"""A robot on a pseudo-terminal: servos that answer byte for byte, a plant behind them, faults to order."""
