"""Verbs that are carried out by a service elsewhere."""
