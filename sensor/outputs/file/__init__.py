"""JSON lines in files."""
