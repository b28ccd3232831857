"""Records that the engine is given and that it gives: what is asked, and what there is."""
