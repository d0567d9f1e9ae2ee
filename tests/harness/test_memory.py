import numpy as np
import pytest
import torch

from harness import memory
from harness.memory import available_memory, is_out_of_memory


@pytest.mark.parametrize("error", [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried "
                 "to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"),
])
def test_every_librarys_way_to_say_out_of_memory_is_understood(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
                                   ValueError("out of memory of better days"), OSError(12, "Cannot allocate memory")])
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_pytorchs_own_message_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)


def test_the_limit_of_a_control_group_counts_without_what_it_could_drop(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert available_memory() == 450


def test_a_control_group_without_a_limit_leaves_what_the_machine_has(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("inactive_file 150\n")
    assert (available_memory() or 0) > 2**20


def test_the_limit_of_the_process_counts(monkeypatch):
    size = memory._entry(memory.Path("/proc/self/status"), "VmSize:") * 1024
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (size + 2**20, size + 2**20))
    assert 0 < available_memory() <= 2**20 + 2**16
