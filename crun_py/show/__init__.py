"""What the commands show: rows, documents, templates."""
