"""Train the book's network, 784-128-10, in several processes that share the work of every batch.

Here, with two workers that this program starts, watches, and starts again if one of them dies:

    .venv/bin/python -m mlmath.train_distributed --workers 2 --steps 200 --out _build/distributed

On machines of your own, on each of them the same line, with its own index in TF_CONFIG and --out in a shared folder:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}' \\
        .venv/bin/python -m mlmath.train_distributed --worker --steps 200 --out shared/folder

A worker computes the gradient on its share of the batch, the shares are summed over all workers, and each takes the
same step. (A loop of its own, since the `fit` of Keras 3.15 fails under MultiWorkerMirroredStrategy.) Worker 0 keeps a
checkpoint; a folder that has one is continued from it (nobody checks that --seed and --data are still the same). At its
end worker k stores its weights in worker-k.npz.

A worker ends with 0 when the training is done, 2 for a bad argument or TF_CONFIG, 3 when TensorFlow could not go on (a
partner is lost, or the worker's own port is taken), and by SIGALRM (the shell says "Alarm clock") when the others kept
it waiting for longer than --patience seconds.
"""

import argparse
import functools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

EXAMPLE = '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": "worker", "index": 0}}'
EXAMPLES = {"synthetic": 1000, "digits": 60_000}
DONE, FAILED, BAD_ARGUMENT, CANNOT_GO_ON = range(4)


# What a worker needs to know: who the others are, and which examples are its own.


def read_config(text: str | None) -> tuple[list[str], int]:
    """The addresses of all workers, and the number of this one, from the value of TF_CONFIG.

    Raises:
        ValueError: what is wrong with it, and how it should look.
    """
    try:
        config = json.loads(text or "")
        addresses, task = config["cluster"]["worker"], config["task"]
        kind, rank, jobs = task["type"], task["index"], list(config["cluster"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"TF_CONFIG was {text!r}; it should be like {EXAMPLE}") from None

    def require(holds: bool, name: str, was: object, should: str) -> None:
        if not holds:
            raise ValueError(f"TF_CONFIG: {name} was {was!r}; it should be {should}")

    require(jobs == ["worker"], "cluster", jobs, 'of "worker" alone: this program has no other jobs')
    require(isinstance(addresses, list) and bool(addresses), "worker", addresses, "a list of addresses, one a worker")
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        good = bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
        require(good, "an address", address, "host:port, with a port from 1 to 65535")
    require(len(set(addresses)) == len(addresses), "worker", addresses, "addresses that are all different")
    require(kind == "worker", "type", kind, '"worker"')
    require(type(rank) is int and 0 <= rank < len(addresses), "index", rank, f"in 0 … {len(addresses) - 1}")
    return addresses, rank


def batch_of(step: int, m: int, batch_size: int, seed: int) -> np.ndarray:
    """The numbers of the examples in a batch. They depend on the step alone, so a restart repeats and skips none."""
    epoch, k = divmod(step, -(-m // batch_size))
    return _order(epoch, m, seed)[k * batch_size : (k + 1) * batch_size]


@functools.lru_cache(maxsize=1)
def _order(epoch: int, m: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(m)


def share(batch: np.ndarray, workers: int, rank: int) -> np.ndarray:
    """Worker `rank`'s part of a batch. Sizes differ by at most one; a part may be empty."""
    return np.array_split(batch, workers)[rank]


def examples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """(X, labels): the training digits of `load_mnist`, or a thousand points labelled by a random linear rule."""
    if name == "digits":
        from mlmath.data import as_rows, load_mnist

        (X, labels), _ = load_mnist()
        return as_rows(X), labels.astype(np.int32)
    rng = np.random.default_rng(0)
    X = rng.random((EXAMPLES[name], 784), np.float32)
    return X, (X @ rng.normal(size=(784, 10))).argmax(axis=1).astype(np.int32)


# One worker.


def work(options: argparse.Namespace) -> int:
    addresses, rank = options.cluster
    import tensorflow as tf  # only now: a mistake in TF_CONFIG should not take five seconds to be named

    others = ", ".join(address for k, address in enumerate(addresses) if k != rank)
    print(f"waiting at most {options.patience:g} s for {others or 'nobody'}", flush=True)
    try:
        train(options, len(addresses), rank)
    except tf.errors.OpError as error:
        print(f"stopped by {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        os._exit(CANNOT_GO_ON)  # the ordinary way out waits for the partner once more
    return DONE


def train(options: argparse.Namespace, workers: int, rank: int) -> None:
    import tensorflow as tf

    keras = tf.keras
    X, labels = examples(options.data)
    tf.config.experimental.enable_op_determinism()
    # Whoever waits for a partner inside TensorFlow holds Python's lock and hears no signal but one that kills.
    hurry = functools.partial(signal.setitimer, signal.ITIMER_REAL)
    hurry(options.patience)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # waits here until all have come
    with strategy.scope():
        keras.utils.set_random_seed(options.seed)
        layers = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(10)]
        model = keras.Sequential([keras.layers.Input(shape=(784,)), *layers])
        optimizer = keras.optimizers.Adam()
        optimizer.build(model.trainable_variables)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None)

    def gradient_and_step(X, labels, m):
        with tf.GradientTape() as tape:  # the sum over my share, divided by the size of the whole batch
            loss = tf.reduce_sum(cross_entropy(labels, model(X))) / m
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))  # sums over the workers
        return loss

    kinds = [tf.TensorSpec((None, 784), tf.float32), tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.float32)]

    @tf.function(input_signature=kinds)
    def shared_step(X, labels, m):
        return strategy.reduce("SUM", strategy.run(gradient_and_step, (X, labels, m)), axis=None)

    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
    kept = tf.train.CheckpointManager(checkpoint, options.out / "checkpoints", max_to_keep=2)
    if kept.latest_checkpoint:
        checkpoint.restore(kept.latest_checkpoint).assert_existing_objects_matched()
    first, said = int(optimizer.iterations.numpy()), 0.0
    for step in range(first + 1, options.steps + 1):
        hurry(options.patience)
        batch = batch_of(step - 1, len(X), options.batch_size, options.seed)
        mine = share(batch, workers, rank)
        loss = float(shared_step(X[mine], labels[mine], float(len(batch))))
        if rank == 0 and (step % options.save_every == 0 or step == options.steps):
            kept.save(checkpoint_number=step)
        if time.monotonic() > said + 0.5 or step in (first + 1, options.steps):
            print(f"step {step}/{options.steps}, loss {loss:.4f}", flush=True)
            said = time.monotonic()
        if step == options.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
    hurry(0)
    np.savez(options.out / f"worker-{rank}.npz", *model.get_weights())


# The launcher.


def launch(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` is as Ctrl-C: no worker is left behind
    kill_at = options.kill_at
    for attempt in range(options.restarts + 1):
        addresses, said = free_addresses(options.workers), [said_by(options, k) for k in range(options.workers)]
        for path in said:
            path.unlink(missing_ok=True)
        processes = [start(options, addresses, k, kill_at if k == options.workers - 1 else 0) for k in range(len(said))]
        try:
            fault = watch(processes, said)
        except KeyboardInterrupt:
            print(f"stopped; the same command continues from step {latest(options.out)}")
            return FAILED
        finally:
            for process in processes:
                process.kill()
                process.wait()
        if fault is None:
            print(f"done: {options.steps} steps, {options.workers} worker{'s' * (options.workers > 1)}")
            return DONE
        at = latest(options.out)
        print(f"{fault}; the last checkpoint is of step {at}", flush=True)
        kill_at = 0  # once is enough
        if attempt < options.restarts:
            print(f"restart {attempt + 1} of {options.restarts}", flush=True)
    print(f"given up; the same command continues from step {at}")
    return FAILED


def start(options: argparse.Namespace, addresses: list[str], rank: int, kill_at: int) -> subprocess.Popen:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}  # one GPU cannot be shared like this
    command = [sys.executable, "-m", "mlmath.train_distributed", "--worker", f"--kill-at={kill_at}"]
    for name in ("steps", "batch_size", "seed", "data", "save_every", "patience", "out"):
        command.append(f"--{name.replace('_', '-')}={getattr(options, name)}")
    said = said_by(options, rank)
    with said.open("w") as out, said.with_suffix(".log").open("a") as log:  # files: a pipe nobody reads may fill up
        return subprocess.Popen(
            command, env=os.environ | quiet | {"TF_CONFIG": json.dumps(config)}, stdout=out, stderr=log
        )


def watch(processes: list[subprocess.Popen], said: list[Path]) -> str | None:
    """Shows worker 0's progress until all have ended well (None) or one has not (what happened to it)."""
    with said[0].open() as lines:
        while True:
            codes = [process.poll() for process in processes]
            for line in lines:
                if line.startswith("step"):
                    print(line.strip(), flush=True)
            if any(codes):
                time.sleep(1)  # one death brings about others; a signal tells which came first
                return fault([process.poll() for process in processes], said)
            if all(code == DONE for code in codes):
                return None
            time.sleep(0.1)


def fault(codes: list[int | None], said: list[Path]) -> str:
    """In words, what went wrong first: one was killed, or waited in vain, or ended by itself and said why."""
    killed = [(code == -signal.SIGALRM, k) for k, code in enumerate(codes) if code is not None and code < 0]
    if killed:
        alarm, rank = min(killed)
        name = signal.Signals(-codes[rank]).name
        return f"worker {rank} " + ("lost patience with the others" if alarm else f"was killed by {name}")
    rank = next(k for k, code in enumerate(codes) if code)
    words = said[rank].with_suffix(".log").read_text().splitlines()
    return f"worker {rank} ended with {codes[rank]}: {words[-1] if words else 'it said nothing'}"


def free_addresses(n: int) -> list[str]:
    """n addresses on this machine whose ports are free at the moment. (If one is taken meanwhile, a restart helps.)"""
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def said_by(options: argparse.Namespace, rank: int) -> Path:
    """Where a worker's own words go; TensorFlow's go to the .log beside it."""
    return options.out / f"worker-{rank}.txt"


def latest(out: Path) -> int:
    """The step of the last checkpoint, 0 if there is none."""
    return max((int(path.stem.rpartition("-")[2]) for path in (out / "checkpoints").glob("*.index")), default=0)


# The command line.


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        """One line; --help has the rest."""
        self.exit(BAD_ARGUMENT, message.removeprefix("argument ").replace(": was ", " was ", 1) + "\n")


def number(kind: type, low: float, high: float = 2**31 - 1):
    """A reader of numbers of a kind, within bounds."""
    kind_in_words = "a whole number" if kind is int else "a number"

    def read(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"was {text!r}; it should be {kind_in_words} from {low} to {high}")
        return value

    return read


def folder(path: Path, parents: bool) -> Path:
    """The folder `path`, made if it is not there, with its parents if they may be made, and found to take files."""
    try:
        path.mkdir(parents=parents, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise ValueError(f"--out was {str(path)!r}; it should be a folder to write to ({error.strerror})") from None
    return path


def main(arguments: list[str] | None = None) -> int:
    add = (parser := Parser(description=__doc__.splitlines()[0])).add_argument
    add("--worker", action="store_true", help="be one worker, as TF_CONFIG says, instead of starting them")
    add("--workers", type=number(int, 1, 64), default=2, help="how many to start (2)")
    add("--restarts", type=number(int, 0), default=1, help="how often to start all again after a failure (1)")
    add("--steps", type=number(int, 1), default=200, help="steps to take in all (200)")
    add("--batch-size", type=number(int, 1), default=128, help="examples in a batch, all workers together (128)")
    add("--seed", type=number(int, 0), default=0, help="of the weights and of the order of the examples (0)")
    add("--data", choices=list(EXAMPLES), default="synthetic", help="what to train on (synthetic)")
    add("--save-every", type=number(int, 1), default=10, help="steps from checkpoint to checkpoint (10)")
    add("--patience", type=number(float, 0.1, 86400), default=60.0, help="seconds a worker waits for the others (60)")
    add("--kill-at", type=number(int, 0), default=0, help="let the last worker be killed, once, after this step")
    add("--out", type=Path, default=Path("_build/distributed"), help="checkpoints, weights, logs")
    options = parser.parse_args(arguments)
    try:
        if options.worker:
            options.cluster = read_config(os.environ.get("TF_CONFIG"))
        # a worker's folder is shared: where its parent is missing, so is the share
        options.out = folder(options.out.absolute(), parents=not options.worker)
    except ValueError as error:
        parser.error(str(error))
    if options.batch_size > (m := EXAMPLES[options.data]):
        parser.error(f"--batch-size was {options.batch_size}; it should be at most {m}, the examples of --data")
    if (at := latest(options.out)) > options.steps:
        parser.error(f"--steps was {options.steps}; it should be at least {at}, the step of the checkpoint in --out")
    return work(options) if options.worker else launch(options)


if __name__ == "__main__":
    sys.exit(main())
