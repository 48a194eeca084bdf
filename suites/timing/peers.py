"""Competitors of the engine: dense Gaussian kernel sums by C, torch, KeOps and scipy, and ours.

Every function here prepares the centres once and returns a function that maps points (m, dim) to
``log sum_j exp(-|point - centre_j|^2 / (2 sigma^2))`` in nats, shape (m,), on `THREADS` threads.
Competitors that are not installed raise ImportError, with the command that installs them.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy.special import logsumexp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    LogSums = Callable[[Floats], Floats]

Power = Literal["expf", "exp2f", "polynomial"]
Distance = Literal["differences", "expanded"]
Recipe = Literal["cdist", "matmul"]
POWERS: tuple[Power, ...] = get_args(Power)
DISTANCES: tuple[Distance, ...] = get_args(Distance)
RECIPES: tuple[Recipe, ...] = get_args(Recipe)

THREADS = 2
SOURCE = Path(__file__).with_name("kernel_sums.c")
COMPILER = ["gcc", "-O3", "-march=native", "-ffast-math", "-fopenmp", "-shared", "-fPIC"]
_BLOCK = int(re.findall(r"#define BLOCK (\d+)", SOURCE.read_text())[0])
_SQRT2 = math.sqrt(2.0)


def limit_threads() -> None:
    """Give every competitor `THREADS` threads; to be called before any of them starts a thread."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(THREADS)
    importlib.import_module("numba").config.reload_config()


def c(
    centres: Floats,
    sigma: float,
    power: Power = "exp2f",
    distance: Distance = "differences",
    bits: int = 512,
) -> LogSums:
    """Plain C loop, float32; no maximum is subtracted.

    `expf` and `exp2f` are libmvec's, `polynomial` is inline; `bits` is the vector width that gcc
    is told to prefer.
    """
    n, dim = centres.shape
    compute = compiled(dim, power, distance, bits).log_kernel_sums
    unit = sigma * (_SQRT2 if power == "expf" else math.sqrt(2.0 * math.log(2.0)))
    middle = centres.mean(axis=0)
    scaled = (centres - middle) / unit
    rows = np.ascontiguousarray(scaled.T, dtype=np.float32)
    minus_squares = -np.einsum("ij,ij->i", scaled, scaled).astype(np.float32)

    def log_sums(points: Floats) -> Floats:
        m = -(-len(points) // _BLOCK) * _BLOCK
        queries = np.zeros((m, dim), np.float32)
        queries[: len(points)] = (points - middle) / unit
        out = np.empty(m)
        pointers = [
            ctypes.c_void_p(array.ctypes.data) for array in (queries, rows, minus_squares, out)
        ]
        compute(
            pointers[0], ctypes.c_long(m), *pointers[1:3], ctypes.c_long(n), THREADS, pointers[3]
        )
        return out[: len(points)]

    return log_sums


def compiler_line(dim: int, power: Power, distance: Distance, bits: int) -> list[str]:
    """Return the command that compiles the C loop, less its output file."""
    macros = {"DIM": dim, "POWER": power, "EXPANDED": int(distance == "expanded")}
    defined = [f"-D{name}={value}" for name, value in macros.items()]
    return [*COMPILER, f"-mprefer-vector-width={bits}", *defined, str(SOURCE), "-lmvec", "-lm"]


@cache
def compiled(dim: int, power: Power, distance: Distance, bits: int) -> ctypes.CDLL:
    """Compile the C loop and load it; see that it calls the vectorised function it should."""
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/kernel_sums.so"
        subprocess.run([*compiler_line(dim, power, distance, bits), "-o", library], check=True)
        # _ZGVe: 16 numbers in 512 bits, _ZGVd: 8 in 256 bits; the loop's remainder may use less
        symbol = f"_ZGV{'e' if bits == 512 else 'd'}N{bits // 32}v_{power}".encode()
        if power != "polynomial" and symbol not in Path(library).read_bytes():
            raise RuntimeError(f"the C loop does not call {symbol.decode()}")
        return ctypes.CDLL(library)


def torch(centres: Floats, sigma: float, recipe: Recipe = "cdist", chunk: int = 256) -> LogSums:
    """Torch, float32: `logsumexp` over chunks of queries against all centres.

    Squared distances are ``cdist**2``, or expanded so that one `addmm` gives all but |x|^2.
    """
    torch = _imported("torch")
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)
    middle = centres.mean(axis=0)
    unit = sigma * _SQRT2
    scaled = torch.tensor((centres - middle) / unit, dtype=torch.float32)
    minus_squares, doubled = -scaled.square().sum(1), 2.0 * scaled.T.contiguous()

    def by_cdist(part: Any) -> Any:
        return torch.logsumexp(torch.cdist(part, scaled).square_().neg_(), 1)

    def by_matmul(part: Any) -> Any:
        powers = torch.addmm(minus_squares, part, doubled)
        return torch.logsumexp(powers, 1) - part.square().sum(1)

    one_chunk = by_cdist if recipe == "cdist" else by_matmul

    def log_sums(points: Floats) -> Floats:
        queries = torch.tensor((points - middle) / unit, dtype=torch.float32)
        return np.asarray(torch.cat([one_chunk(p) for p in queries.split(chunk)]), dtype=float)

    return log_sums


def keops(centres: Floats, sigma: float, reduction: str = "Sum") -> LogSums:
    """KeOps, float32, compiled as it comes: log of the `Sum` of exp, or `LogSumExp`."""
    pykeops = _imported("pykeops.numpy", install="pykeops")
    importlib.import_module("pykeops").set_verbose(False)
    dim = centres.shape[1]
    power = "-SqDist(x,y)"
    formula = f"Exp({power})" if reduction == "Sum" else power
    axes = [f"x=Vi({dim})", f"y=Vj({dim})"]
    reduce = pykeops.Genred(formula, axes, reduction_op=reduction, axis=1)
    middle = centres.mean(axis=0)
    unit = sigma * _SQRT2
    scaled = np.ascontiguousarray((centres - middle) / unit, dtype=np.float32)

    def log_sums(points: Floats) -> Floats:
        queries = np.ascontiguousarray((points - middle) / unit, dtype=np.float32)
        sums = reduce(queries, scaled, backend="CPU").ravel().astype(float)
        return np.asarray(np.log(sums) if reduction == "Sum" else sums)

    return log_sums


def scipy(centres: Floats, sigma: float, chunk: int = 16) -> LogSums:
    """Scipy's `logsumexp` in double over chunks of queries: the textbook, and the reference.

    It knows no threads itself: chunks are spread over a pool.
    """

    def one_chunk(points: Floats) -> Floats:
        squares = ((points[:, None, :] - centres) ** 2).sum(axis=-1)
        return np.asarray(logsumexp(-squares / (2.0 * sigma**2), axis=1))

    def log_sums(points: Floats) -> Floats:
        parts = [points[start : start + chunk] for start in range(0, len(points), chunk)]
        with ThreadPoolExecutor(THREADS) as pool:
            return np.concatenate(list(pool.map(one_chunk, parts)))

    return log_sums


def ours(centres: Floats, sigma: float, tolerance: float = 1e-5, method: str = "dense") -> LogSums:
    """Our engine; its normalisation is taken off again."""
    mixture = importlib.import_module("entbench.mixture").GaussianMixture(centres, sigma)
    n, dim = centres.shape
    constant = math.log(n) + dim * (0.5 * math.log(2.0 * math.pi) + math.log(sigma))

    def log_sums(points: Floats) -> Floats:
        density = mixture.log_density(points, tolerance=tolerance, method=method)
        return np.asarray(density + constant)

    return log_sums


def _imported(module: str, install: str = "") -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{module} is not installed: `pip install {install or module}`"
        raise ImportError(message) from error
