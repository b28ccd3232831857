"""Verbs about connections."""
