import contextlib
import dataclasses

from ptb.command_line.config_flags import config_from_flags
from ptb.command_line.open_run import open_run
from ptb.data import corpus
from ptb.runs.run_folder import RunFolder


def test_a_run_that_an_earlier_version_began_keeps_its_name_so_that_its_checkpoints_are_used(
    parse, tmp_path
):
    """An earlier version has fewer fields in its config than this one."""
    text = corpus.built_in()
    parse("--model=test", f"--save_path={tmp_path}", "--num_epochs=2")
    config = config_from_flags()
    earlier = dataclasses.asdict(config) | {"num_epochs": 1}
    del earlier["ema_momentum"]
    begun = {"fingerprint": text.fingerprint}
    RunFolder(tmp_path).start({"config": earlier, "corpus": begun}, text.vocabulary.to_text())
    name = RunFolder(tmp_path).run
    with contextlib.ExitStack() as cleanup:
        folder, description = open_run(config, text, cleanup)
        folder.start(description, text.vocabulary.to_text())
    assert RunFolder(tmp_path).run == name
    assert RunFolder(tmp_path).description()["config"] == earlier | {"num_epochs": 2}


def test_a_run_is_resumed_with_its_text_at_another_place_which_is_then_remembered(parse, tmp_path):
    lines = "".join(f"a b c {i % 7}\n" for i in range(400))
    for place in ("old", "new"):
        (tmp_path / place).mkdir()
        for split in corpus.SPLITS:
            (tmp_path / place / f"{split}.txt").write_text(lines)
    run, sources = tmp_path / "run", []
    for place in ("old", "new"):
        parse("--model=test", f"--save_path={run}", f"--data_path={tmp_path / place}")
        text = corpus.load_text(tmp_path / place)
        with contextlib.ExitStack() as cleanup:
            folder, description = open_run(config_from_flags(), text, cleanup)
            folder.start(description, text.vocabulary.to_text())
        sources.append(RunFolder(run).description()["corpus"]["source"])
    assert [source["data_path"] for source in sources] == [
        str(tmp_path / place) for place in ("old", "new")
    ]
    assert sources[0] | {"data_path": ""} == sources[1] | {"data_path": ""}
    assert RunFolder(run).description()["corpus"]["name"] == "old"
