"""From observations to container events, without I/O."""
