"""Trains a language model from beginning to end: puts all parts together.

    result = train(preset("small"), corpus, "run")

model, step and epochs (`ptb.training.loop`), saving, resuming and rollback (`ptb.runs.session`),
the best weights, and the test perplexity.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ptb.data import documents, reader
from ptb.data.corpus import Corpus
from ptb.data.documents import Borders
from ptb.machine import checked
from ptb.runs.beginning import Beginning, begin
from ptb.runs.identity import check_meant, describe, open_run
from ptb.runs.run_folder import RunFolder
from ptb.runs.save_options import SaveOptions
from ptb.runs.trained_model import TrainedModel
from ptb.training.config import MAX_EPOCHS, Config
from ptb.training.model import build_model, check_memory
from ptb.training.report import EpochReport

if TYPE_CHECKING:
    from models.language_model import LanguageModel
    from ptb.training.perplexity import Score


def train(
    config: Config,
    corpus: Corpus,
    run: str | Path | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    **options,
) -> Result:
    """Trains a language model and scores the test split with the weights of the best epoch.

    The best epoch is the one with the lowest validation perplexity.

    Args:
      config: the hyperparameters: `ptb.preset("small")` or a `ptb.Config`.
      corpus: the text: `ptb.load_corpus()`. It needs the splits train and valid.
      run: the run folder. A run that is already there is resumed. None: nothing is saved.
      on_epoch: called with the `EpochReport` of each epoch when the epoch ends.
      options: further arguments of `ptb.open_training`, such as `save`.

    Returns:
      a `Result`: the reports, the trained model, and the test score.

    Raises:
      TypeError: an argument has the wrong type.
      ValueError: a value is wrong, the text is too short, or the folder holds another run. Nothing
        is changed.
      Stopped: Ctrl-C, SIGTERM or SIGHUP stopped the run. A checkpoint was saved.
      Diverged: the loss is NaN or infinite, or keeps rising.
      CannotSave: the run folder cannot be written. Earlier checkpoints are intact.
    """
    if not callable(on_epoch):
        raise TypeError(
            f"on_epoch is of type {type(on_epoch).__name__}: give a function of a report"
        )
    with open_training(config, corpus, run, **options) as training:
        with contextlib.closing(training.epochs()) as reports:
            for report in reports:
                on_epoch(report)
        return training.result()


@dataclass(frozen=True)
class Result:
    """The outcome of a training run.

    Attributes:
      model: the `LanguageModel` with the weights of the best epoch, until training goes on.
      reports: one `EpochReport` for each epoch, including epochs before a resume.
      best: the report of the epoch with the lowest validation perplexity.
      test: the exact `Score` of the test split with these weights and `batch_size` 1. None if the
        corpus has no test split.
      config: the hyperparameters.
      corpus: the text.
      description: what `config.json` of a run folder says of the run.
      trained: the model with its vocabulary, for `ptb.evaluate`, `ptb.generate` and `ptb.export`.
    """

    model: LanguageModel
    reports: tuple[EpochReport, ...]
    best: EpochReport
    test: Score | None
    config: Config = field(repr=False)
    corpus: Corpus = field(repr=False)
    description: dict = field(repr=False)

    @cached_property
    def trained(self) -> TrainedModel:
        return TrainedModel(
            name=f"{self.corpus.name}, epoch {self.best.epoch}",
            config=self.config,
            vocabulary=self.corpus.vocabulary,
            weights=self.model.export_weights(),
            corpus=self.description["corpus"],
            versions=self.description["versions"],
            report=self.best,
        )


@dataclass(frozen=True)
class Devices:
    """The devices that train, and the role of this process.

    `start`     called once all else is checked: returns a `tf.distribute.Strategy`, or None for
                this process alone
    `is_chief`  whether this process writes the run folder: true for one of several workers
    """

    start: Callable[[], object] = lambda: None
    is_chief: bool = True


@contextlib.contextmanager
def open_training(
    config: Config,
    corpus: Corpus,
    run: str | Path | None = None,
    save: SaveOptions | None = None,
    note: Callable[[str], None] = lambda line: None,
    devices: Devices | None = None,
    labels: dict | None = None,
    beginnings: Sequence[Beginning] = (),
    change: Sequence[str] = (),
    early_stopping: int = 0,
) -> Iterator[OpenTraining]:
    """Opens a new run, or resumes one, as a context that locks the run folder.

        with ptb.open_training(config, corpus, "run") as training:
            for report in training.epochs():
                print(report)
            result = training.result()

    Args:
      config: as for `ptb.train`.
      corpus: as for `ptb.train`.
      run: as for `ptb.train`.
      save: how often to save, how many checkpoints to keep, and what to do if training diverges.
      note: called with each line that a user should read.
      devices: a TensorFlow strategy, and whether this process is the chief.
      labels: `command` and `model`, which `config.json` shows to people.
      beginnings: initial weights other than random ones (`ptb.runs.beginning`).
      change: names of hyperparameters that may differ from the run in the folder; one of
        `ptb.runs.identity.MEANT` each.
      early_stopping: ends the run after this many epochs without a better validation perplexity.
        0: never.

    Yields:
      an `OpenTraining`.

    Raises:
      ValueError: a value is wrong, or the folder holds another run. All values are checked here,
        none later.
    """
    _check_arguments(config, corpus, save, note)
    save, devices = save or SaveOptions(), devices or Devices()
    if save.on_divergence == "rollback" and run is None:
        raise ValueError("on_divergence=rollback needs checkpoints: give a save_path")
    check_meant(change)
    checked.check("early_stopping", early_stopping, int, checked.Limits(0, MAX_EPOCHS))
    check_fits(config, corpus)
    if run is not None:
        corpus.vocabulary.check_readable()
    description = describe(config, corpus, labels)
    for beginning in beginnings:
        beginning.check_text(corpus)
        description |= beginning.description
    with contextlib.ExitStack() as cleanup:
        folder, resumes, changed = None, False, {}
        if run is not None and devices.is_chief:
            folder = RunFolder(run)
            cleanup.callback(folder.release)
            description, changed = open_run(folder, description, note, change)
            resumes = folder.exists
        strategy = devices.start()

        # TensorFlow starts here, so that what is wrong so far is said at once.
        from ptb.runs.session import Session  # noqa: PLC0415
        from ptb.training.distribution import Replicas  # noqa: PLC0415
        from ptb.training.loop import Training  # noqa: PLC0415

        sizes = config.batch_size, config.num_steps
        check_memory(config, len(corpus.vocabulary), *sizes, training=True)
        for beginning in beginnings:
            beginning.check(config, len(corpus.vocabulary))
        replicas = Replicas(strategy)
        with replicas.scope():
            model = build_model(config, len(corpus.vocabulary))
        splits, borders = (corpus.train, corpus.valid), borders_of(config, corpus)
        training = Training(model, *splits, config, replicas=replicas, borders=borders)
        vocabulary_text = corpus.vocabulary.to_text()
        # Only now: a batch_size that the replicas cannot share binds no folder.
        if folder and not resumes:
            folder.start(description, vocabulary_text)
        begins = lambda: begin(model, beginnings, config, corpus.vocabulary)  # noqa: E731
        session = Session(training, folder, save, note, begins, early_stopping)
        session.start(changed)
        # Only now: a start that is killed before its checkpoint is saved makes the change again.
        if folder and resumes:
            folder.start(description, vocabulary_text)
        opened = OpenTraining(training, session, corpus, description, devices.is_chief)
        cleanup.callback(opened._close)
        yield opened


class OpenTraining:
    """A run that is ready to train, from `ptb.open_training`.

    Attributes:
      model: the `LanguageModel`.
      config: the hyperparameters.
      corpus: the text.
      is_chief: whether this process writes the run folder.
      borders: where the documents of the corpus begin; None if they are not told apart.
    """

    def __init__(self, training, session, corpus: Corpus, description: dict, is_chief: bool):
        self._training, self._session, self._description = training, session, description
        self.model, self.config = training.state.model, training.config
        self.corpus, self.is_chief = corpus, is_chief
        self._trained: dict | None = None  # the trained weights, while the model has the best ones
        self._is_closed = False
        self.borders = borders_of(self.config, corpus)

    @property
    def reports(self) -> tuple[EpochReport, ...]:
        """The reports of all epochs so far, including epochs before a resume."""
        return self._training.state.progress.reports

    def epochs(self) -> Generator[EpochReport, None, None]:
        """Trains to the end of the run and yields the report of each epoch.

        Raises Stopped, Diverged and CannotSave, as `ptb.train` does, and ValueError once the block
        of `open_training` has ended.
        """
        from ptb.training.stop import StopRequest  # noqa: PLC0415

        with StopRequest() as stop:
            max_over_workers = self._training.replicas.max_over_workers
            self._continue()
            for report in self._session.epochs(lambda: stop.check(max_over_workers)):
                yield report
                self._continue()

    def _continue(self) -> None:
        """Puts the trained weights back into the model, where `result` has replaced them.

        Raises ValueError once the block of `open_training` has ended.
        """
        if self._is_closed:
            raise ValueError(
                "this training is closed, because its with block has ended: train inside the "
                "block, or call open_training again"
            )
        if self._trained is not None:
            self.model.import_weights(self._trained)
            self._trained = None

    def _close(self) -> None:
        self._is_closed = True

    @property
    def is_complete(self) -> bool:
        """Whether all epochs are trained."""
        return self._session.is_complete

    def evaluation_weights(self):
        """A context in which `model` has its evaluation weights, such as the moving averages."""
        return self._training.state.evaluation_weights()

    def where(self) -> str:
        """The epoch and window that the run has reached, in words."""
        return self._session.where()

    def result(self) -> Result:
        """Loads the weights of the best epoch into the model and scores the test split.

        `epochs` puts the trained weights back if it goes on after that. Only the chief scores:
        other workers keep the last weights. Raises ValueError if the checkpoint of the best epoch
        is lost, or was replaced by a later training after the block.
        """
        from ptb.training.perplexity import exact_score  # noqa: PLC0415

        best, test = self._training.state.progress.best, None
        if self.is_chief:
            trained = self._trained
            if trained is None and not self.is_complete:
                trained = self.model.export_weights()
            best = self._session.load_best()
            self._trained = trained
            if "test" in self.corpus.splits:
                test_ids, num_steps = self.corpus.test, self.config.num_steps
                test = exact_score(self.model, test_ids, num_steps, self.borders)
        reports, description = self.reports, self._description
        found = Result(self.model, reports, best, test, self.config, self.corpus, description)
        if self._trained is not None:
            _ = found.trained  # a copy of these weights, before training goes on
        return found


def _check_arguments(config, corpus, save, note) -> None:
    """Raises TypeError for an argument of a wrong type, before anything is done."""
    for name, value, wanted, remedy in (
        ("config", config, Config, 'ptb.preset("small") or ptb.Config(...)'),
        ("corpus", corpus, Corpus, "ptb.load_corpus(...)"),
        ("save", save, (SaveOptions, type(None)), "ptb.SaveOptions(...)"),
    ):
        checked.check_instance(name, value, wanted, remedy)
    if not callable(note):
        raise TypeError(f"note is of type {type(note).__name__}: give a function of a line")


def borders_of(config: Config, corpus: Corpus) -> Borders | None:
    """The starts of documents in a corpus; None with reset_at=none.

    Raises ValueError if train has only one document.
    """
    borders = documents.borders_of(config.reset_at, corpus.vocabulary)
    if borders and borders.count(corpus.train) == 1:
        raise ValueError(
            f"reset_at={config.reset_at}: the train split has only one document: leave out reset_at"
        )
    return borders


def check_fits(config: Config, corpus: Corpus) -> None:
    """Raises ValueError if a split cannot be trained on, or tested.

    It may be missing, or too short for a window; or train may be a single document.
    """
    for split in ("train", "valid"):
        if split not in corpus.splits:
            raise ValueError(f"the corpus has no {split} split: give it one")
    borders_of(config, corpus)
    batch_size, num_steps = config.batch_size, config.num_steps
    for split, check in (
        ("train", lambda ids: reader.epoch(ids, batch_size, num_steps, config.sampling, (0, 0))),
        ("valid", lambda ids: reader.validation(ids, batch_size, num_steps)),
        ("test", lambda ids: reader.every_token(ids, 1, num_steps)),
    ):
        try:
            if split in corpus.splits:
                check(corpus.splits[split])
        except ValueError as error:
            raise ValueError(f"the {split} split is too short: {error}") from None
