"""Engines as a third witness: which sockets they listen on, and their streams of events.

Everything here is read-only and off the reader's path: no start waits for an engine, and an engine
that hangs, dies or lies costs its own stream alone.
"""
