"""Maps and programs are made without a compiler."""

from __future__ import annotations

import os

import pytest

from sensor.bpf import libbpf, program_loading, programs
from sensor.bpf.kept_programs import KeptMap, MapType
from tests.bpf.test_instructions import EXIT, load_64

RETURN_0 = bytes((0xB7, 0, 0, 0, 0, 0, 0, 0)) + EXIT


@pytest.mark.kernel
@pytest.mark.parametrize(
    "wanted",
    [
        KeptMap("a_name", MapType.HASH, 4, 24, 100, 1),
        KeptMap("a_name", MapType.ARRAY, 4, 8, 3, 0),
        KeptMap("a_name", MapType.PERCPU_ARRAY, 4, 8, 3, 0),
        KeptMap("a_name", MapType.LRU_HASH, 8, 8, 64, 0),
        KeptMap("a_name", MapType.RINGBUF, 0, 0, 8192, 0),
    ],
    ids=lambda one: one.type.name,
)
def test_the_kernel_has_the_map_as_it_was_asked_for(wanted: KeptMap) -> None:
    made = program_loading.make_map(wanted)
    info = libbpf.map_info(made)
    os.close(made)
    assert wanted == KeptMap(
        info.name,
        MapType(info.type),
        info.key_size,
        info.value_size,
        info.max_entries,
        info.flags,
    )


@pytest.mark.kernel
def test_a_map_that_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        program_loading.make_map(KeptMap("odd", MapType.RINGBUF, 0, 0, 4097, 0))


@pytest.mark.kernel
def test_a_program_is_loaded_with_its_maps() -> None:
    made = program_loading.make_map(KeptMap("inits", MapType.HASH, 4, 8, 1, 0))
    loaded = program_loading.load_program(programs.EXEC, load_64(made, 1) + RETURN_0)
    os.close(loaded)
    os.close(made)
    with pytest.raises(OSError, match=r"Bad file descriptor|Invalid argument"):
        program_loading.load_program(programs.EXEC, load_64(made, 1) + RETURN_0)


@pytest.mark.kernel
def test_a_program_that_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match=r"Permission denied|Invalid argument"):
        program_loading.load_program(programs.EXEC, EXIT)
