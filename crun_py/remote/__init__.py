"""A client of Docker's Engine API: of dockerd, podman's service and our own."""
