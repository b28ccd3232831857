"""Answers requests with a greeting."""
