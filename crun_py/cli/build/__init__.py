"""build, and what it keeps."""
