"""A class on one server: the hub of deploy/jupyterhub, started for real on loopback, and two users in it.

`class_server.py` says what it needs, and which spawner is tested. What only system users or only systemd can enforce
is skipped where there are none.
"""

import json
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml
from browser import browser  # noqa: F401
from build_book import ROOT
from class_server import FOLDER, Hub, Kernel, Person, missing, until

CHAPTER = "3_4_gradient_descent.ipynb"


@pytest.fixture(scope="module")
def installed():
    if reason := missing():
        pytest.skip(f"SKIPPED: {reason}, no hub ran")


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
    if hub.spawner == "simple":
        pytest.skip("SKIPPED: no system users here, so all kernels have the same rights")
    anna, bert = two
    home = "/home/class-bert/deep-learning"
    assert bert.run("import os; print(os.path.expanduser('~'), os.getuid() > 0)") == "/home/class-bert True\n"
    assert anna.run(f"open('{home}/{CHAPTER}')") == "PermissionError"
    assert anna.run(f"open('{home}/new', 'w')") == "PermissionError"
    hidden = "FileNotFoundError" if hub.spawner == "systemd" and hub.state.is_relative_to("/tmp") else "PermissionError"
    assert anna.run(f"open('{hub.state}/jupyterhub.sqlite')") == hidden  # systemd gives each user a /tmp
    assert anna.run(f"open('{ROOT}/book/{CHAPTER}', 'a')") == "PermissionError"


def test_a_kernel_that_wants_too_much_memory_gets_an_error(two):
    assert two[0].run("import numpy as np; np.ones(3 * 10**8)").endswith("MemoryError")
    assert two[0].run("import numpy as np; print(np.ones(10**8).nbytes)") == "800000000\n"
    assert two[0].run("import tensorflow as tf; tf.ones((20_000, 40_000))").endswith("ResourceExhaustedError")


def test_a_kernel_that_dies_is_started_again_and_the_server_stays(two):
    """What a library does that cannot be told MemoryError: JupyterLab then says so, and that the kernel restarts."""
    kernel = Kernel(two[0])
    assert kernel.run("x = 1; print(x)") == "1\n"
    assert kernel.run("import os; os.abort()").endswith("dead")
    until(lambda: kernel.run("print('x' in globals())") == "False\n")
    kernel.close()
    assert two[0].running()


def unit(name: str) -> str:
    """A property of the systemd unit that is anna's server."""
    command = ["systemctl", "show", "jupyter-anna-singleuser", "--value", "--property", name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def systemd_controls(controller: str) -> bool:
    """Whether it does so for anna's unit; in a container it may not. Control groups of version 1 and 2."""
    group = Path("/sys/fs/cgroup")
    files = {"memory": ["memory.max", "memory.limit_in_bytes"], "cpu": ["cpu.max", "cpu.cfs_quota_us"]}[controller]
    at = unit("ControlGroup").lstrip("/")
    return (group / at / files[0]).exists() or (group / controller / at / files[1]).exists()


def test_two_kernels_together_want_more_than_the_limit(hub, two):
    """In "local" the limit is each process's. In systemd it is a user's, and one of the two ends."""
    if hub.spawner == "systemd" and not systemd_controls("memory"):
        pytest.skip("SKIPPED: this systemd may not control memory (a container's), no limit was reached")
    kernels = [Kernel(two[0]) for _ in range(2)]
    for kernel in kernels:
        kernel.run("import numpy as np; x = np.ones(15 * 10**7)")
    kept = [kernel.run("print('x' in globals())") == "True\n" for kernel in kernels]
    for kernel in kernels:
        kernel.close()
    assert sum(kept) == (1 if hub.spawner == "systemd" else 2)
    assert two[0].running()


BUSY = """
import os, time
begin = time.time()
for _ in range(2):
    if not os.fork():
        while time.time() < begin + 4:
            pass
        os._exit(0)
os.wait(), os.wait()
used = os.times()
print((used.children_user + used.children_system) / (time.time() - begin) < 1.25)
"""


def test_two_busy_processes_share_one_processor(hub, two):
    if hub.spawner != "systemd" or not systemd_controls("cpu"):
        pytest.skip("SKIPPED: nothing here limits the processor")
    assert two[0].run(BUSY) == "True\n"


def test_systemd_holds_each_users_server_within_its_limits(hub, two):
    if hub.spawner != "systemd":
        pytest.skip("SKIPPED: no systemd here, so nothing limits the processor and /tmp is shared")
    assert (unit("MemoryMax"), unit("OOMPolicy"), unit("CPUQuotaPerSecUSec")) == (str(2 * 2**30), "continue", "1s")
    assert (unit("NoNewPrivileges"), unit("PrivateDevices")) == ("yes", "yes")
    assert two[0].run("open('/tmp/mine', 'w').close(); import os; print(os.listdir('/tmp'))") == "['mine']\n"
    assert "mine" not in two[1].run("import os; print(os.listdir('/tmp'))")


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
