"""A run on disk: its folder, its checkpoints, who writes in it, how it resumes."""
