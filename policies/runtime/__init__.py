"""Running a policy beside a robot: which observation, when to ask, and how late the answer was. No ROS."""
