from __future__ import annotations

import gzip
import itertools
import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from scipy.io import savemat
from scipy.spatial.distance import cdist
from scipy.stats import hypergeom, kstest

from entbench.networks.data import (
    MNIST,
    augment,
    load_mnist,
    load_spiral,
    load_szt,
    split,
)

MNIST_FOLDER = Path(
    os.environ.get("ENTBENCH_MNIST_DIR") or Path(__file__).parents[3] / "shared" / "data" / "mnist"
)

# as published with the rule: column -> neighbours
NEIGHBOURS = [
    "1 3 5 10 11",
    "0 2 3 4 11",
    "1 3 4 8 9",
    "0 1 2 8 10",
    "1 2 6 9 11",
    "0 6 7 10 11",
    "4 5 7 9 11",
    "5 6 8 9 10",
    "2 3 7 9 10",
    "2 4 6 7 8",
    "0 3 5 7 8",
    "0 1 4 5 6",
]


def binary_entropy(p: float) -> float:
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


@pytest.fixture(autouse=True)
def _no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENTBENCH_MNIST_DIR", raising=False)


def test_loaders_need_neither_torch_nor_scipy_at_import() -> None:
    code = (
        "import sys, entbench.networks.data; print({'torch', 'scipy', 'sklearn'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# SZT ---------------------------------------------------------------------------------------------


def matchings(one: np.ndarray, other: np.ndarray) -> list[list[int]]:
    """All p with one[i, j] == other[p[i], p[j]], grown a vertex at a time."""
    partial: list[list[int]] = [[]]
    for i in range(len(one)):
        partial = [
            [*p, v]
            for p in partial
            for v in range(len(one))
            if v not in p and all(one[i, j] == other[v, p[j]] for j in range(i))
        ]
    return partial


@pytest.fixture(scope="module")
def distance() -> np.ndarray:
    """Steps between the columns' vertices (1, 2 or 3), from the icosahedron's coordinates."""
    golden = (1 + math.sqrt(5)) / 2
    flat = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    points = np.array([np.roll(p, turn) for p in flat for turn in range(3)])
    steps = np.digitize(cdist(points, points), [0.1, 2.1, 3.5])
    adjacent = np.array([[str(j) in row.split() for j in range(12)] for row in NEIGHBOURS])
    places = matchings(adjacent, steps == 1)[0]
    return steps[np.ix_(places, places)]


def test_szt_is_all_patterns_in_counting_order() -> None:
    X, y = load_szt()
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    assert np.array_equal(X, list(itertools.product((0, 1), repeat=12)))
    assert np.bincount(y).tolist() == [1978, 2118]
    assert binary_entropy(y.mean()) == pytest.approx(0.999157, abs=5e-7)


def test_szt_labels_from_the_geometry(distance: np.ndarray) -> None:
    """The sum over pairs of ones, with distances between vertices in space."""
    assert [np.bincount(row).tolist() for row in distance] == 12 * [[1, 5, 5, 1]]
    antipodes = {(i, j) for i, j in np.argwhere(distance == 3) if i < j}
    assert antipodes == {(0, 9), (1, 7), (2, 5), (3, 6), (4, 10), (8, 11)}
    X, y = load_szt()
    worth = {1: 1, 2: -5, 3: -8}
    for row, label in zip(X, y, strict=True):
        ones = np.flatnonzero(row)
        pairs = sum(worth[distance[i, j]] for i, j in itertools.combinations(ones, 2))
        assert label == (23 * len(ones) + pairs >= 99)


def test_szt_given_the_number_of_ones() -> None:
    X, y = load_szt()
    positive = np.bincount(X.sum(axis=1).astype(int), weights=y).tolist()
    certain = [math.comb(12, k) for k in range(8, 13)]
    assert positive == [0, 0, 0, 0, 0, 60, 532, 732, *certain]


def test_szt_is_monotone_in_every_bit() -> None:
    cube = load_szt().y.reshape((2,) * 12)
    for bit in range(12):
        assert (np.diff(cube, axis=bit) >= 0).all()


def test_szt_has_the_symmetries_of_the_icosahedron(distance: np.ndarray) -> None:
    X, y = load_szt()
    symmetries = matchings(distance, distance)
    assert len(symmetries) == 120
    powers = 1 << np.arange(12)[::-1]
    images = np.array([X[:, p].astype(int) @ powers for p in symmetries])
    assert (y[images] == y).all()
    assert len(np.unique(images.min(axis=0))) == 82
    # Burnside: the mean number of patterns that a symmetry leaves in place
    assert np.count_nonzero(images == np.arange(4096)) == 82 * 120
    # the rule sees less: 64 combinations of k, a, s and c
    pairs = [np.einsum("ni,ij,nj->n", X, distance == step, X) for step in (1, 2, 3)]
    assert len(np.unique([X.sum(axis=1), *pairs], axis=1).T) == 64


def test_szt_split() -> None:
    """3276 rows; over 2000 splits H(Y) is 0.99912 bits, sd 0.00039: 4 standard errors."""
    X, y = load_szt()
    train, test = split(X, y)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(4096))
    assert math.log2(len(train)) == pytest.approx(11.677719641641012, abs=1e-14)
    assert np.array_equal(train, split(X, y, seed=0)[0])
    assert not np.array_equal(train, split(X, y, seed=1)[0])
    # the entropy that another paper prints for its split is that of 1731 ones
    assert binary_entropy(1731 / 3276) == pytest.approx(0.9976734295143714, abs=1e-14)
    ones = np.arange(1, 3276)
    weights = hypergeom(4096, 2118, 3276).pmf(ones)
    expected = sum(w * binary_entropy(k / 3276) for w, k in zip(weights, ones, strict=True))
    assert expected == pytest.approx(0.9991, abs=5e-5)
    drawn = [binary_entropy(y[split(X, y, seed=s)[0]].mean()) for s in range(200)]
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * 0.00039 / math.sqrt(200))


def test_split_rounds_down_but_not_by_rounding_errors() -> None:
    rows = np.zeros(100)
    for percent in range(1, 100):
        assert len(split(rows, rows, percent / 100)[0]) == percent
    with pytest.raises(ValueError, match=r"`share` must be in \(0, 1\); got 1.0"):
        split(rows, rows, 1.0)
    with pytest.raises(ValueError, match=r"rows on both sides; got 0.001 of 100 rows: 0 to train"):
        split(rows, rows, 0.001)
    with pytest.raises(ValueError, match="`X` and `y` .* got 100 and 99"):
        split(rows, rows[1:])


@pytest.mark.parametrize("axis", [0, 1])
def test_szt_from_a_matlab_file_in_any_order(tmp_path: Path, axis: int) -> None:
    X, y = load_szt()
    order = np.random.default_rng(0).permutation(4096)
    labels = np.expand_dims(y[order], axis)
    savemat(tmp_path / "szt.mat", {"F": X[order].astype(np.uint8), "y": labels})
    read = load_szt(tmp_path / "szt.mat")
    assert np.array_equal(read.X, X)
    assert np.array_equal(read.y, y)


def test_szt_refuses_other_files(tmp_path: Path) -> None:
    X, y = load_szt()
    flipped, twice = y.copy(), X.copy()
    flipped[5] = 1
    twice[7] = twice[8]
    for content, message in [
        ({"F": X, "y": flipped}, "1 of 4096 labels differ from the rule's, .* at 000000000101"),
        ({"F": twice, "y": y}, "000000000111 is missing, 1 in all"),
        ({"F": 2 * X, "y": y}, "F must hold zeros and ones"),
        ({"F": X, "y": y + 0.5}, "y must hold zeros and ones"),
        ({"F": X.T, "y": y}, r"got \(12, 4096\)"),
        ({"F": X}, r"it lacks \['y'\]"),
    ]:
        savemat(tmp_path / "other.mat", content)
        with pytest.raises(ValueError, match=rf"other.mat'.*{message}"):
            load_szt(tmp_path / "other.mat")
    (tmp_path / "text.mat").write_text("no matrix\n" * 50)
    with pytest.raises(ValueError, match="text.mat' cannot be read as MATLAB's"):
        load_szt(tmp_path / "text.mat")
    with pytest.raises(ValueError, match="none.mat' does not exist"):
        load_szt(tmp_path / "none.mat")


# Spiral ------------------------------------------------------------------------------------------


def arm(turns: float, noise: float) -> np.ndarray:
    r = np.linspace(0.1, 1 - noise, 4001)
    t = np.linspace(0, 2 * np.pi * turns, 4001)
    return np.column_stack([r * np.cos(t), r * np.sin(t)])


def test_spiral_points_lie_on_their_arms() -> None:
    """r^2 is uniform on [0.01, 1]; the angle follows from r."""
    X, y = load_spiral(4000, seed=3, turns=1.5, noise=0.0)
    assert np.bincount(y).tolist() == [2000, 2000]
    r = np.hypot(*X.T)
    assert kstest((r**2 - 0.01) / 0.99, "uniform").pvalue > 1e-3
    angle = 3 * np.pi * (r - 0.1) / 0.9 + np.pi * y
    np.testing.assert_allclose(X.T, [r * np.cos(angle), r * np.sin(angle)], rtol=0, atol=1e-13)


def test_spiral_noise_fills_a_disc_and_keeps_the_classes_apart() -> None:
    """Across the arm the mean square is radius^2 / 4; over 40 seeds 0.2511, sd 0.0054: 4 sd."""
    X, y = load_spiral(4000)
    assert (X**2).sum(axis=1).max() <= 1
    own = cdist(X[y == 0], arm(1.0, 0.03)).min(axis=1)
    assert 0.029 < own.max() <= 0.03 + 1e-5
    assert (own**2).mean() / 0.03**2 == pytest.approx(0.2511, abs=0.022)
    assert cdist(X[y == 0], X[y == 1]).min() >= 0.14


def test_spiral_repeats() -> None:
    X, y = load_spiral(100, seed=1)
    assert np.array_equal(X, load_spiral(100, 1).X)
    assert not np.array_equal(X, load_spiral(100, 2).X)
    assert X.shape == (100, 2)
    assert y.dtype == np.int64


def test_spiral_refuses() -> None:
    with pytest.raises(ValueError, match="`n` must be even.*; got 7"):
        load_spiral(7)
    with pytest.raises(ValueError, match="`n` must be an integer >= 2"):
        load_spiral(0)
    with pytest.raises(ValueError, match=r"`noise` must be in \[0, 0.5\); got -0.1"):
        load_spiral(noise=-0.1)
    with pytest.raises(ValueError, match="`turns` must be a finite number > 0"):
        load_spiral(turns=0)


# MNIST -------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def small() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (60, 5, 4)),
        "train-labels-idx1-ubyte": np.repeat([1, 3, 8], 20),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (9, 5, 4)),
        "t10k-labels-idx1-ubyte": np.tile([1, 3, 8], 3),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "small"
    place.mkdir()
    for name, array in small().items():
        (place / name).write_bytes(idx(array))
    return place


def assert_small(data: MNIST) -> None:
    arrays = (data.train_x, data.train_y, data.test_x, data.test_y)
    for array, truth in zip(arrays, small().values(), strict=True):
        assert np.array_equal(array, truth)
        assert array.flags.writeable
    assert [array.dtype for array in arrays] == [np.uint8, np.int64, np.uint8, np.int64]
    assert data.name == "IDX files of small"


def test_mnist_from_plain_files_by_argument_and_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_small(load_mnist(folder))
    monkeypatch.setenv("ENTBENCH_MNIST_DIR", str(folder))
    assert_small(load_mnist())


def test_mnist_from_packed_and_dotted_files(folder: Path) -> None:
    for file in list(folder.iterdir()):
        packed = file.with_name(file.name.replace("-idx", ".idx") + ".gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert_small(load_mnist(folder))


def test_mnist_names_the_file_that_is_wrong(folder: Path) -> None:
    file = folder / "train-images-idx3-ubyte"
    good = file.read_bytes()
    for content, message in [
        (good[:-1], r"must hold 1200 bytes for shape \(60, 5, 4\); got 1199"),
        (good + b"0", "must hold 1200 bytes .* got 1201"),
        (good[:9], "ends within its header"),
        (b"", "must begin with 00000803 .* got nothing"),
        (gzip.compress(good), "must begin with 00000803 .* got 1f8b"),
        (idx(np.zeros(60)), "must begin with 00000803 .* got 00000801"),
    ]:
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"train-images-idx3-ubyte' {message}"):
            load_mnist(folder)
    file.unlink()
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte', or .* does not exist"):
        load_mnist(folder)
    packed = folder / "train-images-idx3-ubyte.gz"
    broken = bytearray(gzip.compress(good))
    broken[-6] ^= 1  # a bit of the checksum
    for content in (bytes(broken), gzip.compress(good)[:-20], good):
        packed.write_bytes(content)
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz' cannot be read: "):
            load_mnist(folder)


def test_mnist_counts_and_sizes_must_agree(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(8)))
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte' must hold .* got 8 for 9"):
        load_mnist(folder)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(9)))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((9, 4, 4))))
    with pytest.raises(ValueError, match=r"one size; got \(5, 4\) and \(4, 4\)"):
        load_mnist(folder)
    with pytest.raises(ValueError, match="`directory` must be a folder; got .*nowhere"):
        load_mnist(folder / "nowhere")


def test_stand_in_is_loud_and_named() -> None:
    with pytest.warns(UserWarning, match="MNIST was not found.*ENTBENCH_MNIST_DIR"):
        data = load_mnist()
    assert data.name == "digits 8x8"
    images = np.concatenate([data.train_x, data.test_x]).astype(int)
    assert images.shape == (1797, 8, 8)
    original = sklearn.datasets.load_digits()
    grey = np.bincount(original.data.astype(int).ravel())
    levels, counts = np.unique(images, return_counts=True)
    assert levels.tolist() == [round(level * 255 / 16) for level in range(17)]
    assert np.array_equal(counts, grey)
    # pixels still go with their labels
    places = [
        np.flatnonzero((np.rint(original.images * 255 / 16) == x).all((1, 2))) for x in images
    ]
    assert all(len(place) == 1 for place in places)
    assert np.array_equal(
        original.target[np.concatenate(places)], np.concatenate([data.train_y, data.test_y])
    )


def test_subset_is_balanced_and_nested(folder: Path) -> None:
    data = load_mnist(folder)
    X, y = data.subset((8, 1), per_class=6, seed=1)
    assert np.bincount(y).tolist() == [0, 6, 0, 0, 0, 0, 0, 0, 6]
    rows = [np.flatnonzero((data.train_x == image).all((1, 2))).item() for image in X]
    assert rows == sorted(set(rows))
    assert np.array_equal(data.train_y[rows], y)
    alone = data.subset((8,), per_class=6, seed=1)
    assert np.array_equal(alone.X, X[y == 8])
    fewer = data.subset((8,), per_class=5, seed=1).X
    assert sum((image == alone.X).all((1, 2)).any() for image in fewer) == 5
    assert not np.array_equal(alone.X, data.subset((8,), per_class=6, seed=2).X)


def test_subset_refuses(folder: Path) -> None:
    data = load_mnist(folder)
    with pytest.raises(ValueError, match="at most 20, .* class 1 in IDX files of small; got 21"):
        data.subset((1, 2), per_class=21)
    with pytest.raises(ValueError, match="at most 0, .* class 2"):
        data.subset((2,), per_class=1)
    for classes in ((), (1, 1)):
        with pytest.raises(ValueError, match="`classes` must name each class once"):
            data.subset(classes, per_class=1)


@pytest.mark.data
@pytest.mark.skipif(not MNIST_FOLDER.is_dir(), reason="MNIST is not here")
def test_mnist_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """From files and as OpenML has it: rows of floats, labels as text."""
    data = load_mnist(MNIST_FOLDER)
    assert data.name == "MNIST"
    assert data.train_x.shape == (60_000, 28, 28)
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(data.train_y).tolist() == train
    assert np.bincount(data.test_y).tolist() == test
    assert np.bincount(data.subset((1, 3, 8), 1000).y).tolist() == [
        0,
        1000,
        0,
        1000,
        0,
        0,
        0,
        0,
        1000,
    ]

    X = np.concatenate([data.train_x, data.test_x]).reshape(70_000, 784)
    y = np.concatenate([data.train_y, data.test_y]).astype(str).astype(object)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *_, **__: (X, y))
    fetched = load_mnist(download=True)
    assert fetched.name == "MNIST"
    assert np.array_equal(fetched.test_x, data.test_x)
    y[69_999] = "0"
    with pytest.raises(ValueError, match='what OpenML sent as "mnist_784" is not MNIST'):
        load_mnist(download=True)


def test_openml_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    with pytest.raises(ValueError, match="cannot be had from OpenML: no route to host"):
        load_mnist(download=True)


# Augmentation ------------------------------------------------------------------------------------


def bilinear(image: np.ndarray, row: float, column: float) -> float:
    """The value between pixels by its definition: weights of all pixels, 0 outside."""
    rows = np.maximum(0, 1 - np.abs(np.arange(image.shape[0]) - row))
    columns = np.maximum(0, 1 - np.abs(np.arange(image.shape[1]) - column))
    return float(rows @ image @ columns)


def test_augment_by_its_definition() -> None:
    """Push each place of the original forward by the same draws, and solve for the way back."""
    images = np.random.default_rng(0).integers(0, 256, (6, 7, 9))
    moved = augment(images, np.random.default_rng(5))
    rng = np.random.default_rng(5)
    shifts = rng.integers(-2, 3, (6, 2))
    turns, shears = np.deg2rad(rng.uniform(-10, 10, 6)), np.deg2rad(rng.uniform(-10, 10, 6))
    for image, result, shift, turn, shear in zip(images, moved, shifts, turns, shears, strict=True):
        # in x to the right and y up, both from the centre: (3, 4)
        shearing = np.array([[1, -np.tan(shear)], [0, 1]])
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        for row, column in np.ndindex(7, 9):
            place = np.array([column - 4 - shift[1], -(row - 3 - shift[0])])
            x, y = np.linalg.solve(rotation @ shearing, place)
            # float32 holds 255 to 1.5e-5
            assert result[row, column] == pytest.approx(bilinear(image, 3 - y, 4 + x), abs=1e-4)


def test_augment_shifts_whole_pixels() -> None:
    """A dot in the middle goes to each of 25 places; chi2(24) exceeds 60 with p = 7e-5."""
    images = np.zeros((2500, 9, 9), dtype=np.uint8)
    images[:, 4, 4] = 200
    moved = augment(images, np.random.default_rng(0), max_rotation=0, max_shear=0)
    assert np.array_equal(np.unique(moved), [0, 200])
    counts = np.count_nonzero(moved, axis=0)
    assert counts[2:7, 2:7].sum() == 2500
    assert ((counts[2:7, 2:7] - 100) ** 2 / 100).sum() < 60


def test_augment_angles() -> None:
    """Where a far pixel's mass goes tells the angle, which stays within +-10 degrees."""
    images = np.zeros((500, 41, 41), dtype=np.float32)
    images[:, 20, 40 - 4] = 1  # 16 to the right: a shear leaves it
    moved = augment(images, np.random.default_rng(0), max_shift=0)
    rows, columns = np.indices((41, 41)) - 20
    mass = moved.sum(axis=(1, 2))
    angle = np.arctan2(-(moved * rows).sum((1, 2)) / mass, (moved * columns).sum((1, 2)) / mass)
    # centre of mass of four pixels: within 0.2 of the place, 0.7 degrees
    assert 9 < np.rad2deg(angle).max() < 10.7
    assert -10.7 < np.rad2deg(angle).min() < -9


def test_augment_nothing_is_the_identity_and_input_stays() -> None:
    images = np.random.default_rng(0).random((4, 3, 6, 5), dtype=np.float32)
    before = images.copy()
    same = augment(images, np.random.default_rng(1), max_shift=0, max_rotation=0, max_shear=0)
    assert np.array_equal(same, images)
    moved = augment(images, np.random.default_rng(1))
    assert np.array_equal(images, before)
    assert moved.dtype == np.float32
    # channels move together, and images without a channel move as those with one
    first = augment(images[:, 0], np.random.default_rng(1))
    assert np.array_equal(moved[:, 0], first)
    assert augment(images[:0], np.random.default_rng(1)).shape == (0, 3, 6, 5)


def test_augment_refuses() -> None:
    images = np.zeros((2, 5, 5))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"`images` must have shape .* got shape \(5, 5\)"):
        augment(images[0], rng)
    with pytest.raises(TypeError, match="`images` must hold real numbers; got dtype complex128"):
        augment(1j * images, rng)
    with pytest.raises(TypeError, match="`rng` must be a numpy.random.Generator; got 3"):
        augment(images, 3)
    with pytest.raises(ValueError, match=r"`max_shear` must be in \[0, 90\) degrees; got 90"):
        augment(images, rng, max_shear=90)
    with pytest.raises(ValueError, match="`max_shift` must be an integer >= 0"):
        augment(images, rng, max_shift=-1)
