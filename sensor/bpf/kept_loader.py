"""The short-lived child that loads kept programs: no compiler, no LLVM.

Run as ``python -m sensor.bpf.kept_loader`` with a JSON request on standard input; answers with one
JSON line on standard output. What it cannot use is compiled anew, so each of its errors is a reason
and no failure.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sensor.bpf import instructions, kept_programs, program_loading
from sensor.bpf.kept_files import KeptFiles, reason
from sensor.bpf.probe_set import Built, Incomplete, Target, build
from sensor.dataclass import dataclass
from sensor.errors import CastoffError

if TYPE_CHECKING:
    from sensor.bpf.kept_programs import KeptPrograms
    from sensor.bpf.programs import Program


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """Which programs are to be loaded, and where they lie."""

    directory: str
    key: str
    target: Target


class KeptCode:
    """The maps and programs of a file, as :class:`sensor.bpf.attach.Code`."""

    def __init__(self, kept: KeptPrograms) -> None:
        """Make the maps. Raises OSError."""
        self._kept = kept
        self._descriptors = {
            number: program_loading.make_map(one) for number, one in enumerate(kept.maps)
        }
        self._by_name = {one.name: self._descriptors[n] for n, one in enumerate(kept.maps)}

    def map(self, name: str, /) -> int:
        """Return a map's descriptor."""
        return self._by_name[name]

    def load(self, program: Program, /) -> int:
        """Have the kernel take a program. Raises KeyError or OSError."""
        code = instructions.renamed(self._kept.code[program.name], self._descriptors)
        return program_loading.load_program(program, code)


def serve(request: KeptRequest) -> Built:
    """Load, attach, pin, seed and publish the set, or say why not."""
    files = KeptFiles(Path(request.directory))
    try:
        content = files.read(request.key)
        kept = kept_programs.decode(content, request.key)
        return build(KeptCode(kept), request.target, expected=kept.missing)
    except CastoffError as error:
        problem = error.problem
    except KeyError as error:
        problem = f"{files.path(request.key)}: it has no {error.args[0]}"
    except ValueError as error:
        problem = f"{files.path(request.key)}: {error}"
    except (OSError, Incomplete) as error:
        problem = reason(error)
    return Built(error="Unusable", problem=problem)


def main() -> int:
    """Serve one request."""
    fields = json.load(sys.stdin)
    fields["target"] = Target(**fields["target"])
    answer = serve(KeptRequest(**fields))
    sys.stdout.write(json.dumps(asdict(answer)) + "\n")
    return 0 if answer.error is None else 1


if __name__ == "__main__":
    sys.exit(main())
