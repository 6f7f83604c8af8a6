import contextlib
import dataclasses

from command_line.config_flags import config_from_flags
from command_line.open_run import open_run
from ptb import corpus
from training.run_folder import RunFolder


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
