"""What happens to containers, images, networks, volumes: typed requests in, typed answers out."""
