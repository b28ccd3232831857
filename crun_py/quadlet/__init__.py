"""Quadlet: files that describe containers, volumes, networks, images and builds become systemd
services (podman-systemd.unit(5))."""
