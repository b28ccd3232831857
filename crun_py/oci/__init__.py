"""OCI images: references, registries, the local store, layers."""
