"""The agent with a clock between its stages: ``python -m bench.staged FILE run ...``."""

from importlib import import_module

from sensor.absent import keep_out

# As sensor/__main__.py does: the command is not to be larger here.
keep_out()
import_module("bench.stage_clock").main()
