"""Docker's Engine API over HTTP: JSON → a call of the library → JSON."""
