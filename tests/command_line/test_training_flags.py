import re
from types import SimpleNamespace

import pytest

from ptb.command_line.training_flags import load_beginnings
from tests.command_line.test_config_flags import write_run


@pytest.mark.parametrize(
    ("flag", "error"), [("init_from", "holds no run"), ("init_vectors", "cannot be read")]
)
def test_an_error_names_the_flag_that_cannot_be_loaded_and_whether_a_run_resumes_without_it(
    parse, tmp_path, flag, error
):
    corpus, rest = SimpleNamespace(vocabulary=()), f", or leave out --{flag} to resume the run"
    said = rf"--{flag}: '{re.escape(str(tmp_path))}/gone' {error}"
    paths = {"init_from": None, "init_vectors": None, flag: f"{tmp_path}/gone"}
    parse(f"--save_path={tmp_path}/run")
    checkpoints = tmp_path / "run" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name in (None, "config.json", "00000001.safetensors"):
        if name == "config.json":
            write_run(tmp_path / "run")
        elif name:
            (checkpoints / name).touch()
        with pytest.raises(ValueError, match=said) as raised:
            load_beginnings(**paths, corpus=corpus)
        assert str(raised.value).endswith(rest) == (name == "00000001.safetensors")
