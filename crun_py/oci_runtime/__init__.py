"""An OCI runtime: a bundle (config.json and a root file system) in, a container and its state out.

For engines that bring all else: podman, Docker, containerd, Kubernetes.  No monitor stays: the
container's first process has the caller's stdio and becomes the child of the caller's subreaper.
The steps that make it are those of the engine's own containers (`runtime/`).
OCI runtime specification 1.2: runtime.md, config.md, config-linux.md.
"""
