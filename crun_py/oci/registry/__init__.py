"""Registries: how they are reached, and the protocol that they speak."""
