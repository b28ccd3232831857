"""Verbs about the engine as a whole."""
