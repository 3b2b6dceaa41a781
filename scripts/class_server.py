"""The hub of deploy/jupyterhub on loopback, and people who use it: for its tests and for `measure_class.py`.

MLMATH_JUPYTERHUB names a Python that has deploy/jupyterhub/requirements.txt beside the book's own requirements; the
proxy is found on PATH, or where `npm install --prefix node` puts it beside that Python. As root, where a mount
namespace of its own can be had, servers run as system users ("local"), who exist for this hub alone; elsewhere all
have the rights of this user ("simple"). MLMATH_HUB_SPAWNER=systemd is for a machine that is made for the trial: its
users stay (`scripts/prove_class_server`).
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
import websocket
from build_book import ROOT

FOLDER = ROOT / "deploy" / "jupyterhub"
PYTHON = Path(os.environ.get("MLMATH_JUPYTERHUB", "/nowhere"))
PATH = f"{PYTHON.parent.parent / 'node' / 'node_modules' / '.bin'}:{os.environ['PATH']}"
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


def spawner() -> str:
    """Which of the config's spawners can be had here."""
    return os.environ.get("MLMATH_HUB_SPAWNER") or ("local" if system_users() else "simple")


def missing() -> str | None:
    """What keeps a hub from running here, if anything."""
    if not PYTHON.exists():
        return "MLMATH_JUPYTERHUB names no Python with JupyterHub"
    if not shutil.which("configurable-http-proxy", path=PATH):
        return "there is no configurable-http-proxy"
    if spawner() == "simple" and not os.geteuid():
        return "neither system users are to be had nor, as root, servers without them"
    return None


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(true, seconds: float = 90, pause: float = 0.3):
    """The first result of `true` that is true; a failure if there is none in time."""
    end = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < end, f"nothing in {seconds} seconds"
        time.sleep(pause)
    return result


class Hub:
    """A hub that keeps its files in `folder`; `options` are JupyterHub's own, `idle` is in seconds."""

    def __init__(self, folder: Path, *options: str, idle: int = 3600):
        self.state, self.log, self.spawner = folder / "state", folder / "log", spawner()
        port, hub, api = free_ports(3)
        self.url = f"http://127.0.0.1:{port}"
        command = [PYTHON, "-m", "jupyterhub", "-f", FOLDER / "jupyterhub_config.py", *options]
        command += [f"--JupyterHub.bind_url={self.url}", f"--JupyterHub.hub_port={hub}"]
        command += [f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{api}"]
        if self.spawner == "local":
            mount = folder / "mount"
            mount.mkdir()
            command = ["unshare", "-m", "sh", "-c", PRIVATE, mount, *command]
        environment = os.environ | {
            "PATH": PATH,
            "PYTHONPATH": "",
            "MLMATH_HUB_STATE": str(self.state),
            "MLMATH_HUB_SPAWNER": self.spawner,
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

    def start(self, **patience: float) -> None:
        """The hub says 429 where enough servers are starting already; a browser then tries again."""
        until(lambda: self.hub_api("POST", f"/users/{self.name}/server").status_code in (201, 202), **patience)
        until(self.running, **patience)
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
        kernel = Kernel(self)
        printed = kernel.run(code)
        kernel.close()
        return printed


class Kernel:
    """A new kernel of `person`, on a line of its own."""

    def __init__(self, person: Person, patience: float = 120):
        self.person, self.id = person, person.ask("POST", "kernels", json={"name": "python3"}).json()["id"]
        cookie = person.web.build_request("GET", f"/user/{person.name}/").headers["Cookie"]
        self.path = f"{person.hub.url.replace('http', 'ws')}/user/{person.name}/api/kernels/{self.id}/channels"
        self.line = websocket.create_connection(self.path, cookie=cookie, origin=person.hub.url, timeout=patience)

    def run(self, code: str) -> str:
        """What `code` prints, or how its error begins; a dead kernel's word is "dead"."""
        header = dict(msg_id=uuid.uuid4().hex, msg_type="execute_request", version="5.3", session="", username="")
        content = {"code": code, "silent": False}
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.line.send(json.dumps(request))
        printed = ""
        while True:
            message = json.loads(self.line.recv())
            kind, content = message["msg_type"], message["content"]
            state = content.get("execution_state") if kind == "status" else None
            if state in ("dead", "restarting"):
                return printed + "dead"
            if message["parent_header"].get("msg_id") == header["msg_id"]:
                printed += content["text"] if content.get("name") == "stdout" else ""
                printed += content["ename"] if kind == "error" else ""
                if state == "idle":
                    return printed

    def close(self) -> None:
        self.line.close()
        self.person.ask("DELETE", f"kernels/{self.id}")
