import json
from pathlib import Path

import pytest

from ptb.command_line.config_flags import config_from_flags
from ptb.experiments.records.verify import _flags
from ptb.training.config import PRESETS, Config

RECORDS = sorted((Path(__file__).parents[2] / "results" / "ptb").glob("*/*/config.json"))


def write_run(folder, **config):
    (folder / "config.json").write_text(json.dumps({"config": config, "corpus": {}}))


def test_a_preset_is_changed_by_the_flags_that_are_given(parse):
    parse("--model=medium", "--num_steps=5", "--tie_weights")
    config = config_from_flags()
    assert (config.num_steps, config.tie_weights, config.hidden_size) == (5, True, 650)


@pytest.mark.parametrize("model", PRESETS)
def test_the_presets_own_figures_may_be_given_though_nothing_reads_them(parse, model):
    config = PRESETS[model]
    names = ("weight_decay", "warmup", "constant_epochs", "adaptive_cutoffs", "forget_bias")
    parse(f"--model={model}", *(f"--{name}={getattr(config, name)}" for name in names))
    assert config_from_flags() == config


def test_a_figure_that_nothing_reads_is_refused_but_where_its_run_goes_on(parse, tmp_path):
    parse("--weight_decay=0.5", f"--save_path={tmp_path}")
    with pytest.raises(ValueError, match=r"weight_decay=0.5 .*--optimizer=adamw"):
        config_from_flags()
    write_run(tmp_path, weight_decay=0.5)
    assert config_from_flags().weight_decay == 0.5


def test_a_figure_that_nothing_reads_cannot_be_changed_when_a_run_is_resumed(parse, tmp_path):
    write_run(tmp_path)
    for flag, other in ("--warmup=0.3", "schedule=linear"), ("--weight_decay=0.1", "optimizer"):
        name = flag[2:].partition("=")[0]
        parse(flag, f"--change={name}", f"--save_path={tmp_path}")
        with pytest.raises(ValueError, match=rf"{flag} has no effect without --{other}"):
            config_from_flags()
    parse("--warmup=0.3", "--schedule=linear", f"--save_path={tmp_path}")
    assert config_from_flags().warmup == 0.3


def test_with_one_step_there_is_no_next_output_to_compare_with(parse):
    name = "temporal_activation_regularization"
    parse("--num_steps=1", f"--{name}=0.5")
    with pytest.raises(ValueError, match=f"{name}=0.5 has no effect with --num_steps=1"):
        config_from_flags()
    parse("--num_steps=1", f"--{name}=0")  # as `ptb verify` gives it
    assert config_from_flags().num_steps == 1


def test_a_figure_of_some_cells_is_read_with_those_that_the_registry_names(parse):
    parse("--cell=peephole_lstm", "--forget_bias=1", "--weight_keep_prob=0.5")
    assert config_from_flags().forget_bias == 1
    parse("--cell=gru", "--forget_bias=1")
    with pytest.raises(ValueError, match="--cell=lstm or peephole_lstm"):
        config_from_flags()
    parse("--cell=min_gru", "--weight_keep_prob=0.5")
    with pytest.raises(ValueError, match=r"weight_keep_prob=0.5 .*--cell=lstm or gru"):
        config_from_flags()


def test_the_flags_of_every_record_give_its_config(parse):
    assert len(RECORDS) >= 8
    for path in RECORDS:
        config = Config.from_dict(json.loads(path.read_text())["config"])
        parse(*_flags(config))
        assert config_from_flags() == config, path
