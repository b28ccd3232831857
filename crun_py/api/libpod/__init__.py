"""podman's API below /libpod: what podman --remote and podman-py ask for, by the same library."""
