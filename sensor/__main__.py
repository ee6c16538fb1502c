"""``python -m sensor``: the castoff command."""

import sys

# asyncio imports ssl where it finds it: 3 MiB for an agent that speaks unix sockets only. hashlib
# imports OpenSSL's hashes likewise, 2 MiB, and has its own.
for module in ("ssl", "_hashlib"):
    # None makes an import fail (import system, "The module cache"); typeshed has modules only.
    sys.modules.setdefault(module, None)  # type: ignore[arg-type] # see above

from sensor.cli.main import main  # noqa: E402 - it would import what was just kept out

main()
