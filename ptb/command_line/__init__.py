"""What the scripts share: flags, and what they name.

1. `program.run`: parses the flags; wrong input ends in one line.
2. `config_flags`: a `Config` from `--model` and the flag of each field.
3. `text_source.TextSource`: the text, wherever it is.
4. `devices.start_tensorflow`: TensorFlow, on the devices and machines that the flags name.
5. `training_flags`, `trained_model`: the run that is made, or that is used; `run_report` prints it.

Nothing here imports TensorFlow before the flags are parsed, so `--helpshort` answers at once.
"""
