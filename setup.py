"""Place the top-level source folders inside the one import package `drivelab`."""

from setuptools import find_packages, setup

# Real folders at the top of the checkout; `drivelab/<name>` links to each for tools that read code.
SOURCE_FOLDERS = ("agents", "sim", "kernels", "conf", "scenarios")

package_dir = {"drivelab": "drivelab"}
packages = set(find_packages(include=["drivelab", "drivelab.*"]))
for folder in SOURCE_FOLDERS:
    name = f"drivelab.{folder}"
    package_dir[name] = folder
    packages.add(name)
    packages.update(f"{name}.{inner}" for inner in find_packages(folder))

setup(packages=sorted(packages), package_dir=package_dir)
