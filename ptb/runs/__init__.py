"""Runs on disk: the run folder, checkpoints, locking, and how a run resumes.

The main path, in order:

1. `train.train`: trains from beginning to end; all parts are put together here.
2. `identity`: which run a folder holds, and whether another start may resume it.
3. `session.Session`: resumes from the newest checkpoint, saves, rolls back, stops when asked.
4. `checkpoint_folder.CheckpointFolder`: which checkpoint is the newest, kept, or damaged.
5. `checkpoint`: a training state in one file.
6. `trained_model.load_run`: the trained model of a run, to evaluate, generate with or export.
"""
