"""Namespaces: from an OCI spec to the list of steps that makes the container."""
