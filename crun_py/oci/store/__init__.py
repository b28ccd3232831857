"""What is in the store: images, their blobs and unpacked layers."""
