import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from models.registry import CELLS
from ptb.data import reader
from ptb.training.config import Config
from ptb.training.loop import Diverged, Training
from ptb.training.model import build_model
from ptb.training.perplexity import Evaluator
from ptb.training.progress import Progress

V = 12
CONFIG = Config(
    hidden_size=8,
    num_layers=1,
    num_steps=4,
    batch_size=5,
    num_epochs=3,
    constant_epochs=1,
    keep_prob=0.8,
)
TRAIN, VALID = (np.arange(n, dtype=np.int32) ** 2 % V for n in (600, 90))


def make_model(config=CONFIG, rnn_mode="fused"):
    model = build_model(dataclasses.replace(config, rnn_mode=rnn_mode), V)
    model.initialize(config.init_scale, config.seed)
    return model


def train(model, config=CONFIG):
    training = Training(model, TRAIN, VALID, config)
    for _ in training.advance():
        pass
    return list(map(without_clock, training.state.progress.reports))


def without_clock(report):
    return dataclasses.replace(report, seconds=0.0, words_per_second=0.0)


def test_each_epoch_is_reported_with_its_learning_rate_and_learns():
    reports = train(make_model())
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert [report.learning_rate for report in reports] == [1.0, 0.5, 0.25]
    valid = [report.valid_perplexity for report in reports]
    assert valid[2] < valid[1] < valid[0] < V


def test_a_seed_repeats_bit_for_bit():
    models = make_model(), make_model()
    assert train(models[0]) == train(models[1])
    for name, weight in models[0].export_weights().items():
        np.testing.assert_array_equal(weight, models[1].export_weights()[name])


ADAMW = {
    "optimizer": "adamw",
    "schedule": "linear",
    "learning_rate": 0.01,
    "tie_weights": True,
    "softmax": "adaptive",
    "adaptive_cutoffs": "5",
    "ema_momentum": 0.9,
}


@pytest.mark.parametrize(
    ("sampling", "rnn_mode", "options"),
    [
        pytest.param("sequential", "static", {}, marks=pytest.mark.slow),
        pytest.param("sequential", "fused", {}, marks=pytest.mark.slow),
        pytest.param("sequential", "fused", ADAMW, marks=pytest.mark.slow),
        pytest.param("random", "fused", {}, marks=pytest.mark.slow),
        pytest.param("random", "keras", {}, marks=pytest.mark.slow),
    ],
)
def test_training_resumes_from_any_place_as_if_it_had_never_stopped(sampling, rnn_mode, options):
    config = dataclasses.replace(CONFIG, sampling=sampling, num_epochs=2, **options)
    training = Training(make_model(config, rnn_mode), TRAIN, VALID, config, windows_per_call=4)
    snapshots = [training.state.export() for _ in training.advance()]
    last = snapshots[-1]
    windows = [snapshot.progress.window for snapshot in snapshots]
    assert windows == [4, 8, 12, 16, 20, 24, 28, 29, 0] * 2
    # Within an epoch, before its validation, and at the start of another.
    for snapshot in (snapshots[2], snapshots[7], snapshots[8], snapshots[13]):
        resumed = Training(make_model(config, rnn_mode), TRAIN, VALID, config, windows_per_call=7)
        resumed.restore(snapshot)
        for _ in resumed.advance():
            pass
        end = resumed.state.export()
        assert list(map(without_clock, end.progress.reports)) == list(
            map(without_clock, last.progress.reports)
        )
        assert bits(end.weights) == bits(last.weights)
        assert bits(end.slots) == bits(last.slots)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_resumes_from_a_checkpoint_as_if_it_had_never_stopped(cell):
    adamw = {"optimizer": "adamw", "learning_rate": 0.01, "ema_momentum": 0.9}
    dropouts = {"weight_keep_prob": 0.7, "embedding_keep_prob": 0.8}
    config = dataclasses.replace(CONFIG, cell=cell, num_epochs=1, **dropouts, **adamw)

    def start():
        model = make_model(config, "static")
        return Training(model, TRAIN[:121], VALID[:20], config, windows_per_call=3)

    training = start()
    snapshots = [training.state.export() for _ in training.advance()]
    resumed = start()
    resumed.restore(snapshots[0])
    for _ in resumed.advance():
        pass
    end, again = snapshots[-1], resumed.state.export()
    assert bits(again.weights) == bits(end.weights) != bits(snapshots[0].weights)
    assert bits(again.slots) == bits(end.slots)
    assert without_clock(again.progress.reports[0]) == without_clock(end.progress.reports[0])


def test_averages_are_validated_and_the_model_has_the_trained_weights_at_all_times():
    options = {"learning_rate": 0.5, "learning_rate_decay": 1.0}
    config = dataclasses.replace(CONFIG, num_epochs=2, **options)
    training = Training(make_model(), TRAIN, VALID, config, windows_per_call=1)
    trained = [(costs, training.state.export()) for costs in training.advance()]
    averaged = make_model()
    config = dataclasses.replace(config, ema_momentum=0.95)
    training = Training(averaged, TRAIN, VALID, config, windows_per_call=1)
    averages, steps = {}, 0
    for (costs, plain), _ in zip(trained, training.advance(), strict=True):
        snapshot = training.state.export()
        assert bits(averaged.export_weights()) == bits(snapshot.weights) == bits(plain.weights)
        if costs:
            steps += 1
            keep = min(0.95, 1 - 9 / (steps + 8))
            for name, weight in snapshot.weights.items():
                averages[name] = keep * averages.get(name, 0) + (1 - keep) * np.float64(weight)
        for name, weight in snapshot.evaluation_weights.items():
            np.testing.assert_allclose(weight, averages[name], rtol=1e-4, atol=1e-6)
        if not costs:
            with training.state.evaluation_weights():
                assert bits(averaged.export_weights()) == bits(snapshot.evaluation_weights)
                valid = reader.validation(VALID, config.batch_size, config.num_steps)
                expected = Evaluator(averaged)(valid).perplexity
            assert snapshot.progress.reports[-1].valid_perplexity == expected
            assert bits(plain.evaluation_weights) == bits(plain.weights)
    assert steps == 2 * 29


def test_averages_of_no_step_are_not_evaluated():
    config = dataclasses.replace(CONFIG, ema_momentum=0.95)
    snapshot = Training(make_model(), TRAIN, VALID, config).state.export()
    assert bits(snapshot.evaluation_weights) == bits(snapshot.weights)


def test_if_validation_is_interrupted_the_state_is_that_before_it():
    model = make_model()
    config = dataclasses.replace(CONFIG, ema_momentum=0.95)
    training = Training(model, TRAIN, VALID, config, windows_per_call=100)
    stops = [False]

    def check():
        if stops[0]:
            raise InterruptedError

    calls = training.advance(check)
    assert len(next(calls)) == 29
    before = model.export_weights()
    stops[0] = True
    with pytest.raises(InterruptedError):
        next(calls)
    assert bits(model.export_weights()) == bits(before)
    assert training.state.progress.window == 29


def bits(arrays):
    return {name: array.tobytes() for name, array in arrays.items()}


def test_a_place_that_the_run_does_not_have_is_refused():
    training = Training(make_model(), TRAIN, VALID, CONFIG)
    own = training.state.export()
    with pytest.raises(ValueError, match=r"window=30 .*29"):
        training.restore(dataclasses.replace(own, progress=Progress(window=30)))
    state = [np.zeros((5, 8), np.float32)] * 2
    for other in ([], state[:1], [np.zeros((5, 9), np.float32)] * 2, [np.zeros((5, 8))] * 2):
        with pytest.raises(ValueError, match="shapes"):
            training.restore(dataclasses.replace(own, state=other))
    averages = {f"average/{name}": weight for name, weight in own.weights.items()}
    for other in ({"m0": state[0]}, averages):
        with pytest.raises(ValueError, match="slots"):
            training.restore(dataclasses.replace(own, slots=other))


def test_a_loss_beyond_all_bounds_stops_the_run_before_it_is_saved():
    config = dataclasses.replace(CONFIG, learning_rate=1e6, max_grad_norm=1e9)
    with pytest.raises(Diverged) as raised:
        train(make_model(), config)
    assert (raised.value.epoch, raised.value.learning_rate) == (1, 1e6)


def test_a_loss_that_is_no_number_stops_the_run_and_says_where():
    model = make_model()
    weights = model.export_weights()
    weights["softmax_b"][0] = np.nan
    model.import_weights(weights)
    with pytest.raises(Diverged, match="loss nan") as raised:
        train(model)
    assert (raised.value.epoch, raised.value.window, raised.value.learning_rate) == (1, 0, 1.0)


def test_workers_are_told_apart_by_config_flags_and_every_text():
    """Each would train or validate another number of windows than its fellows."""

    def digest(config=CONFIG, train=TRAIN, valid=VALID, flags=("10m", 0)):
        training, sent = Training(make_model(), train, valid, config), []
        training.replicas = SimpleNamespace(alone=False, max_over_workers=sent.append)
        with pytest.raises((TypeError, ValueError)):  # the others do not answer
            training.share(flags)
        return sent[0]

    others = (
        digest(dataclasses.replace(CONFIG, learning_rate=0.5)),
        digest(train=TRAIN[:-1]),
        digest(valid=VALID[:-1]),
        digest(flags=("20w", 0)),
    )
    assert len({digest(), *others}) == 5
    assert digest() == digest()
