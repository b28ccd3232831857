"""crunpy kube: pods by Kubernetes' manifests."""
