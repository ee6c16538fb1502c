"""Fluentd Forward, protocol version 1: the native output, to Fluentd, Fluent Bit and Vector."""
