"""A LeRobot plugin, found by its distribution's name: the underscores matter."""

from setuptools import find_packages, setup

package = "lerobot_robot_limber"

setup(
    name=package,
    version="0.1.0",
    packages=find_packages(include=[package]),
    python_requires=">=3.10",
    install_requires=["lerobot>=0.4.0,<0.7"],  # and limber with its limber_nodes, which no index has
    zip_safe=True,
    maintainer="limber maintainers",
    maintainer_email="maintainers@limber.invalid",
    description="LeRobot drives any limber robot, in process or through ROS, behind limber's safety chain",
    license="Apache-2.0",
)
