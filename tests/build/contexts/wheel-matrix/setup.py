from setuptools import setup

setup(name="part", version="2.@RELEASE@", py_modules=["part"])
