"""Networks: bridge, addresses, published ports, rootless."""
