"""Start limber's launch files where `ros2 launch` is not installed: `python -m limber_bringup FILE`."""
