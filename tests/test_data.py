"""The loader under every fault that a reader's machine may have, the stand-in, and the small sets."""

import copy
import hashlib
import http.server
import io
import os
import pickle
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from mlmath import data
from mlmath.data import SENTENCES, SHAPES, as_rows, disc, load_mnist, xor

REAL = os.environ.get("MLMATH_MNIST", "")
PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


def arrays(**changed):
    """Arrays that could be MNIST by their shapes, small when compressed."""
    images = {key: np.zeros(shape, np.uint8) for key, shape in SHAPES.items()}
    for part in ("train", "test"):
        images[f"x_{part}"][0, 0, 0] = 255
        images[f"y_{part}"] = (np.arange(len(images[f"y_{part}"])) % 10).astype(np.uint8)
    return {**images, **changed}


def npz(**changed):
    file = io.BytesIO()
    np.savez_compressed(file, **{key: value for key, value in arrays(**changed).items() if value is not None})
    return file.getvalue()


@pytest.fixture(scope="module")
def whole():
    return npz()


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch, whole):
    """A home of its own, no network, a stand-in that costs no time, and a checksum that our file has."""
    monkeypatch.delenv("MLMATH_MNIST", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(data, "ADDRESS", "http://127.0.0.1:9/mnist.npz")  # nobody listens there
    monkeypatch.setattr(data, "SHA256", hashlib.sha256(whole).hexdigest())
    real = data._make_stand_in
    monkeypatch.setattr(data, "_make_stand_in", arrays)
    return real


@pytest.fixture
def serve(monkeypatch):
    """Start a server on loopback that answers with `body`, and point the loader at it."""
    servers = []

    def start(body, status=200, length=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:  # the other side hung up
                    pass

            def log_message(self, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.requests = 0
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(data, "ADDRESS", f"http://127.0.0.1:{server.server_port}/mnist.npz")
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def cache(content=None):
    path = data._keras_cache()
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return path


def shapes(digits):
    (x_train, y_train), (x_test, y_test) = digits
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    return x_train.shape, y_train.shape, x_test.shape, y_test.shape


def is_mnist(digits, source):
    assert shapes(digits) == tuple(SHAPES.values())
    assert (digits.name, digits.source) == ("MNIST", source)


def is_stand_in(digits):
    assert shapes(digits) == tuple(SHAPES.values())
    assert digits.name == "stand-in digits"


# --- a file that was named -----------------------------------------------------------------------------------------


def test_a_named_file_comes_first_and_needs_no_checksum(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mine.npz"
    path.write_bytes(npz(y_test=(np.arange(10000) % 10)[::-1].astype(np.int64)))
    cache(b"never read")
    is_mnist(load_mnist(path), "the file mine.npz")
    is_mnist(load_mnist(str(path)), "the file mine.npz")
    monkeypatch.setenv("MLMATH_MNIST", str(path))
    is_mnist(load_mnist(), "the file mine.npz")
    assert capsys.readouterr().out == 3 * (SENTENCES["MNIST"] + "\n")


def test_the_argument_outranks_the_environment(tmp_path, monkeypatch, whole):
    (tmp_path / "a.npz").write_bytes(whole)
    monkeypatch.setenv("MLMATH_MNIST", str(tmp_path / "missing.npz"))
    is_mnist(load_mnist(tmp_path / "a.npz"), "the file a.npz")


def pickled(whole):
    return npz(y_train=np.array([{}] * 60000, dtype=object))


BROKEN = {
    "empty": (lambda whole: b"", "not a whole .npz"),
    "cut in the middle": (lambda whole: whole[: len(whole) // 2], "not a whole .npz"),
    "its end lost": (lambda whole: whole[:-1], "not a whole .npz"),
    "a damaged byte": (lambda whole: whole[:300] + bytes([whole[300] ^ 255]) + whole[301:], "not a whole .npz"),
    "a web page": (lambda whole: PAGE, "not a whole .npz"),
    "one array": (lambda whole: (f := io.BytesIO(), np.save(f, np.zeros(3)), f.getvalue())[2], "not a whole .npz"),
    "pickled": (pickled, "Object arrays cannot be loaded"),
    "a pickle": (lambda whole: pickle.dumps(arrays()), "not a whole .npz"),
    "a key missing": (lambda whole: npz(y_test=None), "y_test"),
    "images of 32×32": (lambda whole: npz(x_test=np.zeros((10000, 32, 32), np.uint8)), r"x_test was of shape"),
    "too few": (lambda whole: npz(x_train=np.zeros((100, 28, 28), np.uint8)), "x_train was of shape"),
    "scaled already": (lambda whole: npz(x_test=np.ones((10000, 28, 28), np.float32)), "x_test was of type float32"),
    "black": (lambda whole: npz(x_test=np.zeros((10000, 28, 28), np.uint8)), "x_test was at most 0"),
    "eleven classes": (lambda whole: npz(y_test=(np.arange(10000) % 11).astype(np.uint8)), "y_test was something else"),
    "float labels": (lambda whole: npz(y_train=np.arange(60000) % 10.0), "y_train was of type float64"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_named_file_that_is_not_mnist_is_an_error_and_is_left_alone(kind, tmp_path, monkeypatch, whole):
    make, reason = BROKEN[kind]
    path = tmp_path / "mnist.npz"
    path.write_bytes(make(whole))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=rf"(?s)^path was '.*mnist.npz'; it should be MNIST .*{reason}"):
        load_mnist(path)
    monkeypatch.setenv("MLMATH_MNIST", str(path))
    with pytest.raises(ValueError, match="^MLMATH_MNIST was"):
        load_mnist()
    assert path.read_bytes() == before


def test_pickles_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    for name, content in {"a.npz": pickle.dumps(Trap()), "b.npz": npz(x_test=np.array([Trap()], dtype=object))}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="should be MNIST"):
            load_mnist(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("path", ["nowhere/mnist.npz", ".", os.devnull, "a\0b", ""])
def test_a_path_without_a_file_is_an_error_that_names_it(path):
    with pytest.raises(ValueError, match="^path was .*should be the path of an existing file"):
        load_mnist(path)


@pytest.mark.parametrize("path", [3, 0.5, b"mnist.npz", ["a"], True])
def test_a_path_that_is_none_is_a_type_error(path):
    with pytest.raises(TypeError, match="^path was"):
        load_mnist(path)


# --- Keras' cache --------------------------------------------------------------------------------------------------


def test_keras_cache_is_read_and_nothing_is_fetched(serve, whole, capsys):
    server = serve(PAGE)
    cache(whole)
    is_mnist(load_mnist(), "Keras' cache")
    assert capsys.readouterr().out == SENTENCES["MNIST"] + "\n"
    assert server.requests == 0


@pytest.mark.parametrize("kind", ["cut in the middle", "a web page", "pickled", "too few"])
def test_a_spoilt_cache_is_named_and_replaced_only_by_a_whole_file(kind, serve, whole, capsys):
    spoilt = BROKEN[kind][0](whole)
    path = cache(spoilt)
    is_stand_in(load_mnist())  # no network
    assert path.read_bytes() == spoilt
    out = capsys.readouterr().out
    assert f"{path} cannot be used: " in out and "could not be fetched" in out and SENTENCES["stand-in digits"] in out
    serve(whole)
    is_mnist(load_mnist(), "downloaded from 127.0.0.1")
    assert path.read_bytes() == whole
    is_mnist(load_mnist(), "Keras' cache")


def test_without_a_home_the_temporary_folder_serves(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("KERAS_HOME")
    assert data._keras_cache().is_absolute()


# --- the download --------------------------------------------------------------------------------------------------


def test_a_download_is_kept_in_keras_cache_and_not_repeated(serve, whole, capsys):
    server = serve(whole)
    is_mnist(load_mnist(), "downloaded from 127.0.0.1")
    assert cache().read_bytes() == whole
    is_mnist(load_mnist(), "Keras' cache")
    assert server.requests == 1
    out = capsys.readouterr().out
    assert out.startswith("Fetching MNIST (11 MB) from 127.0.0.1 …\n" + SENTENCES["MNIST"])


ANSWERS = {
    "cut in the middle": (lambda w: {"body": w[: len(w) // 2], "length": len(w)}, "cut off after"),
    "cut, and the length with it": (lambda w: {"body": w[: len(w) // 2]}, "something else and not MNIST"),
    "a page instead": (lambda w: {"body": PAGE}, "a web page, perhaps a proxy’s"),
    "another checksum": (lambda w: {"body": npz(y_train=np.arange(60000) % 10)}, "something else and not MNIST"),
    "not found": (lambda w: {"body": PAGE, "status": 404}, "404"),
    "an error of the server": (lambda w: {"body": b"", "status": 503}, "503"),
    "nothing": (lambda w: {"body": b""}, "something else"),
    "a senseless length": (lambda w: {"body": w, "length": "many"}, "many"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_bad_answer_is_told_not_kept_and_not_used(kind, serve, whole, capsys):
    make, reason = ANSWERS[kind]
    serve(**make(whole))
    is_stand_in(load_mnist())
    out = capsys.readouterr().out
    assert "MNIST could not be fetched: " in out and reason in out and SENTENCES["stand-in digits"] in out
    assert not cache().exists() and not list(cache().parent.glob("*"))


PROXY = {
    "a page in place of the file": ("http", "200 OK", "a web page, perhaps a proxy’s"),
    "a page that asks for a password": ("https", "407 Proxy Authentication Required", "407 Proxy Authentication"),
    "a page in place of encryption": ("https", "200 OK", "SSL"),
}


@pytest.mark.parametrize("kind", PROXY)
def test_a_proxy_that_answers_with_a_page_is_told(kind, monkeypatch, capsys):
    """What a hotel's or a school's network does before one has logged in: the proxy itself answers."""
    scheme, status, reason = PROXY[kind]
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def answer():
            line, _ = proxy.accept()
            with line:
                asked.append(line.recv(65536).split()[0])
                line.sendall(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\n\r\n".encode() + PAGE)

        asked = []
        threading.Thread(target=answer, daemon=True).start()
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("no_proxy")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setattr(urllib.request, "_opener", None)  # which remembers the proxies of its first use
        monkeypatch.setattr(data, "ADDRESS", f"{scheme}://mnist.example/mnist.npz")
        is_stand_in(load_mnist())
    assert asked == [{"http": b"GET", "https": b"CONNECT"}[scheme]]
    out = capsys.readouterr().out
    assert "MNIST could not be fetched: " in out and reason in out
    assert not cache().exists() and not list(cache().parent.glob("*"))


def test_an_endless_answer_is_given_up(serve, monkeypatch, capsys):
    monkeypatch.setattr(data, "LARGEST", 10_000)
    serve(bytes(20_000))
    is_stand_in(load_mnist())
    assert "longer than 10000 bytes" in capsys.readouterr().out


def test_a_dripping_answer_is_given_up(serve, monkeypatch, whole, capsys):
    monkeypatch.setattr(data, "SECONDS_IN_ALL", 0)
    serve(whole)
    is_stand_in(load_mnist())
    assert "unfinished" in capsys.readouterr().out


def test_a_silent_server_is_given_up(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes the call, never answers
        monkeypatch.setattr(data, "ADDRESS", f"http://127.0.0.1:{listening.getsockname()[1]}/mnist.npz")
        monkeypatch.setattr(data, "SECONDS_OF_SILENCE", 0.2)
        is_stand_in(load_mnist())
    assert "timed out" in capsys.readouterr().out


def test_without_network_one_sentence_and_the_stand_in(capsys):
    is_stand_in(load_mnist())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[1] == (
        "MNIST could not be fetched: Connection refused. (With MLMATH_MNIST=stand-in it is not tried.)"
    )


def test_two_processes_at_once_both_get_mnist_and_leave_one_whole_file(serve, whole):
    serve(whole)
    code = (
        "import sys; from mlmath import data; data.ADDRESS, data.SHA256 = sys.argv[1:]; "
        "digits = data.load_mnist(); assert digits.name == 'MNIST'; print(digits.source)"
    )
    command = [sys.executable, "-c", code, data.ADDRESS, data.SHA256]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert out.decode().splitlines()[-1] in ("downloaded from 127.0.0.1", "Keras' cache")
    assert cache().read_bytes() == whole and len(list(cache().parent.iterdir())) == 1


def test_whoever_reads_while_the_file_is_replaced_sees_the_old_or_the_new(monkeypatch, whole):
    path, seen = cache(b"old"), []
    replace = os.replace

    def spying(part, target):
        seen.append((Path(part).read_bytes() == whole, path.read_bytes()))
        replace(part, target)

    monkeypatch.setattr(os, "replace", spying)
    data._keep(path, whole)
    assert seen == [(True, b"old")] and path.read_bytes() == whole


# --- faults of the disk --------------------------------------------------------------------------------------------


def failing(error):
    def fail(*arguments, **named):
        raise error

    return fail


FULL, READ_ONLY = OSError(28, "No space left on device"), OSError(30, "Read-only file system")


@pytest.mark.parametrize(("place", "error"), [("write_bytes", FULL), ("mkdir", READ_ONLY), ("replace", FULL)])
def test_a_full_disk_or_a_read_only_home_costs_a_sentence_not_the_data(place, error, serve, monkeypatch, whole, capsys):
    serve(whole)
    monkeypatch.setattr(os if place == "replace" else Path, place, failing(error))
    is_mnist(load_mnist(), "downloaded from 127.0.0.1")
    assert f"could not be written ({error.strerror})" in capsys.readouterr().out
    assert not cache().exists() and not list(cache().parent.glob("*"))
    is_stand_in(load_mnist("stand-in"))
    assert f"could not be written ({error.strerror})" in capsys.readouterr().out


def test_a_disk_that_fills_halfway_leaves_no_part_behind(serve, monkeypatch, whole):
    def half(path, content):
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        raise FULL

    serve(whole)
    monkeypatch.setattr(Path, "write_bytes", half)
    is_mnist(load_mnist(), "downloaded from 127.0.0.1")
    assert not list(cache().parent.glob("*"))


def test_a_cache_folder_that_is_a_file_costs_a_sentence(serve, tmp_path, monkeypatch, whole, capsys):
    serve(whole)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    is_mnist(load_mnist(), "downloaded from 127.0.0.1")
    is_stand_in(load_mnist("stand-in"))
    assert capsys.readouterr().out.count("could not be written") == 2


def mounting(*words):
    """`mount` with these words in a namespace of its own, where a command given after them then runs."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "sh", "-c", f'mount {" ".join(words)} && exec "$@"', "sh"]


LOADS = """
import sys
import numpy as np
from mlmath import data
data.ADDRESS, data.SHA256, arrays = sys.argv[1:]
data._make_stand_in = lambda: dict(np.load(arrays))
print(data.load_mnist().source)
print(data.load_mnist("stand-in").name)
"""


@pytest.mark.parametrize(
    ("disk", "reason"), [("size=16k", "No space left on device"), ("ro", "Read-only file system")], ids=["full", "home"]
)
def test_on_a_full_disk_or_in_a_read_only_home_there_are_digits_and_a_sentence(disk, reason, serve, tmp_path, whole):
    """The file system itself refuses here: a home that has 16 kB, or that is mounted for reading."""
    home = tmp_path / "home"
    home.mkdir()
    mount = mounting("-t", "tmpfs", "-o", disk, "none", str(home))
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("SKIPPED: nothing can be mounted here, no disk was full")
    serve(whole)
    (tmp_path / "arrays.npz").write_bytes(whole)
    command = [*mount, sys.executable, "-c", LOADS, data.ADDRESS, data.SHA256, str(tmp_path / "arrays.npz")]
    command = [*mount, "sh", "-c", '"$@" && find ~ -type f', "sh", *command[len(mount) :]]
    environment = {name: value for name, value in os.environ.items() if name not in ("KERAS_HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(command, env=environment | {"HOME": str(home)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = f"could not be written ({reason}); next time it will have to be made again."
    assert done.stdout.splitlines() == [
        "Fetching MNIST (11 MB) from 127.0.0.1 …",
        f"{home}/.keras/datasets/mnist.npz {kept}",
        SENTENCES["MNIST"],
        "downloaded from 127.0.0.1",
        f"{home}/.cache/mlmath/stand-in-1.npz {kept}",
        SENTENCES["stand-in digits"],
        "stand-in digits",
    ]  # and no file is left


# --- the stand-in --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stand_in():
    pytest.importorskip("sklearn", reason="the stand-in is made of scikit-learn's digits")
    return data._make_stand_in()


def test_the_word_stand_in_forces_it_and_one_sentence_says_so(serve, whole, monkeypatch, capsys):
    server = serve(whole)
    cache(whole)
    is_stand_in(load_mnist("stand-in"))
    monkeypatch.setenv("MLMATH_MNIST", "stand-in")
    is_stand_in(load_mnist())
    assert capsys.readouterr().out == 2 * (SENTENCES["stand-in digits"] + "\n")
    assert "not MNIST" in SENTENCES["stand-in digits"] and server.requests == 0


def test_the_stand_in_is_made_once_and_again_if_its_file_is_spoilt(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(data, "_make_stand_in", lambda: made.append(1) or arrays())
    for _ in range(2):
        is_stand_in(load_mnist("stand-in"))
    assert len(made) == 1
    (kept,) = (tmp_path / "cache" / "mlmath").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    for _ in range(2):
        is_stand_in(load_mnist("stand-in"))
    assert len(made) == 2


def test_the_stand_in_has_mnists_shapes_and_passes_for_it(stand_in):
    file = io.BytesIO()
    np.savez(file, **stand_in)
    assert all(np.array_equal(array, stand_in[key]) for key, array in data._parse(file.getvalue()).items())


def test_the_stand_in_is_the_same_every_time(stand_in, machine):
    again = machine()
    assert all(again[key].tobytes() == stand_in[key].tobytes() for key in SHAPES)


def test_the_classes_are_balanced(stand_in):
    for part, share in (("y_train", 6000), ("y_test", 1000)):
        assert abs(np.bincount(stand_in[part]) / share - 1).max() < 0.06


def test_no_original_is_in_both_halves_and_each_is_used_equally_often(monkeypatch, machine):
    pytest.importorskip("sklearn", reason="the stand-in is made of scikit-learn's digits")
    images, labels = data._originals()
    split, seen = data._split, {}

    def spying(labels, rng):
        seen["train"], seen["test"] = split(labels, rng)
        return seen["train"], seen["test"]

    number = np.arange(1797, dtype=np.int64)  # labels that name the original
    monkeypatch.setattr(data, "_originals", lambda: (images, number))
    monkeypatch.setattr(data, "_split", lambda _, rng: spying(labels, rng))
    monkeypatch.setattr(data, "_drawn", lambda images, rng: images)
    made = machine()
    train, test = np.unique(made["y_train"]), np.unique(made["y_test"])
    assert len(train) == 1437 and len(test) == 360 and not set(train) & set(test)
    assert set(train) == set(seen["train"]) and set(test) == set(seen["test"])
    for part in ("train", "test"):
        times = np.bincount(made[f"y_{part}"])
        assert np.ptp(times[times > 0]) <= 1
        assert np.array_equal(made[f"x_{part}"], images[made[f"y_{part}"]])  # images and labels stay together


def test_the_originals_are_all_different():
    pytest.importorskip("sklearn", reason="the stand-in is made of scikit-learn's digits")
    assert len(np.unique(data._originals()[0], axis=0)) == 1797


def test_the_copies_of_an_original_all_differ_and_look_like_it_the_same_way_up():
    pytest.importorskip("sklearn", reason="the stand-in is made of scikit-learn's digits")
    images, labels = data._originals()
    two = images[labels == 2][0]
    copies = data._drawn(np.repeat(two[None], 50, axis=0), np.random.default_rng(1)).reshape(50, -1)
    assert len(np.unique(copies, axis=0)) == 50
    mean = copies.mean(axis=0)
    assert min(np.corrcoef(copy, mean)[0, 1] for copy in copies) > 0.6

    def likeness(image):
        enlarged = np.kron(image, np.ones((5, 5))).reshape(20, 2, 20, 2).mean(axis=(1, 3))
        return np.corrcoef(np.pad(enlarged, 4).ravel(), mean)[0, 1]

    assert likeness(two) > 0.8 > max(likeness(two.T), likeness(two[::-1]), likeness(two[:, ::-1]))


def test_mass_is_centred_on_pixel_14_within_the_shift(stand_in):
    mass, k = stand_in["x_train"][:2000].sum(axis=(1, 2)), np.arange(28)
    for axis in ("mij,i->m", "mij,j->m"):
        centre = np.einsum(axis, stand_in["x_train"][:2000].astype(float), k) / mass
        assert abs(centre.mean() - 14) < 0.05 and abs(centre - 14).max() < 2


def test_interpolation_between_pixels_is_bilinear_and_zero_outside():
    image = np.zeros((1, 8, 8), np.float32)
    image[0, 2, 3], image[0, 2, 4] = 8, 16
    at = lambda row, column: data._between(image, np.full((1, 1, 1), row), np.full((1, 1, 1), column)).item()  # noqa: E731
    assert [at(2, 3), at(2, 3.25), at(2.5, 4), at(1, 3), at(-9, 3), at(2, 99)] == [8, 10, 8, 0, 0, 0]
    image[0, 7, 7] = 4
    assert [at(7, 7), at(7.5, 7), at(8, 7), at(7.25, 7.5)] == [4, 2, 0, 1.5]


def test_without_scikit_learn_the_error_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="neither MNIST nor scikit-learn"):
        data._originals()


# --- what is returned, and the rest --------------------------------------------------------------------------------


def test_name_and_source_survive_copying_and_pickling(whole):
    cache(whole)
    digits = load_mnist()
    for same in (copy.copy(digits), pickle.loads(pickle.dumps(digits))):
        is_mnist(same, "Keras' cache")


@pytest.mark.skipif(not os.path.isfile(REAL), reason="MLMATH_MNIST names no file: real MNIST not tested")
def test_the_real_file():
    digits = load_mnist(REAL)
    is_mnist(digits, f"the file {Path(REAL).name}")
    (x_train, y_train), (_, y_test) = digits
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9] and y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert x_train[:, 0, 0].max() == 0 and x_train.max() == 255


def test_rows_are_float32_from_0_to_1_and_the_images_unchanged():
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    X = as_rows(images)
    assert X.shape == (2, 784) and X.dtype == np.float32
    assert np.array_equal(X[1], images[1].ravel() / np.float32(255)) and X.min() == 0 and X.max() == 1
    assert as_rows(images[:0]).shape == (0, 784)


def test_rows_scaled_twice_are_refused():
    with pytest.raises(TypeError, match="images was of type float64; it should be uint8"):
        as_rows(np.zeros((2, 28, 28)))
    with pytest.raises(ValueError, match=r"images was of shape \(28, 28\)"):
        as_rows(np.zeros((28, 28), np.uint8))


def test_the_disc_has_half_of_the_points_and_no_line_does_well():
    X, labels = disc(200_000, np.random.default_rng(0))
    assert X.shape == (200_000, 2) and labels.dtype.kind == "i" and set(labels) == {0, 1}
    assert abs(X).max() <= 1 and abs(labels.mean() - 0.5) < 0.005
    assert np.array_equal(labels == 1, np.hypot(*X.T) < np.sqrt(2 / np.pi))
    angles, offsets = np.linspace(0, np.pi, 13), np.linspace(-1.2, 1.2, 49)
    right = [((X @ [np.cos(a), np.sin(a)] > c) == labels).mean() for a in angles for c in offsets]
    assert 0.62 < max(*right, *(1 - np.array(right))) < 0.64


def test_the_disc_is_the_generators_own():
    X, _ = disc(7, np.random.default_rng(3))
    assert np.array_equal(X, np.random.default_rng(3).uniform(-1, 1, (7, 2)))


@pytest.mark.parametrize(
    ("m", "rng", "error", "name"),
    [(0, 0, TypeError, "rng"), (3, None, TypeError, "rng"), (0, np.random.default_rng(0), ValueError, "m"),
     (2.5, np.random.default_rng(0), TypeError, "m"), (True, np.random.default_rng(0), TypeError, "m")],
)  # fmt: skip
def test_bad_arguments_of_the_disc_are_named(m, rng, error, name):
    with pytest.raises(error, match=f"^{name} was"):
        disc(m, rng)


def test_xor_is_what_it_says():
    X, labels = xor()
    assert np.array_equal(labels, X[:, 0].astype(int) ^ X[:, 1].astype(int)) and len(np.unique(X, axis=0)) == 4


def test_importing_the_data_module_imports_nothing_heavy():
    code = "import sys, mlmath.data; assert not {'sklearn', 'tensorflow', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
