"""A LeRobot plugin, found by its distribution's name: the underscores matter."""

from setuptools import find_packages, setup

package = "lerobot_teleoperator_limber"

setup(
    name=package,
    version="0.1.0",
    packages=find_packages(include=[package]),
    python_requires=">=3.10",
    install_requires=["lerobot>=0.4.0,<0.7"],  # and limber, limber_nodes, lerobot_robot_limber
    zip_safe=True,
    maintainer="limber maintainers",
    maintainer_email="maintainers@limber.invalid",
    description="Any device limber knows, or a teleop_node, leads a limber robot in LeRobot",
    license="Apache-2.0",
)
