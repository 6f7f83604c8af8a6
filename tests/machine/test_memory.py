import resource
import sys

import pytest

from ptb.machine import memory
from ptb.training.config import Config
from ptb.training.model import check_memory

GIB = 2**30


def limit_address_space(monkeypatch, num_bytes):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (num_bytes, num_bytes))


def test_a_limit_on_address_space_is_what_there_is_beside_tensorflow(monkeypatch):
    before = memory.memory_bytes()
    limit_address_space(monkeypatch, 1000 * GIB)
    assert memory.memory_bytes() == before
    limit_address_space(monkeypatch, 2 * GIB)
    assert memory.memory_bytes() == 0
    allowed = r"`ulimit -v` allows 2\.0 GiB of memory, of which this program takes 2\.0 GiB"
    with pytest.raises(ValueError, match=f"2 MiB for weights, and {allowed}: "):
        check_memory(Config(hidden_size=100), 1000, 1, 1)


def test_a_limit_on_address_space_names_the_limit_and_what_is_taken(monkeypatch):
    limit_address_space(monkeypatch, 8 * GIB)
    for mapped, taken in ((GIB, "2.0 GiB"), (6 * GIB, "6.0 GiB"), (8 * GIB, "8.0 GiB")):
        monkeypatch.setattr(memory, "_mapped", lambda mapped=mapped: mapped)
        monkeypatch.setattr(memory, "machine_bytes", lambda: 1000 * GIB)
        monkeypatch.setattr(memory, "group_limits", list)
        assert memory.memory_bytes() == 8 * GIB - max(mapped, 2 * GIB)
        allowed = f"`ulimit -v` allows 8.0 GiB of memory, of which this program takes {taken}"
        assert memory.there_is() == allowed


def test_under_a_limit_too_low_for_tensorflow_a_text_may_take_what_is_left(monkeypatch):
    """As for `ptb explain --data_path=FILE`, which does not import it."""
    monkeypatch.setattr(memory, "_mapped", lambda: GIB // 4)
    limit_address_space(monkeypatch, GIB)
    assert memory.memory_bytes() == 3 * GIB // 4


def test_too_little_address_space_to_import_tensorflow_is_said_before(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow")
    memory.check_room_for_tensorflow()
    limit_address_space(monkeypatch, GIB)
    with pytest.raises(ValueError, match=r"2\.0 GiB .*`ulimit -v`.* 1\.0 GiB"):
        memory.check_room_for_tensorflow()


@pytest.mark.parametrize("version", [1, 2])
def test_the_limit_of_a_control_group_and_of_those_around_it_counts(tmp_path, monkeypatch, version):
    line = "0::/outer/inner" if version == 2 else "4:cpu,memory:/outer/inner"
    (tmp_path / "groups").write_text(f"9:name=systemd:/\n{line}\n")
    root = tmp_path / ("" if version == 2 else "memory")
    name = "memory.max" if version == 2 else "memory.limit_in_bytes"
    (root / "outer" / "inner").mkdir(parents=True)
    (root / "outer" / "inner" / name).write_text("max\n")
    (root / "outer" / name).write_text("3000\n")
    (root / name).write_text("5000\n")
    limits = memory.group_limits(tmp_path / "groups", tmp_path)
    assert limits == [3000, 5000]
    assert memory.group_limits(tmp_path / "none", tmp_path) == []


class ResourceExhaustedError(Exception):
    """As TensorFlow's."""


def test_errors_that_say_that_there_was_too_little_memory():
    mapped = "libtensorflow.so: failed to map segment from shared object"
    for error in (MemoryError(), ResourceExhaustedError("OOM"), ImportError(mapped)):
        assert memory.ran_out(error)
    for error in (ImportError("No module named 'x'"), ValueError("memory"), OSError()):
        assert not memory.ran_out(error)
