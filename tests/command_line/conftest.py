import pytest
from absl import flags

from ptb.command_line.training_flags import define_training_flags


@pytest.fixture
def parse():
    """Parses the flags of train.py, which are there for one test."""
    before = set(flags.FLAGS)
    define_training_flags()

    def parse(*arguments):
        flags.FLAGS.unparse_flags()
        for name in set(flags.FLAGS) - before:
            flags.FLAGS[name].unparse()
        flags.FLAGS(["train.py", *arguments])

    yield parse
    flags.FLAGS.remove_flag_values([name for name in flags.FLAGS if name not in before])
    flags.FLAGS.unparse_flags()
