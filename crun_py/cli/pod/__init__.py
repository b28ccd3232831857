"""crunpy pod: containers that share namespaces and a life."""
