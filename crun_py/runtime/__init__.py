"""The runtime half: a config.json, a root and descriptors in; a process out.

container  config.json → plan: the list of steps that make the container
plan       the steps, and their bytes
launch     carries a plan out with the core helper, and hears how it went

It knows nothing of images, names and records.
"""
