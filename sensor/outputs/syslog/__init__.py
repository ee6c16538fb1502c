"""Syslog over UDP, TCP, TLS and unix sockets."""
