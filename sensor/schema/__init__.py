"""The event document castoff.event/1, and what reads it."""
