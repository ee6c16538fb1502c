"""Where events go: encoders are pure, streams and senders do the I/O."""
