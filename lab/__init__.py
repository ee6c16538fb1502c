"""Engines, images and agents that tests, bench and golden recordings share."""
