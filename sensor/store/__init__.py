"""What outlives the agent, on disk."""
