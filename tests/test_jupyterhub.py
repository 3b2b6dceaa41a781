"""A class on one server: the hub of deploy/jupyterhub, started for real on loopback, and two users in it.

MLMATH_JUPYTERHUB names a Python that has deploy/jupyterhub/requirements.txt beside the book's own requirements; the
proxy is found on PATH, or where `npm install --prefix node` puts it beside that Python. As root, where a mount
namespace of its own can be had, servers run as system users, who exist for this test alone; elsewhere all have the
rights of this user, and the test of what system users may do is skipped.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

import httpx
import pytest
import websocket
import yaml
from browser import browser  # noqa: F401
from build_book import ROOT

FOLDER = ROOT / "deploy" / "jupyterhub"
PYTHON = Path(os.environ.get("MLMATH_JUPYTERHUB", "/nowhere"))
PATH = f"{PYTHON.parent.parent / 'node' / 'node_modules' / '.bin'}:{os.environ['PATH']}"
CHAPTER = "3_4_gradient_descent.ipynb"
# /etc and /home of a mount namespace of its own: what useradd does there is gone with the hub
PRIVATE = """mount -t tmpfs none "$0" && mkdir "$0"/upper "$0"/work "$0"/home &&
mount -t overlay none -o lowerdir=/etc,upperdir="$0"/upper,workdir="$0"/work /etc &&
mount --bind "$0"/home /home && exec "$@" """


def system_users() -> bool:
    """Whether we may have a mount namespace with an /etc of its own, in which others can run that Python."""
    if os.geteuid() or not shutil.which("unshare"):
        return False
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PYTHON, "-c", "import jupyterhub, mlmath"]
    probe = ["unshare", "-m", "sh", "-c", PRIVATE, "/mnt", *nobody]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(true, seconds: float = 90):
    """The first result of `true` that is true; a failure if there is none in time."""
    end = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < end, f"nothing in {seconds} seconds"
        time.sleep(0.3)
    return result


class Hub:
    """A hub that keeps its files in `folder`; `options` are JupyterHub's own, `idle` is in seconds."""

    def __init__(self, folder: Path, *options: str, idle: int = 3600):
        self.state, self.log, self.system_users = folder / "state", folder / "log", system_users()
        port, hub, api = free_ports(3)
        self.url = f"http://127.0.0.1:{port}"
        command = [PYTHON, "-m", "jupyterhub", "-f", FOLDER / "jupyterhub_config.py", *options]
        command += [f"--JupyterHub.bind_url={self.url}", f"--JupyterHub.hub_port={hub}"]
        command += [f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{api}"]
        if self.system_users:
            mount = folder / "mount"
            mount.mkdir()
            command = ["unshare", "-m", "sh", "-c", PRIVATE, mount, *command]
        environment = os.environ | {
            "PATH": PATH,
            "PYTHONPATH": "",
            "MLMATH_HUB_STATE": str(self.state),
            "MLMATH_HUB_SPAWNER": "local" if self.system_users else "simple",
            "MLMATH_HUB_TEACHER": "teacher",
            "MLMATH_HUB_IDLE": str(idle),
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
        until(lambda: "JupyterHub is now running" in self.log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self) -> None:
        """The hub takes its proxy and the users' servers with it."""
        self.process.terminate()
        self.process.wait(60)


class Person:
    """A browser of one's own, as far as cookies and forms go."""

    def __init__(self, hub: Hub, name: str, password: str = "correct horse battery"):
        self.hub, self.name, self.password = hub, name, password
        limits = httpx.Limits(max_keepalive_connections=0)  # so nothing stays open at the end
        self.web = httpx.Client(base_url=hub.url, follow_redirects=True, timeout=60, limits=limits)

    def xsrf(self, path: str) -> str:
        return next(cookie.value for cookie in self.web.cookies.jar if (cookie.name, cookie.path) == ("_xsrf", path))

    def post(self, page: str, **fields: str) -> httpx.Response:
        self.web.get(page)
        return self.web.post(page, data=fields | {"_xsrf": self.xsrf("/hub/")})

    def sign_up(self) -> str:
        fields = {"signup_password": self.password, "signup_password_confirmation": self.password}
        return self.post("/hub/signup", username=self.name, **fields).text

    def log_in(self, password: str | None = None) -> bool:
        """Whether the hub knows me after that."""
        self.post("/hub/login?next=%2Fhub%2Fhome", username=self.name, password=password or self.password)
        return self.hub_api("GET", "/user").status_code == 200

    def hub_api(self, method: str, path: str) -> httpx.Response:
        self.web.get("/hub/home")
        return self.web.request(method, f"/hub/api{path}", headers={"X-XSRFToken": self.xsrf("/hub/")})

    def running(self) -> bool:
        servers = self.hub_api("GET", f"/users/{self.name}").json()["servers"]
        return bool(servers) and servers[""]["ready"]

    def start(self) -> None:
        assert self.hub_api("POST", f"/users/{self.name}/server").status_code in (201, 202)
        until(self.running)
        assert self.web.get(f"/user/{self.name}/lab").status_code == 200

    def stop(self) -> None:
        assert self.hub_api("DELETE", f"/users/{self.name}/server").status_code in (202, 204)
        until(lambda: not self.running())

    def ask(self, method: str, path: str, owner: str | None = None, **options) -> httpx.Response:
        """A request to the server of `owner`, or to my own."""
        headers = {"X-XSRFToken": self.xsrf(f"/user/{self.name}/")}
        return self.web.request(method, f"/user/{owner or self.name}/api/{path}", headers=headers, **options)

    def run(self, code: str) -> str:
        """What `code` prints in a new kernel of mine, or how its error begins."""
        kernel = self.ask("POST", "kernels", json={"name": "python3"}).json()["id"]
        cookie = self.web.build_request("GET", f"/user/{self.name}/").headers["Cookie"]
        address = f"{self.hub.url.replace('http', 'ws')}/user/{self.name}/api/kernels/{kernel}/channels"
        channel = websocket.create_connection(address, cookie=cookie, origin=self.hub.url, timeout=120)
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "version": "5.3",
            "session": "",
            "username": "",
        }
        content = {"code": code, "silent": False}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        channel.send(json.dumps(request))
        printed = ""
        while True:
            message = json.loads(channel.recv())
            if message["parent_header"].get("msg_id") == header["msg_id"]:
                kind, content = message["msg_type"], message["content"]
                printed += content["text"] if content.get("name") == "stdout" else ""
                printed += content["ename"] if kind == "error" else ""
                if kind == "status" and content["execution_state"] == "idle":
                    break
        channel.close()
        self.ask("DELETE", f"kernels/{kernel}")
        return printed


@pytest.fixture(scope="module")
def installed():
    if not PYTHON.exists():
        pytest.skip("SKIPPED: MLMATH_JUPYTERHUB names no Python with JupyterHub, no hub ran")
    if not shutil.which("configurable-http-proxy", path=PATH):
        pytest.skip("SKIPPED: no configurable-http-proxy, no hub ran")
    if not os.geteuid() and not system_users():
        pytest.skip("SKIPPED: neither system users to be had nor, as root, servers without them, no hub ran")


@pytest.fixture(scope="module")
def hub(installed, tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"))
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def teacher(hub):
    teacher = Person(hub, "teacher")
    assert "signup was successful" in teacher.sign_up() and teacher.log_in()
    return teacher


@pytest.fixture(scope="module")
def two(hub, teacher):
    """Two users with a server each, let in by the teacher."""
    people = [Person(hub, name) for name in ("anna", "bert")]
    for person in people:
        person.sign_up()
        teacher.web.get(f"/hub/authorize/{person.name}")
        assert person.log_in()
        person.start()
    return people


def test_nobody_gets_in_before_the_teacher_says_so(hub, teacher):
    carl = Person(hub, "carl")
    assert "has been sent to the admin" in carl.sign_up()
    assert not carl.log_in()
    teacher.web.get("/hub/authorize/carl")
    assert carl.log_in()
    assert carl.web.get("/hub/authorize").status_code == 403


@pytest.mark.parametrize("name, password", [("dora", "short"), ("dora", "1234567890"), ("../dora", ""), ("a b", "")])
def test_weak_passwords_and_names_that_no_system_user_may_have_are_refused(hub, teacher, name, password):
    person = Person(hub, name, password or "correct horse battery")
    assert "Something went wrong" in person.sign_up()
    teacher.web.get(f"/hub/authorize/{name}")
    assert not person.log_in()


def test_a_wrong_password_is_refused(hub, two):
    assert not Person(hub, "anna").log_in("correct horse batterx")
    assert Person(hub, "anna").log_in()


def test_guessing_passwords_is_stopped(hub, teacher):
    emil = Person(hub, "emil")
    emil.sign_up()
    teacher.web.get("/hub/authorize/emil")
    assert not any([Person(hub, "emil").log_in(f"guess number {guess}") for guess in range(5)])
    assert not emil.log_in()


def test_a_cookie_with_a_broken_signature_is_refused(hub, two):
    cookies = {cookie.name: cookie.value for cookie in two[0].web.cookies.jar if cookie.path == "/hub/"}
    login = cookies["jupyterhub-hub-login"].strip('"')
    head, signature = login.rsplit("|", 1)

    def answer(login: str) -> int:
        return httpx.get(f"{hub.url}/hub/home", headers={"Cookie": f'jupyterhub-hub-login="{login}"'}).status_code

    assert answer(login) == 200
    to_the_login_page = 302
    assert answer(f"{head}|{'0' * len(signature)}") == to_the_login_page
    assert answer(f"{head}|") == answer(head) == answer("") == to_the_login_page


def test_everybody_has_the_notebooks(two):
    for person in two:
        names = {entry["name"] for entry in person.ask("GET", "contents").json()["content"]}
        assert names == {path.name for path in (ROOT / "book").glob("*.ipynb")}
        theirs = person.ask("GET", f"contents/{CHAPTER}").json()["content"]["cells"]
        assert len(theirs) == len(json.loads((ROOT / "book" / CHAPTER).read_text())["cells"])
        assert all(cell["metadata"].get("trusted", True) for cell in theirs)


def test_the_books_code_runs_in_their_kernels(two):
    code = "import mlmath, tensorflow; print(mlmath.relu(tensorflow.constant([-1.0, 2.0]).numpy()))"
    assert two[0].run(code) == "[0. 2.]\n"


def test_in_two_browsers_a_chapter_opens_runs_and_its_figures_move(hub, two, browser):  # noqa: F811
    for person in two:
        page = browser.new_context(viewport={"width": 1200, "height": 900}).new_page()
        page.goto(f"{hub.url}/user/{person.name}/lab/tree/3_2_activation_functions.ipynb")
        page.locator("input[name=username]").fill(person.name)
        page.locator("input[name=password]").fill(person.password)
        page.locator("input[type=submit]").click()
        page.get_by_text("| Idle").wait_for(timeout=60_000)
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+Enter")
        page.locator(".jp-InputPrompt", has_text="[1]:").first.wait_for()
        page.get_by_text("| Busy").wait_for(state="detached", timeout=90_000)
        slider = page.locator(".explore input[type=range]").first
        until(lambda slider=slider, page=page: slider.count() or page.mouse.wheel(0, 600))
        seen = []
        for key in ("Home", "End"):
            slider.press(key)
            page.wait_for_timeout(500)
            seen.append(slider.evaluate("slider => slider.closest('.explore').querySelector('svg').innerHTML"))
        assert seen[0] != seen[1]
        page.context.close()


def test_an_edit_survives_a_new_start_and_what_was_deleted_comes_back(two):
    anna, _ = two
    model = anna.ask("GET", f"contents/{CHAPTER}").json()
    model["content"]["cells"][0]["source"] = "my own first cell"
    body = {"type": "notebook", "format": "json", "content": model["content"]}
    assert anna.ask("PUT", f"contents/{CHAPTER}", json=body).status_code == 200
    assert anna.ask("DELETE", "contents/6_faq.ipynb").status_code == 204
    anna.stop()
    anna.start()
    assert anna.ask("GET", f"contents/{CHAPTER}").json()["content"]["cells"][0]["source"] == "my own first cell"
    assert anna.ask("GET", "contents/6_faq.ipynb").status_code == 200


def test_cookies_and_tokens_of_one_do_not_open_the_server_of_the_other(hub, two):
    anna, bert = two
    token = anna.hub_api("POST", "/users/anna/tokens").json()["token"]
    ask = lambda path: httpx.get(hub.url + path, headers={"Authorization": f"token {token}"}).status_code  # noqa: E731
    path = f"api/contents/{CHAPTER}"
    assert ask(f"/user/anna/{path}") == 200
    assert ask(f"/user/bert/{path}") in (403, 404)
    assert anna.ask("GET", f"contents/{CHAPTER}", owner="bert").status_code in (403, 404)
    assert anna.ask("PUT", "contents/mine.txt", owner="bert", json={"type": "file"}).status_code in (403, 404)
    assert anna.ask("POST", "kernels", owner="bert", json={"name": "python3"}).status_code in (403, 404)
    assert anna.web.get("/user/bert/lab").status_code in (403, 404)
    assert anna.hub_api("DELETE", "/users/bert/server").status_code in (403, 404) and bert.running()


def test_a_kernel_reads_and_changes_only_what_is_its_users(hub, two):
    if not hub.system_users:
        pytest.skip("SKIPPED: no system users here, so all kernels have the same rights")
    anna, bert = two
    home = "/home/class-bert/deep-learning"
    assert bert.run("import os; print(os.path.expanduser('~'), os.getuid() > 0)") == "/home/class-bert True\n"
    assert anna.run(f"open('{home}/{CHAPTER}')") == "PermissionError"
    assert anna.run(f"open('{home}/new', 'w')") == "PermissionError"
    assert anna.run(f"open('{hub.state}/jupyterhub.sqlite')") == "PermissionError"
    assert anna.run(f"open('{ROOT}/book/{CHAPTER}', 'a')") == "PermissionError"


def test_a_kernel_that_wants_too_much_memory_gets_an_error(two):
    assert two[0].run("import numpy as np; np.ones(3 * 10**8)").endswith("MemoryError")
    assert two[0].run("import numpy as np; print(np.ones(10**8).nbytes)") == "800000000\n"


def test_what_the_hub_keeps_is_for_its_own_eyes(hub, two):
    modes = {path.name: path.stat().st_mode & 0o777 for path in [hub.state, *hub.state.iterdir()]}
    assert modes["state"] == 0o700 and modes["cookie_secret"] == modes["jupyterhub.sqlite"] == 0o600


def test_an_idle_server_is_stopped(installed, tmp_path):
    hub = Hub(tmp_path, "--NativeAuthenticator.open_signup=True", idle=8)
    try:
        frida = Person(hub, "frida")
        frida.sign_up()
        assert frida.log_in()
        frida.start()
        until(lambda: "Culling server" in hub.log.read_text(), 60)
        until(lambda: not frida.running())
    finally:
        hub.stop()


def test_the_values_for_kubernetes_have_the_rules_of_the_server():
    rules = (FOLDER / "jupyterhub_config.py").read_text()
    values = yaml.safe_load((FOLDER / "zero-to-jupyterhub.yaml").read_text())
    for name, value in values["hub"]["config"]["NativeAuthenticator"].items():
        assert f"c.NativeAuthenticator.{name} = {value}\n" in rules
    assert f'r"{values["hub"]["config"]["Authenticator"]["username_pattern"]}"' in rules
    assert f'"MLMATH_HUB_IDLE", "{values["cull"]["timeout"]}"' in rules
    assert f'mem_limit = "{values["singleuser"]["memory"]["limit"]}"' in rules
    home, script = values["singleuser"]["storage"]["homeMountPath"], values["singleuser"]["cmd"][1]
    assert values["singleuser"]["extraEnv"]["JUPYTERHUB_ROOT_DIR"] == f"{home}/deep-learning"
    assert (ROOT / script.removeprefix("/home/reader/book/")).exists()
