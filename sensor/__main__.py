"""``python -m sensor``: the castoff command."""

from sensor.cli.main import main

main()
