"""crunpy: a daemonless container engine for Linux, as a typed library and a command."""

__version__ = "0.1.0"
