"""What this program did not make is the same after every command, and nothing stands beside it."""

import shutil

import pytest

from tests.faults import inputs
from tests.faults.test_inputs import contents
from tests.forked import hide_tensorflow, run

# One of every name that is written, renamed or removed anywhere, and of those that look like one.
NAMES = (
    *(".env.2024", ".zcompdump-host-5.9", ".vocabulary.txt.1234", f".config.json.{'0' * 32}"),
    *("vocabulary.txt", "lock", "log.txt", "metrics.csv", "timing.csv", "learning_curve.png"),
    *("events.out.tfevents.1.host.1.0.v2", "result.json", "train.log", "unfinished", "run/notes"),
    *("measurements.csv", "figure.png", "verdict.md", "README.md", "plot.png", "figures.json"),
    *("truncation/measurements.csv", "truncation/verdict.md", "truncation/figure.png"),
    *(".new-abc/export", "1/saved_model.pb", "2/notes", "model_card.json"),
    *(
        "checkpoints/00000001.safetensors",
        "checkpoints/00000002.safetensors",
        "checkpoints/best.safetensors",
    ),
    *("checkpoints/.best.safetensors.99", f"checkpoints/.best.safetensors.{'0' * 32}"),
    *("checkpoints/00000003.npz", "checkpoints/best.npz"),
    *("checkpoints/damaged-00000001.safetensors", "checkpoints/damaged-best.safetensors"),
)
FOREIGN = "--save_path=foreign"
TRAIN = ("train.py", *inputs.TEXT)
COMMANDS = [
    (*TRAIN, FOREIGN),
    (*TRAIN, "--save_path=foreign/checkpoints"),
    (*TRAIN, "--save_path=foreign/run"),
    (*TRAIN, FOREIGN, "--batch_size=5000"),
    *((script, FOREIGN) for script in ("evaluate.py", "ptb generate")),
    ("ptb export", FOREIGN, "--export_path=out"),
    ("ptb export", "--save_path=run", "--export_path=foreign"),
    ("ptb export", "--save_path=run", "--export_path=foreign/2"),
    ("ptb serve", "--export_path=foreign"),
    ("ptb generate", "--save_path=run", "--score=a b", "--plot=foreign/plot.png"),
    ("ptb explain", "--png=foreign/plot.png"),
    ("ptb benchmark", "--json=foreign/figures.json"),
    ("ptb benchmark", "--plot=foreign/plot.png"),
    ("ptb record", "foreign", *inputs.TEXT),
    ("ptb record", "record", *inputs.TEXT, FOREIGN),
    ("ptb record", "foreign/new", *inputs.TEXT, FOREIGN),
    ("ptb verify", "foreign"),
    ("ptb table", "foreign"),
    ("ptb curves", "results", "foreign/plot.png"),
    ("ptb large_start", "foreign", "--windows=1"),
    ("ptb study truncation", "--out=foreign"),
    ("ptb study truncation", "--out=foreign", "--redraw"),
    ("ptb study", "--out=foreign"),
]


@pytest.fixture
def folder(world, tmp_path):
    """A finished run, a record and, in `foreign`, a user's files."""
    folder = shutil.copytree(world, tmp_path / "world")
    for name in NAMES:
        (folder / "foreign" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "foreign" / name).write_text(f"data of {name}")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        None,
        "mine",
        '{"config": {}, "corpus": {}}',
    ],
)
def test_nothing_that_is_not_ours_is_changed_by_any_command(folder, config):
    path = folder / "foreign" / "config.json"
    path.unlink(missing_ok=True)
    if config is not None:
        path.write_text(config)
    before = contents(folder)
    for script, *flags in COMMANDS:
        hidden = [] if script == "ptb benchmark" else [hide_tensorflow]
        result = run(script, *flags, folder=folder, prepare=hidden)
        assert result.returncode == 1, (script, flags, result.stderr)
        assert len(result.stderr.splitlines()) == 1, (script, flags, result.stderr)
        assert contents(folder) == before, (script, flags)


@pytest.mark.slow  # tests/training/test_session.py has it in this process
def test_what_a_user_puts_into_a_run_stays(tmp_path):
    inputs.harness.write_text(tmp_path)
    flags = (*inputs.TEXT, "--save_path=run", "--checkpoint_every=3w", "--keep=1")
    assert run("train.py", *flags, folder=tmp_path).returncode == 0
    theirs = ("notes.txt", ".env.2024", ".metrics.csv.1234", f".metrics.csv.{'0' * 32}")
    theirs += (
        "checkpoints/.best.safetensors.99",
        "checkpoints/damaged-best.safetensors",
        "checkpoints/notes.safetensors",
    )
    # A number that no run comes to, and one that this run has left behind.
    theirs += ("checkpoints/99999999.safetensors", "checkpoints/00000001.safetensors")
    assert not any((tmp_path / "run" / name).exists() for name in theirs)
    for name in theirs:
        (tmp_path / "run" / name).write_text(f"data of {name}")
    result = run("train.py", *flags, "--num_epochs=3", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    for name in theirs:
        assert (tmp_path / "run" / name).read_text() == f"data of {name}"
    assert (tmp_path / "run/checkpoints/100000041.safetensors").exists()
