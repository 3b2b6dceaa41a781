"""Several processes train as one does, one that dies or never comes is noticed, and a run goes on where it stopped."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mlmath.train_distributed import EXAMPLES, batch_of, examples, folder, free_addresses, main, read_config, share

PROGRAM = [sys.executable, "-m", "mlmath.train_distributed"]
SECONDS = 240  # a limit for a busy machine; on a quiet one no test takes a tenth of it


def config(addresses, index=0, kind="worker"):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": kind, "index": index}})


def run(*options, tf_config=None):
    environment = {**os.environ, **({"TF_CONFIG": tf_config} if tf_config is not None else {})}
    command = [*PROGRAM, *map(str, options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)


def trained(out, *options):
    """What the launcher said, and the final weights of each worker."""
    done = run("--steps=20", "--batch-size=33", f"--out={out}", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, [list(np.load(path).values()) for path in sorted(out.glob("worker-*.npz"))]


def same_bits(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two workers for 20 steps: a batch of 33 is 17 + 16, and never even."""
    return trained(tmp_path_factory.mktemp("two"), "--workers=2")


def test_two_workers_take_the_steps_of_one(two, tmp_path):
    said, (first, second) = two
    _, (alone,) = trained(tmp_path, "--workers=1")
    assert same_bits(first, second)
    assert max(abs(a - b).max() for a, b in zip(first, alone, strict=True)) < 1e-6
    assert max(abs(a).max() for a in alone) > 0.05


def test_progress_is_shown_and_the_loss_falls(two):
    lines = [line for line in two[0].splitlines() if line.startswith("step")]
    losses = [float(line.rpartition(" ")[2]) for line in lines]
    assert lines[0].startswith("step 1/20, loss ") and lines[-1].startswith("step 20/20, loss ")
    assert losses[-1] < losses[0] / 1.5
    assert two[0].splitlines()[-1] == "done: 20 steps, 2 workers"


def test_a_run_with_a_killed_worker_resumes_bit_for_bit(two, tmp_path):
    said, (first, _) = trained(tmp_path, "--workers=2", "--kill-at=17")
    assert "worker 1 was killed by SIGKILL; the last checkpoint is of step 10\nrestart 1 of 1\nstep 11/20" in said
    assert same_bits(first, two[1][0])


def test_where_no_restart_is_left_it_says_so_and_leaves_no_process_behind(tmp_path):
    command = [*PROGRAM, "--steps=100000", "--restarts=0", f"--out={tmp_path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as launcher:
        try:
            assert launcher.stdout.readline().startswith("step 1/100000")
            workers = children(launcher.pid)
            assert len(workers) == 2
            os.kill(workers[0], signal.SIGKILL)
            said, _ = launcher.communicate(timeout=SECONDS)
        finally:
            launcher.kill()
    assert launcher.returncode == 1
    assert "worker 0 was killed by SIGKILL" in said and said.splitlines()[-1].startswith("given up")
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_launcher_that_is_stopped_leaves_no_process_behind(tmp_path, sent):
    command = [*PROGRAM, "--steps=100000", f"--out={tmp_path}"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what is started in the background ignores it
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=heed) as launcher:  # noqa: PLW1509
        try:
            assert launcher.stdout.readline().startswith("step 1/100000")
            workers = children(launcher.pid)
            assert len(workers) == 2
            launcher.send_signal(sent)
            said, _ = launcher.communicate(timeout=SECONDS)
        finally:
            launcher.kill()
    assert launcher.returncode == 1
    assert said.splitlines()[-1].startswith("stopped; the same command continues from step ")
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_fewer_steps_than_the_folder_has_are_refused_and_not_called_done(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "ckpt-20.index").touch()
    assert complaint("--steps=5", f"--out={tmp_path}") == (
        "--steps was 5; it should be at least 20, the step of the checkpoint in --out"
    )


def children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if not found.exists():
        pytest.skip("the children of a process are listed in /proc on Linux alone")
    return [int(child) for child in found.read_text().split()]


def test_a_partner_that_never_comes_is_given_up_in_time(tmp_path):
    addresses = free_addresses(2)
    before = time.monotonic()
    done = run("--worker", "--patience=2", f"--out={tmp_path}", tf_config=config(addresses))
    assert done.returncode == -signal.SIGALRM
    assert done.stdout == f"waiting at most 2 s for {addresses[1]}\n"
    assert 2 < time.monotonic() - before < SECONDS


HERE = ["127.0.0.1:4001", "127.0.0.1:4002"]
TASK = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "was None; it should be like"),
        ("", "was ''; it should be like"),
        ("{", "was '{'"),
        ("[]", "it should be like"),
        ('{"cluster": {"worker": ["a:1"]}}', "it should be like"),
        (json.dumps({"cluster": {"worker": HERE, "ps": ["c:3"]}, "task": TASK}), "cluster was .* no other jobs"),
        (config([]), r"worker was \[\]; it should be a list"),
        (config("a:1"), "worker was 'a:1'; it should be a list"),
        (config(["localhost"]), "an address was 'localhost'; it should be host:port"),
        (config(["a:0"]), "an address was 'a:0'"),
        (config(["a:65536"]), "an address was 'a:65536'"),
        (config([4001]), "an address was 4001"),
        (config([HERE[0]] * 2), "all different"),
        (config(HERE, kind="chief"), "type was 'chief'"),
        (config(HERE, 2), r"index was 2; it should be in 0 … 1"),
        (config(HERE, -1), "index was -1"),
        (config(HERE, "0"), "index was '0'"),
        (config(HERE, True), "index was True"),
    ],
)
def test_a_bad_tf_config_is_named(text, named):
    with pytest.raises(ValueError, match="^TF_CONFIG.*" + named):
        read_config(text)


def test_a_good_tf_config_is_read():
    assert read_config(config(HERE, 1)) == (HERE, 1)


def test_the_program_ends_at_once_and_in_one_line_for_a_bad_tf_config(tmp_path):
    done = run("--worker", f"--out={tmp_path}", tf_config=config(HERE, 2))
    assert done.returncode == 2
    assert done.stderr == "TF_CONFIG: index was 2; it should be in 0 … 1\n"


def complaint(*options, **environment):
    """The one line with which the program refuses its arguments."""
    done = run(*options, **environment)
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("option", "was", "should_be"),
    [
        ("--patience", "inf", "a number from 0.1 to 86400"),
        ("--patience", "nan", "a number from 0.1 to 86400"),
        ("--patience", "0", "a number from 0.1 to 86400"),
        ("--patience", "-1", "a number from 0.1 to 86400"),
        ("--patience", "a minute", "a number from 0.1 to 86400"),
        ("--workers", "0", "a whole number from 1 to 64"),
        ("--workers", "two", "a whole number from 1 to 64"),
        ("--workers", "100000", "a whole number from 1 to 64"),
        ("--steps", "0", "a whole number from 1 to 2147483647"),
        ("--steps", "1e3", "a whole number from 1 to 2147483647"),
        ("--batch-size", "-128", "a whole number from 1 to 2147483647"),
        ("--save-every", "0", "a whole number from 1 to 2147483647"),
        ("--restarts", "-1", "a whole number from 0 to 2147483647"),
        ("--seed", "99999999999", "a whole number from 0 to 2147483647"),
        ("--kill-at", "-1", "a whole number from 0 to 2147483647"),
    ],
)
def test_an_impossible_number_is_refused_in_one_line(capsys, option, was, should_be):
    with pytest.raises(SystemExit) as end:
        main([f"{option}={was}"])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"{option} was {was!r}; it should be {should_be}\n"


@pytest.mark.parametrize("options", [("--shards=3",), ("--data=letters",), ("--patience",), ("three",)])
def test_what_is_no_option_is_refused_in_one_line_that_names_it(options):
    assert options[0].split("=")[0] in complaint(*options)


def test_a_batch_larger_than_the_data_is_refused(tmp_path):
    assert complaint("--batch-size=1001", f"--out={tmp_path}") == (
        "--batch-size was 1001; it should be at most 1000, the examples of --data"
    )


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/below"):
        line = complaint(f"--out={tmp_path / out}")
        assert line.startswith(f"--out was '{tmp_path / out}'; it should be a folder to write to (")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_takes_no_files_is_refused(capsys):
    with tempfile.TemporaryDirectory() as out:
        os.chmod(out, 0o555)
        if root := os.geteuid() == 0:  # may write everywhere
            os.chown(out, 65534, -1)
            os.seteuid(65534)
        try:
            with pytest.raises(SystemExit) as end:
                main([f"--out={out}"])
        finally:
            if root:
                os.seteuid(0)
    assert end.value.code == 2
    assert capsys.readouterr().err == f"--out was '{out}'; it should be a folder to write to (Permission denied)\n"


def test_the_launcher_makes_missing_parents_and_a_worker_does_not(tmp_path):
    assert folder(tmp_path / "a" / "b", parents=True).is_dir()
    out = tmp_path / "unmounted" / "share"
    line = complaint("--worker", f"--out={out}", tf_config=config(HERE))
    assert line == f"--out was '{out}'; it should be a folder to write to (No such file or directory)"
    assert not out.parent.exists()


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 40])
def test_shares_are_the_batch_once_and_as_even_as_can_be(workers):
    batch = batch_of(0, 100, 33, seed=0)
    shares = [share(batch, workers, rank) for rank in range(workers)]
    assert np.array_equal(np.concatenate(shares), batch)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_an_epoch_of_batches_has_each_example_once_and_the_next_another_order():
    epochs = [np.concatenate([batch_of(step, 100, 33, seed=0) for step in range(4 * k, 4 * k + 4)]) for k in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(100))] * 2
    assert not np.array_equal(*epochs)
    assert len(batch_of(3, 100, 33, seed=0)) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_there_are_as_many_examples_as_the_largest_batch(name):
    assert len(examples(name)[0]) == EXAMPLES[name]
