from glob import glob

from setuptools import find_packages, setup

package = "limber_description"

setup(
    name=package,
    version="0.1.0",
    packages=find_packages(include=[package]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{package}"]),
        (f"share/{package}", ["package.xml"]),
        (f"share/{package}/urdf", sorted(glob("urdf/*.urdf"))),
    ],
    zip_safe=True,
    maintainer="limber maintainers",
    maintainer_email="maintainers@limber.invalid",
    description="URDF of limber's robots, generated from their specs and simulation models",
    license="Apache-2.0",
)
