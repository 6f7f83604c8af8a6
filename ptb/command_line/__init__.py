"""The command line: turns flags into a config, a text, a run, and calls the library.

1. `program.run`: parses the flags, and reports wrong input on one line. `help` prints `--help`.
2. `config_flags`: a `Config` from `--model` and one flag for each field.
3. `text_source.TextSource`: finds and reads the text.
4. `devices.start_tensorflow`: starts TensorFlow on the devices and machines that the flags name.
5. `training_flags`, `trained_model`: the run that is made, or that is used; `run_report` prints it.

Nothing here imports TensorFlow before the flags are parsed, so `--helpshort` answers at once.
"""
