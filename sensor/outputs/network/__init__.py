"""Connections to collectors: name lookup, TCP, TLS."""
