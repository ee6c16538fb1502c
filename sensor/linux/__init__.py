"""What Python's os module lacks: system calls and procfs formats."""
