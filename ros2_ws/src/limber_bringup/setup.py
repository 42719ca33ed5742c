from glob import glob

from setuptools import find_packages, setup

package = "limber_bringup"

setup(
    name=package,
    version="0.1.0",
    packages=find_packages(include=[package]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package}"]),
        (f"share/{package}", ["package.xml"]),
        (f"share/{package}/launch", sorted(glob("launch/*.launch.xml"))),
    ],
    install_requires=["pyyaml>=6,<7"],
    zip_safe=True,
    maintainer="limber maintainers",
    maintainer_email="maintainers@limber.invalid",
    description="Launch files of limber, and a runner for them where ROS 2 was installed with pip",
    license="Apache-2.0",
)
