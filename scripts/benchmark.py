"""Seconds per epoch of the book's network, 784-128-10 in float32, batch 128, Adam: mlmath's `fit` beside Keras' `fit`.

All are in one process and take turns, epoch by epoch, so that a busy machine is busy for all of them; the shortest of
the epochs counts. Where a machine is busy with other things, the processor time says more than the clock. NumPy has one
BLAS thread; Keras and PyTorch choose their threads themselves. The floor is the five matrix products of a step, alone.
Peak memory is that of a process of its own that trains one epoch, data included.

`make bench` runs this; no test does. It exits with 1 if mlmath takes more than a quarter of Keras' time, or if it reads
fewer than 97 % of MNIST's test digits.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import gc
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from mlmath.data import as_rows, load_mnist
from mlmath.metrics import accuracy, wilson_interval
from mlmath.network import Dense, Network
from mlmath.optimizers import Adam
from mlmath.training import fit, minibatches

EPOCHS, BATCH = 5, 128

# Each contender sets itself up on (X, labels) and gives two functions: train for one epoch; outputs for a test set.
Contender = tuple[Callable[[], object], Callable[[np.ndarray], np.ndarray] | None]


def mlmath_fit(X: np.ndarray, labels: np.ndarray) -> Contender:
    rng, orders, optimizer = np.random.default_rng(0), np.random.default_rng(100), Adam()
    network = Network([Dense(784, 128, "relu", rng=rng), Dense(128, 10, rng=rng)])
    return lambda: fit(network, X, labels, optimizer, 1, BATCH, orders, progress=False), network.forward


def five_products(X: np.ndarray, labels: np.ndarray) -> Contender:
    """Forward two, backward three, on one batch that is there already."""
    rng = np.random.default_rng(0)
    shapes = {"A0": (BATCH, 784), "A1": (BATCH, 128), "dZ1": (BATCH, 128), "dZ2": (BATCH, 10)}
    A0, A1, dZ1, dZ2 = (rng.random(shape, np.float32) for shape in shapes.values())
    W1, W2 = rng.random((128, 784), np.float32), rng.random((10, 128), np.float32)

    def epoch() -> None:
        for _ in range(-(-len(X) // BATCH)):
            _ = A0 @ W1.T, A1 @ W2.T, dZ2.T @ A1, dZ2 @ W2, dZ1.T @ A0

    return epoch, None


def keras_fit(X: np.ndarray, labels: np.ndarray, **compiled: object) -> Contender:
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.Input((784,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **compiled)
    return (
        lambda: model.fit(X, labels, batch_size=BATCH, epochs=1, verbose=0),
        lambda X_test: model.predict(X_test, verbose=0),
    )


def torch_loop(X: np.ndarray, labels: np.ndarray) -> Contender:
    import torch

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer, loss = torch.optim.Adam(model.parameters(), eps=1e-7), torch.nn.CrossEntropyLoss()
    inputs, targets, orders = torch.from_numpy(X), torch.from_numpy(labels), np.random.default_rng(100)

    def epoch() -> None:
        for batch in minibatches(len(X), BATCH, orders):
            optimizer.zero_grad()
            loss(model(inputs[batch]), targets[batch]).backward()
            optimizer.step()

    return epoch, lambda X_test: model(torch.from_numpy(X_test)).detach().numpy()


CONTENDERS: dict[str, Callable[[np.ndarray, np.ndarray], Contender]] = {
    "mlmath": mlmath_fit,
    "five products (floor)": five_products,
    "Keras fit": keras_fit,
    "Keras, 32 steps an execution": lambda X, labels: keras_fit(X, labels, steps_per_execution=32),
    "Keras, jit_compile": lambda X, labels: keras_fit(X, labels, jit_compile=True),
    "PyTorch loop": torch_loop,
}


def peak_memory(name: str) -> int | None:
    """The largest resident size, in MB, of a process that trains one epoch of `name`; None if that cannot run here."""
    say(f"memory: {name}")
    ran = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=False)
    if ran.returncode == 0:
        return int(ran.stdout.split()[-1])
    print(f"{name}: left out ({ran.stderr.strip().splitlines()[-1]})")
    return None


def race(runners: dict[str, Contender]) -> dict[str, list[tuple[float, float]]]:
    """For each of the runners the seconds of every epoch: on the clock, and of processor time."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runners}
    for k in range(1, EPOCHS + 1):
        for name, (epoch, _) in runners.items():
            say(f"epoch {k} of {EPOCHS}: {name}")
            gc.collect()
            start, busy = time.perf_counter(), time.process_time()
            epoch()
            seconds[name].append((time.perf_counter() - start, time.process_time() - busy))
    say("")
    return seconds


def row(name: str, *cells: object) -> str:
    return f"{name:30}" + "".join(f"{cell:>10}" for cell in cells)


def say(what: str) -> None:
    print(f"\r{what:60}", end="\r", file=sys.stderr, flush=True)


def main() -> int:
    if len(sys.argv) == 2:
        (x_train, y_train), _ = load_mnist()
        CONTENDERS[sys.argv[1]](as_rows(x_train), y_train.astype(np.int64))[0]()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10))
        return 0

    load = os.getloadavg()[0]
    memory = {name: peak_memory(name) for name in CONTENDERS}  # first: a child's peak starts from its parent's size
    digits = load_mnist()
    (x_train, y_train), (x_test, y_test) = digits
    X, labels, X_test = as_rows(x_train), y_train.astype(np.int64), as_rows(x_test)
    runners = {name: CONTENDERS[name](X, labels) for name in CONTENDERS if memory[name]}
    seconds = race(runners)
    best = {name: min(clock for clock, _ in times) for name, times in seconds.items()}
    busy = {name: min(cpu for _, cpu in times) for name, times in seconds.items()}
    share = {name: accuracy(outputs(X_test), y_test) for name, (_, outputs) in runners.items() if outputs}
    keras_time, floor_time = best.get("Keras fit", float("nan")), best["five products (floor)"]

    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, load {load:.1f} before")
    print(row("784-128-10, float32, batch 128", "s/epoch", "of Keras", "of floor", "CPU s", "accuracy", "MB"))
    for name, s in best.items():
        ratios = f"{s / keras_time:.2f}", f"{s / floor_time:.2f}", f"{busy[name]:.3f}"
        print(row(name, f"{s:.3f}", *ratios, f"{share[name]:.4f}" if name in share else "", memory[name]))

    low, high = wilson_interval(round(share["mlmath"] * len(y_test)), len(y_test))
    print(
        f"mlmath after {EPOCHS} epochs on {digits.name}: {share['mlmath']:.4f}, 95 % interval {low:.4f} to {high:.4f}"
    )
    slow = best["mlmath"] > 0.25 * keras_time
    poor = digits.name == "MNIST" and share["mlmath"] < 0.97
    for fault, sentence in ((slow, "mlmath takes more than 0.25 of Keras' time"), (poor, "mlmath reads below 0.97")):
        if fault:
            print(sentence)
    return int(slow or poor)


if __name__ == "__main__":
    sys.exit(main())
