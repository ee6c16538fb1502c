"""``python -m sensor``: the castoff command."""

from importlib import import_module

from sensor.absent import keep_out

keep_out()
# By its name, since it would import what was to be kept out.
import_module("sensor.cli.main").main()
