"""Images on the way: into the store and out of it, from registries and files."""
