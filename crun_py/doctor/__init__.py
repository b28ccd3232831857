"""What a host must have so that containers run, what it has, and what mends the rest."""
