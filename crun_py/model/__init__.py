"""Records that the engine is asked with and answers with.  Pure data: no record reads anything."""
