import numpy as np
import pytest
import tensorflow as tf

from models.dropout import dropout, embedding_dropout
from models.language_model import LanguageModel, recurrent_layers
from models.registry import CELLS, cells_that_read, rnn_modes

V, H, B, T = 11, 6, 3, 5
UNROLLS = [(mode, cell) for cell in CELLS for mode in rnn_modes(cell)]
OTHER_UNROLLS = [(mode, cell) for mode, cell in UNROLLS if mode != "static"]


def make(
    rnn_mode="static",
    cell="lstm",
    keep_prob=1.0,
    forget_bias=0.0,
    num_layers=2,
    **options,
):
    layers = recurrent_layers(rnn_mode, cell, H, num_layers, forget_bias)
    model = LanguageModel(V, H, layers, keep_prob, **options)
    model.initialize(init_scale=0.5, seed=3)
    return model


def tokens(num_steps=T, seed=0):
    return np.random.default_rng(seed).integers(V, size=(B, num_steps)).astype(np.int32)


@pytest.mark.parametrize(("rnn_mode", "cell"), UNROLLS)
def test_two_windows_with_the_state_carried_are_one_window_of_twice_the_length(rnn_mode, cell):
    model = make(rnn_mode, cell)
    text = tokens(2 * T)
    whole, last = model(text, model.initial_state(B))
    first, state = model(text[:, :T], model.initial_state(B))
    second, state = model(text[:, T:], state)
    np.testing.assert_allclose(tf.concat([first, second], axis=1), whole, atol=1e-6)
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state, last)
    cold, _ = model(text[:, T:], model.initial_state(B))
    assert np.abs(cold - second).max() > 1e-3


@pytest.mark.parametrize(("rnn_mode", "cell"), UNROLLS)
def test_the_gradient_stops_at_the_incoming_state(rnn_mode, cell):
    model = make(rnn_mode, cell)
    state = tf.nest.map_structure(lambda zeros: zeros + 0.1, model.initial_state(B))
    with tf.GradientTape() as tape:
        tape.watch(state)
        logits, _ = model(tokens(), state)
    gradients = tape.gradient(logits, state, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert all(not gradient.numpy().any() for gradient in tf.nest.flatten(gradients))


@pytest.mark.parametrize(
    "dropouts",
    [
        {},
        {"keep_prob": 0.5},
        {"keep_prob": 0.5, "weight_keep_prob": 0.6},
        {"embedding_keep_prob": 0.5},
    ],
)
@pytest.mark.parametrize(("rnn_mode", "cell"), OTHER_UNROLLS)
def test_all_unrolls_give_the_same_numbers_from_the_same_weights(rnn_mode, cell, dropouts):
    static, other = (make(mode, cell, forget_bias=0.7, **dropouts) for mode in ("static", rnn_mode))
    other.import_weights(static.export_weights())
    results = []
    for model in (static, other):
        state = tf.nest.map_structure(lambda zeros: zeros + 0.3, model.initial_state(B))
        with tf.GradientTape() as tape:
            nats, state = model.nats(tokens(), tokens(seed=1), state, training=True, seed=(5, 7))
        embedding = tape.gradient(nats, model.embedding.value)
        results.append((nats, state, tf.convert_to_tensor(embedding)))
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *results)


def test_weights_pass_through_the_keras_layout_unchanged():
    static, keras_lstm = make("static", forget_bias=1.0), make("keras", forget_bias=1.0)
    keras_lstm.import_weights(static.export_weights())
    for name, weight in keras_lstm.export_weights().items():
        np.testing.assert_allclose(weight, static.export_weights()[name], atol=1e-6)


def test_weights_are_named_by_their_path_in_the_model():
    shapes = {name: weight.shape for name, weight in make().export_weights().items()}
    cell = "layers/{}/{}"
    assert shapes == {
        "embedding": (V, H),
        cell.format(0, "kernel"): (2 * H, 4 * H),
        cell.format(0, "bias"): (4 * H,),
        cell.format(1, "kernel"): (2 * H, 4 * H),
        cell.format(1, "bias"): (4 * H,),
        "softmax_w": (H, V),
        "softmax_b": (V,),
    }


def test_weights_of_another_shape_are_refused_by_name():
    weights = make().export_weights()
    weights["softmax_b"] = np.zeros(V + 1, np.float32)
    with pytest.raises(ValueError, match=r"softmax_b .*\(12,\).*\(11,\)"):
        make().import_weights(weights)
    del weights["softmax_b"]
    with pytest.raises(ValueError, match=r"softmax_b .*None"):
        make().import_weights(weights)


@pytest.mark.parametrize(
    ("cell", "parts"),
    [
        ("lstm", [("kernel", 4), ("bias", 4)]),
        ("rnn", [("kernel", 1), ("bias", 1)]),
        (
            "gru",
            [
                ("gates_kernel", 2),
                ("gates_bias", 2),
                ("candidate_kernel", 1),
                ("candidate_bias", 1),
            ],
        ),
    ],
)
def test_weights_are_drawn_in_the_order_of_the_graph(cell, parts):
    """A seed gives the weights that it always gave."""
    model, rng = make(cell=cell), np.random.default_rng(3)
    shapes = {"embedding": (V, H)}
    for layer in range(2):
        for name, gates in parts:
            rows = (2 * H,) if "kernel" in name else ()
            shapes[f"layers/{layer}/{name}"] = (*rows, gates * H)
    shapes |= {"softmax_w": (H, V), "softmax_b": (V,)}
    weights = model.export_weights()
    assert list(weights) == list(shapes)
    for name, shape in shapes.items():
        drawn = rng.uniform(-0.5, 0.5, shape).astype(np.float32)
        np.testing.assert_array_equal(weights[name], drawn, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_all_weights_start_uniform_within_init_scale(cell):
    model = make(cell=cell, num_layers=1)
    model.initialize(init_scale=0.1, seed=1)
    weights = model.export_weights()
    for name, weight in weights.items():
        assert 0.03 < np.abs(weight).max() <= 0.1, name
    model.initialize(init_scale=0.1, seed=1)
    np.testing.assert_array_equal(model.export_weights()["softmax_w"], weights["softmax_w"])


def test_dropout_keeps_the_mean_and_draws_a_fresh_mask_for_each_step():
    dropped = np.array(dropout([tf.ones([50, 40])] * 20, keep_prob=0.8, seed=(1, 2)))
    assert set(np.unique(dropped)) == {np.float32(0.0), np.float32(1.25)}
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    assert (dropped[0] != dropped[1]).any()


@pytest.mark.parametrize(
    ("dropped", "cell"),
    [(name, cell) for name in ("keep_prob", "embedding_keep_prob") for cell in CELLS]
    + [("weight_keep_prob", cell) for cell in cells_that_read("weight_keep_prob")],
)
def test_dropout_needs_a_seed_and_repeats_with_it_and_is_off_outside_of_training(dropped, cell):
    model, whole = make(cell=cell, **{dropped: 0.5}), make(cell=cell)
    state = model.initial_state(B)
    with pytest.raises(ValueError, match="seed"):
        model(tokens(), state, training=True)
    first, again, other = (
        model(tokens(), state, training=True, seed=seed)[0] for seed in [(1, 2), (1, 2), (1, 3)]
    )
    np.testing.assert_array_equal(first, again)
    assert (first.numpy() != other.numpy()).any()
    np.testing.assert_array_equal(model(tokens(), state)[0], whole(tokens(), state)[0])


def test_a_cell_without_recurrent_weights_has_none_to_drop():
    dropped, whole = make(cell="min_gru", weight_keep_prob=0.5), make(cell="min_gru")
    state = whole.initial_state(B)
    np.testing.assert_array_equal(
        dropped(tokens(), state, training=True, seed=(1, 2))[0], whole(tokens(), state)[0]
    )


def test_embedding_dropout_drops_a_word_wherever_it_occurs_in_the_window():
    words = np.arange(4000).reshape(2, 2000) % 1000
    dropped = embedding_dropout(tf.ones([2, 2000, H]), words, 1000, 0.8, (1, 2)).numpy()
    assert set(np.unique(dropped)) == {np.float32(0.0), np.float32(1.25)}
    by_word = dropped.reshape(4, 1000, H)
    assert (by_word == by_word[0, :, :1]).all()
    assert (by_word[0, :, 0] > 0).mean() == pytest.approx(0.8, abs=0.03)


def test_a_dropped_word_reads_as_a_vector_of_zeros_and_gets_no_gradient():
    model = make(embedding_keep_prob=0.5)
    seed, text = (1, 2), tokens()
    with tf.GradientTape() as tape:
        nats, _ = model.nats(text, text, model.initial_state(B), training=True, seed=seed)
    gradient = tf.convert_to_tensor(tape.gradient(nats, model.embedding.value)).numpy()
    kept = gradient.any(axis=1)
    assert set(text.ravel()) > set(np.flatnonzero(kept)) > set()
    weights = model.export_weights()
    weights["embedding"] *= 2 * kept[:, None]
    whole = make()
    whole.import_weights(weights)
    expected, _ = whole.nats(text, text, whole.initial_state(B))
    np.testing.assert_allclose(nats, expected, rtol=1e-6)


def test_weight_dropout_draws_another_mask_for_each_layer():
    model = make(weight_keep_prob=0.5)
    masks = []
    for i, layer in enumerate(model.recurrent):
        with model._weight_dropout(layer, True, (1, 2), i):
            masks.append(np.array(layer.cell.kernel.value)[H:] == 0)
    assert (masks[0] != masks[1]).any()


def test_an_unroll_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"cell=gru .*rnn_mode=keras"):
        recurrent_layers("keras", "gru", H, 1)


@pytest.mark.parametrize("cutoffs", [(), (4, 7)])
@pytest.mark.parametrize("tie_weights", [False, True])
def test_nats_are_those_of_the_logits_with_every_softmax_end(tie_weights, cutoffs):
    layers = recurrent_layers("fused", "lstm", H, 1)
    model = LanguageModel(V, H, layers, tie_weights=tie_weights, cutoffs=cutoffs)
    model.initialize(init_scale=0.5, seed=3)
    nats, _ = model.nats(tokens(), tokens(seed=1), model.initial_state(B))
    log_probs = tf.nn.log_softmax(model(tokens(), model.initial_state(B))[0])
    expected = -tf.gather(log_probs, tokens(seed=1), batch_dims=2)
    np.testing.assert_allclose(nats, expected, rtol=1e-5, atol=1e-5)


def test_tied_weights_get_the_gradient_of_both_ends():
    tied = LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1), tie_weights=True)
    tied.initialize(init_scale=0.5, seed=3)
    untied = LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1))
    weights = tied.export_weights()
    assert "softmax_w" not in weights
    untied.import_weights(weights | {"softmax_w": weights["embedding"].T})
    gradients = []
    for model in (tied, untied):
        with tf.GradientTape() as tape:
            nats, _ = model.nats(tokens(), tokens(seed=1), model.initial_state(B))
        ends = [model.embedding.value] + ([] if model is tied else [model.softmax_w.value])
        gradients.append([tf.convert_to_tensor(g) for g in tape.gradient(nats, ends)])
    (both,), (embedding, softmax_w) = gradients
    np.testing.assert_allclose(both, embedding + tf.transpose(softmax_w), atol=1e-5)


@pytest.mark.parametrize("cutoffs", [(), (4, 7)])
def test_with_counts_a_model_of_zero_weights_starts_as_a_unigram_model(cutoffs):
    counts = np.arange(V, 0, -1) * 10
    model = LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1), cutoffs=cutoffs)
    model.initialize(0.0, seed=1, counts=counts)
    logits, _ = model(tokens(), model.initial_state(B))
    expected = (counts + 0.5) / (counts + 0.5).sum()
    np.testing.assert_allclose(tf.nn.softmax(logits)[0, 0], expected, rtol=1e-5)


def test_a_vocabulary_that_fits_into_the_head_has_one_level():
    model = LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1), cutoffs=(V, 50))
    assert model.cutoffs == ()
    assert "cluster_w" not in model.export_weights()
