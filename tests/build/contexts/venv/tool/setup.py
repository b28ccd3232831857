from setuptools import setup

setup(
    name="say",
    version="1",
    py_modules=["say"],
    entry_points={"console_scripts": ["say = say:main"]},
)
