"""Typed TOML tables and secrets, for the agent and its outputs."""
