"""Verbs about manifest lists."""
