"""Calls for the tests of the worker, in the place of the engine."""
