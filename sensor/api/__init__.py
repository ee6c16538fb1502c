"""The local socket: what the agent answers, and the client that asks."""
