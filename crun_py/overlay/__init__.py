"""The root file system: overlay over image layers."""
