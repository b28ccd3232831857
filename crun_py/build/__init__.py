"""The verb `build`: from the text of a Dockerfile to an image."""
