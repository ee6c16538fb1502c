"""One output at work: what it reads, sends, acknowledges and retries."""
