"""The running agent: one process, one loop."""
