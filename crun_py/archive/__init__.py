"""Tar archives: of a tree, and below a directory, by descriptors only."""
