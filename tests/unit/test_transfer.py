"""Transfer learning: what goes in and comes out, which weights are taken, and where a net looks.

The weights are random, of the smallest network, in files like Keras's.
"""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest

import labkit
from labkit import models
from labkit.data import Dataset, Source
from labkit.data.weights import MissingWeights
from labkit.errors import DataError, LabError
from labkit.models.transfer import _NETWORKS, _load, _preprocessing

SMALL = "MobileNet-0.25"
NOTOP = "mobilenet_2_5_224_tf_no_top.h5"
TOP = "mobilenet_2_5_224_tf.h5"


@pytest.fixture(scope="module")
def keras():
    return labkit.keras


@pytest.fixture(scope="module")
def files(keras, tmp_path_factory):
    """A folder with the weights of a random MobileNet-0.25, in both of Keras's layouts."""
    folder = tmp_path_factory.mktemp("weights")
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(1)
    for name, top in ((NOTOP, False), (TOP, True)):
        network = keras.applications.MobileNet(alpha=0.25, weights=None, include_top=top)
        for kernel in network.weights:
            if len(kernel.shape) == 4:  # of a size that lets something through 27 layers
                inputs = np.prod(kernel.shape[:2]) * (1 if "dw" in kernel.path else kernel.shape[2])
                kernel.assign(random.normal(0, np.sqrt(3 / inputs), kernel.shape))
        network.save(folder / name)
        if not top:
            network.save_weights(folder / "new.weights.h5")
    return folder


@pytest.fixture
def folder(files, monkeypatch):
    """The same folder as LABKIT_DATA."""
    monkeypatch.setenv("LABKIT_DATA", str(files))
    monkeypatch.setenv("LABKIT_OFFLINE", "1")
    return files


@pytest.fixture(scope="module")
def data():
    """Two classes of 32 × 40 colour pictures: bright above, or below."""
    random = np.random.default_rng(0)
    y = np.arange(24) % 2
    x = random.integers(0, 100, (24, 32, 40, 3), np.uint8)
    for i, label in enumerate(y):
        x[i, 16 * label :][:16] += 150
    source = Source("folder", "made for this test")
    return Dataset("halves", "Halves", x, y, x[:8], y[:8], source, ("above", "below"))


@pytest.fixture(scope="module")
def model(files, data):
    return models.transfer(data, backbone=SMALL, weights=files / NOTOP)


@pytest.fixture(scope="module")
def imagenet(files):
    return models.classifier(SMALL, weights=files / TOP)


def predict(model, pictures):
    """What `model.predict` gives, without its second or two of preparation."""
    return np.asarray(model(pictures, training=False))


def one_epoch(model, data):
    model.run_eagerly = True  # likewise
    return model.fit(data.x_test, data.y_test, verbose=0)


def test_raw_pictures_go_in_and_probabilities_come_out(model, data):
    probabilities = model.predict(data.x_test, verbose=0)
    assert data.x_test.dtype == np.uint8
    assert probabilities.shape == (8, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert model.name == "transfer_MobileNet-0.25"


def test_the_new_layer_learns_alone_and_then_the_backbone_s_last_layers(files, data):
    model = models.transfer(data, backbone=SMALL, weights=files / NOTOP)
    backbone, head = model.get_layer("backbone"), model.layers[-1]

    before = weights_of(backbone, head)
    history = one_epoch(model, data)
    assert set(history.history) == {"loss", "accuracy"} and np.isfinite(history.history["loss"])
    assert changed(before, weights_of(backbone, head)) == {head.name}

    assert models.fine_tune(model, layers=6) is model
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1e-5)
    before = weights_of(backbone, head)
    one_epoch(model, data)
    after = weights_of(backbone, head)
    # The last six layers are two convolutions, what normalises them, and activations.
    assert changed(before, after) == {"conv_dw_13", "conv_pw_13", head.name}

    models.fine_tune(model)
    assert backbone.get_layer("conv1").trainable
    assert not backbone.get_layer("conv1_bn").trainable

    models.fine_tune(model, layers=6, batch_normalization=True)
    before = weights_of(backbone, head)
    one_epoch(model, data)
    learned = {"conv_dw_13", "conv_dw_13_bn", "conv_pw_13", "conv_pw_13_bn", head.name}
    assert changed(before, weights_of(backbone, head)) == learned


def weights_of(backbone, head):
    return {layer.name: layer.get_weights() for layer in (*backbone.layers, head)}


def changed(before, after):
    return {
        name
        for name, old in before.items()
        if any((a != b).any() for a, b in zip(old, after[name], strict=True))
    }


def test_fine_tuning_needs_a_backbone_and_a_number_of_layers(model):
    with pytest.raises(LabError, match="no layer called backbone.*models.transfer"):
        models.fine_tune(models.cnn(((28, 28, 1), 10)))
    with pytest.raises(LabError, match="at least 1"):
        models.fine_tune(model, layers=0)


def test_a_saved_model_predicts_the_same_and_holds_no_code(keras, files, data, tmp_path):
    grey = ((30, 30, 1), 3)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 30, 30, 1), np.uint8)
    model = models.transfer(grey, backbone=SMALL, weights=str(files / "new.weights.h5"))
    with h5py.File(files / "new.weights.h5") as file:
        first = file["layers/conv2d/vars/0"][:]
    np.testing.assert_array_equal(model.get_layer("backbone").get_weights()[0], first)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(predict(model, pictures), predict(loaded, pictures))
    assert not loaded.get_layer("backbone").trainable
    assert models.fine_tune(loaded).get_layer("backbone").trainable


@pytest.mark.parametrize(
    "backbone, module",
    [
        ("MobileNet", "mobilenet"),
        ("MobileNetV2", "mobilenet_v2"),
        ("Xception", "xception"),
        ("InceptionV3", "inception_v3"),
        ("ResNet50", "resnet50"),
        ("VGG16", "vgg16"),
    ],
)
def test_pictures_are_prepared_as_the_network_was_trained(keras, backbone, module, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 130, 140, 3), np.uint8)
    ours = _preprocessing(_NETWORKS[backbone], (130, 140, 3))
    expected = getattr(keras.applications, module).preprocess_input(pictures.astype("float32"))
    np.testing.assert_allclose(predict(ours, pictures), expected, atol=2e-5)
    ours.save(tmp_path / "ours.keras")
    loaded = keras.models.load_model(tmp_path / "ours.keras", safe_mode=True)
    np.testing.assert_allclose(predict(loaded, pictures), expected, atol=2e-5)


def test_small_and_grey_pictures_are_enlarged_and_given_three_channels():
    grey = np.random.default_rng(0).integers(0, 256, (2, 28, 200, 1), np.uint8)
    prepared = predict(_preprocessing(_NETWORKS[SMALL], (28, 200, 1)), grey)
    assert prepared.shape == (2, 128, 200, 3)
    assert -1 <= prepared.min() < prepared.max() <= 1
    np.testing.assert_array_equal(prepared[..., 0], prepared[..., 2])


def test_imagenet_weights_come_from_the_folder(folder, data, model, capsys):
    found = models.transfer(data, backbone=SMALL)
    for ours, theirs in zip(
        found.get_layer("backbone").get_weights(),
        model.get_layer("backbone").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert "not verified" in capsys.readouterr().out


def test_a_tampered_file_is_refused(folder, data, files):
    (files / "SHA256SUMS").write_text(f"{'0' * 64}  {NOTOP}\n")
    try:
        with pytest.raises(DataError, match="SHA-256 is not the one"):
            models.transfer(data, backbone=SMALL)
    finally:
        (files / "SHA256SUMS").unlink()


def test_missing_weights_say_what_to_do_and_none_is_a_random_start(folder, data):
    with pytest.raises(MissingWeights, match="labkit data fetch MobileNet`"):
        models.transfer(data, backbone="MobileNet")
    random = models.transfer(data, backbone=SMALL, weights=None, train_backbone=True)
    assert random.name == "transfer_MobileNet-0.25_random"
    assert all(layer.trainable for layer in random.get_layer("backbone").layers)


def spoil_truncated(path, files):
    path.write_bytes((files / NOTOP).read_bytes()[:100_000])


def spoil_html(path, files):
    path.write_text("<html>Please log in</html>")


def spoil_empty(path, files):
    path.write_bytes(b"")


def spoil_with_top(path, files):
    path.write_bytes((files / TOP).read_bytes())


def spoil_no_names(path, files):
    with h5py.File(path, "w") as file:
        file["layer_names"] = [1, 2]


def spoil_bomb(path, files):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        group = file.create_group("conv1")
        group.attrs["weight_names"] = [b"kernel"]
        group.create_dataset("kernel", (1 << 28,), "f4", chunks=(1 << 20,), compression="gzip")


@pytest.mark.parametrize(
    "name, spoil",
    [
        ("mine.h5", spoil_truncated),
        ("mine.h5", spoil_html),
        ("mine.h5", spoil_empty),
        ("mine.h5", spoil_with_top),
        ("mine.h5", spoil_no_names),
        ("mine.h5", spoil_bomb),
        ("mine.weights.h5", spoil_html),
        ("mine.weights.h5", spoil_with_top),
        ("mine.weights.h5", spoil_bomb),
    ],
)
def test_a_file_that_is_not_the_network_s_weights_is_refused(files, model, tmp_path, name, spoil):
    spoil(tmp_path / name, files)
    with pytest.raises(DataError, match=f"{name} does not hold the weights of this network"):
        _load(model.get_layer("backbone"), tmp_path / name)


def test_a_classifier_needs_the_file_with_the_top(imagenet, files):
    with pytest.raises(DataError, match="a classifier one with it"):
        _load(imagenet, files / NOTOP)


def test_a_path_to_nothing_or_to_another_kind_of_file(data, tmp_path):
    with pytest.raises(DataError, match="is not there. Give a weights file"):
        models.transfer(data, backbone=SMALL, weights=tmp_path / "none.h5")
    (tmp_path / "model.pkl").write_bytes(b"\x80")
    with pytest.raises(DataError, match="is not a .h5 file"):
        models.transfer(data, backbone=SMALL, weights=tmp_path / "model.pkl")


@pytest.fixture(scope="module")
def own(data):
    """A learner's own network, which knows pictures of 16 × 16, a little trained."""
    model = models.cnn_bn(((16, 16, 3), 4), filters=(8, 12))
    small = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    model.run_eagerly = True
    model.fit(small, np.arange(8) % 4, verbose=0)
    return model


def test_a_network_of_ones_own_is_a_backbone_up_to_its_last_maps(keras, own, data, tmp_path):
    model = models.transfer(data, backbone=own)
    assert model.name == "transfer_cnn_bn"
    maps = keras.ops.image.resize(data.x_test.astype("float32"), (16, 16))
    for layer in own.layers[:-2]:  # without pooling and classes
        maps = layer(maps)
    ours = keras.Model(model.input, model.get_layer("pooling").input)
    np.testing.assert_allclose(predict(ours, data.x_test), np.asarray(maps), atol=1e-4)
    assert models.grad_cam(model, data.x_test[0]).shape == (32, 40)

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(predict(model, data.x_test), predict(loaded, data.x_test))


def test_training_leaves_the_network_that_was_given_as_it_was(own, data):
    before = own.get_weights()
    model = models.transfer(data, backbone=own)
    backbone = model.get_layer("backbone")
    kernels = [w.copy() for w in backbone.get_weights()]
    history = labkit.fit(model, data, epochs=1, recipe="fast")
    assert np.isfinite(history.last("loss")) and not backbone.trainable_weights
    assert all((a == b).all() for a, b in zip(kernels, backbone.get_weights(), strict=True))

    one_epoch(models.fine_tune(model, learning_rate=0.01), data)
    assert (backbone.get_weights()[0] != kernels[0]).any()
    assert len(backbone.trainable_weights) == 2, "two convolutions, and no batch normalisation"
    assert all((a == b).all() for a, b in zip(before, own.get_weights(), strict=True))
    assert own.trainable_weights and own.layers[1].trainable


def test_the_same_network_from_a_random_start(own, data):
    random = models.transfer(data, backbone=own, weights=None)
    assert random.name == "transfer_cnn_bn_random"
    learned = models.transfer(data, backbone=own).get_layer("backbone").get_weights()
    fresh = random.get_layer("backbone").get_weights()
    assert [w.shape for w in fresh] == [w.shape for w in learned]
    assert (fresh[0] != learned[0]).any()


def test_grey_pictures_and_a_backbone_for_any_size(keras, own):
    pictures = np.random.default_rng(0).integers(0, 256, (2, 30, 26, 1), np.uint8)
    assert predict(models.transfer(((30, 26, 1), 3), backbone=own), pictures).shape == (2, 3)
    layers = keras.layers
    anyhow = keras.Sequential([layers.Input((None, None, 1)), layers.Conv2D(5, 3)])
    model = models.transfer(((30, 26, 1), 3), backbone=anyhow)
    assert model.get_layer("pooling").input.shape == (None, 28, 24, 5)


def test_a_classifier_and_a_transfer_model_can_be_backbones(imagenet, own, data):
    whole = models.transfer(data, backbone=imagenet)
    assert whole.get_layer("pooling").input.shape == (None, 7, 7, 256)
    twice = models.transfer(((16, 16, 3), 5), backbone=models.transfer(data, backbone=own))
    assert twice.output_shape == (None, 5)
    models.fine_tune(twice)
    assert len(twice.get_layer("backbone").trainable_weights) == 2


def test_a_backbone_that_does_not_fit_says_so(keras, own, data):
    with pytest.raises(LabError, match="a model of your own brings its own. Leave weights out"):
        models.transfer(data, backbone=own, weights="mine.h5")
    grey = models.cnn(((28, 28, 1), 10))
    with pytest.raises(LabError, match=r"takes \(28, 28, 1\), and the pictures are \(32, 40, 3\)"):
        models.transfer(data, backbone=grey)
    with pytest.raises(LabError, match="nothing that is known.*a built Keras model"):
        models.transfer(data, backbone=keras.Sequential([keras.layers.Conv2D(4, 3)]))
    with pytest.raises(LabError, match="nothing that is known"):
        models.transfer(data, backbone=None)
    with pytest.raises(LabError, match="no convolution"):
        models.transfer(data, backbone=models.softmax_regression(((32, 40, 3), 2)))


def test_an_unknown_backbone_and_data_that_is_no_picture():
    with pytest.raises(LabError, match="no backbone 'resnet'. Choose one of: MobileNet-0.25"):
        models.transfer(((64, 64, 3), 2), backbone="resnet")
    with pytest.raises(LabError, match=r"shape \(5,\); a backbone takes pictures"):
        models.transfer(((5,), 2), backbone=SMALL)
    with pytest.raises(LabError, match="no backbone 'resnet'"):
        models.classifier("resnet")


def test_the_classifier_gives_probabilities_that_can_be_named(imagenet, files, monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    probabilities = predict(imagenet, picture)
    assert probabilities.shape == (1, 1000)
    assert probabilities.sum() == pytest.approx(1, rel=1e-5)
    names = {str(i): [f"n{i:08}", f"class_{i}"] for i in range(1000)}
    (files / "imagenet_class_index.json").write_text(json.dumps(names))
    monkeypatch.setenv("LABKIT_DATA", str(files))
    best = models.decode(probabilities, top=3)
    order = np.argsort(-probabilities[0])
    assert [name for name, _ in best] == [f"class {i}" for i in order[:3]]
    assert [p for _, p in best] == pytest.approx(probabilities[0][order[:3]])
    assert models.decode(probabilities[0], top=1) == best[:1]
    with pytest.raises(LabError, match=r"decode\(probabilities\[0\]\)"):
        models.decode(np.zeros((2, 1000)))


def test_grad_cam_of_a_transfer_model_is_its_maps_weighted_by_the_dense_layer(keras, model, data):
    # After global average pooling, the gradient is the dense layer's weight: Grad-CAM is CAM.
    heat = models.grad_cam(model, data.x_test[0])
    assert heat.shape == (32, 40) and heat.dtype == np.float32
    maps = predict(keras.Model(model.input, model.get_layer("pooling").input), data.x_test[:1])
    label = predict(model, data.x_test[:1]).argmax()
    expected = np.maximum(maps[0] @ model.layers[-1].get_weights()[0][:, label], 0)
    enlarged = np.asarray(keras.ops.image.resize(expected[..., None], (32, 40)))[..., 0]
    assert enlarged.max() > 0
    np.testing.assert_allclose(heat, enlarged / enlarged.max(), atol=1e-4)


def test_grad_cam_finds_what_speaks_for_a_class_and_nothing_where_nothing_does(keras):
    # One filter that answers to brightness, of which class 1 is made and class 0 is not.
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((20, 20, 1)),
            layers.Conv2D(1, 3, kernel_initializer="ones", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax", kernel_initializer=lambda *_, **__: [[-1.0, 1]]),
        ]
    )
    picture = np.zeros((20, 20, 1), np.uint8)
    picture[2:8, 12:18] = 200
    heat = models.grad_cam(model, picture)
    assert heat.max() == 1 and heat[:, :10].max() == heat[10:].max() == 0
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 2 <= row < 8 and 12 <= column < 18
    assert models.grad_cam(model, picture, label=0).max() == 0


def test_grad_cam_of_a_cnn():
    model = models.cnn(((28, 28, 1), 10))
    picture = np.random.default_rng(0).integers(0, 256, (28, 28, 1), np.uint8)
    for label in range(10):
        heat = models.grad_cam(model, picture, label=label)
        assert heat.shape == (28, 28) and heat.min() >= 0 and heat.max() in (0, 1)


def test_grad_cam_looks_at_the_maps_of_a_classifier_before_they_are_pooled(imagenet):
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    heat = models.grad_cam(imagenet, picture)
    assert heat.shape == (224, 224) and 0 <= heat.min() < heat.max() == 1


def test_grad_cam_says_what_does_not_fit(model, data):
    with pytest.raises(LabError, match=r"shape \(8, 32, 40, 3\), the model takes \(32, 40, 3\)"):
        models.grad_cam(model, data.x_test)
    with pytest.raises(LabError, match="classes 0 to 1"):
        models.grad_cam(model, data.x_test[0], label=2)
    flat = models.softmax_regression(((28, 28, 1), 10))
    with pytest.raises(LabError, match="no convolution"):
        models.grad_cam(flat, np.zeros((28, 28, 1)))


def test_importing_the_models_does_not_import_tensorflow():
    program = "import labkit.models, sys; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
