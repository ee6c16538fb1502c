"""``python -m sensor``: the castoff command."""

import sys

# asyncio imports ssl where it finds it: 3 MiB for an agent that speaks unix sockets only.
sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]

from sensor.cli.main import main  # noqa: E402 - after the line above

main()
