"""Kubernetes' manifests: what they say of pods, and pods as manifests.  Pure."""
