"""The life of a container: create, start, attach, stop, remove, and what is done to it between."""
