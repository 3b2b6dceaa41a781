"""A class on one server. README.md, beside this file, says how to set it up and what each setting is for.

MLMATH_HUB_TEACHER=NAME .venv/bin/jupyterhub -f deploy/jupyterhub/jupyterhub_config.py
"""

import os
import pwd
import subprocess
import sys
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner

HERE = Path(__file__).resolve().parent
STATE = Path(os.environ.get("MLMATH_HUB_STATE", "/var/lib/mlmath-hub"))
SPAWNER = os.environ.get("MLMATH_HUB_SPAWNER", "systemd")
IDLE = int(os.environ.get("MLMATH_HUB_IDLE", "3600"))

c = get_config()  # noqa: F821 (JupyterHub puts it here)

# What the hub keeps: cookie secret, database, process number of the proxy; for the hub's own user alone.
os.umask(0o077)  # before the first file; the servers inherit it, so what users write is theirs alone as well
STATE.mkdir(parents=True, exist_ok=True)
STATE.chmod(0o700)
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{STATE / 'jupyterhub.sqlite'}"
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")

# Only this machine reaches it; a web server with a certificate stands in front.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"

# Users sign up with a password; the teacher lets them in at /hub/authorize. No teacher named: nobody gets in.
c.JupyterHub.authenticator_class = "native"
c.Authenticator.admin_users = {name for name in [os.environ.get("MLMATH_HUB_TEACHER")] if name}
c.Authenticator.allow_all = True  # all whom the teacher has let in: NativeAuthenticator refuses the others itself
c.Authenticator.username_pattern = r"[a-z][a-z0-9]{1,23}\Z"  # becomes a system user's name, so nothing else in it
c.NativeAuthenticator.open_signup = False
c.NativeAuthenticator.minimum_password_length = 10
c.NativeAuthenticator.check_common_password = True
c.NativeAuthenticator.allowed_failed_logins = 5
c.NativeAuthenticator.seconds_before_next_try = 300

# Each user's server: JupyterLab on an own copy of the notebooks, which start_server.py fills up.
c.Spawner.cmd = [sys.executable, str(HERE / "start_server.py")]
c.Spawner.notebook_dir = "~/deep-learning"
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 120  # a whole class starting at once is slow
c.Spawner.environment = {
    "OPENBLAS_NUM_THREADS": "1",  # threads of many users would only wait for each other
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MLMATH_MNIST": os.environ.get("MLMATH_MNIST", ""),  # one file for all; empty: each fetches an own copy
}

# Limits for each user, and for all together.
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 1.0
c.JupyterHub.active_server_limit = 40
c.JupyterHub.concurrent_spawn_limit = 10

# What nobody uses ends: a kernel, even with its page open, and then the server. Notebooks stay, variables do not.
c.Spawner.args = [
    f"--MappingKernelManager.cull_idle_timeout={IDLE}",
    "--MappingKernelManager.cull_connected=True",
]
c.JupyterHub.services = [
    {"name": "culler", "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE}"]}
]
c.JupyterHub.load_roles = [
    {
        "name": "culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["culler"],
    }
]


# Whose rights a server has. In "systemd" and "local" those of a system user of its own, class-NAME; never of NAME,
# which could be root or daemon.
def make_system_user(spawner) -> None:
    """Before a user's first server: `useradd`, with a home that others cannot read."""
    name = f"class-{spawner.user.name}"
    if name not in {user.pw_name for user in pwd.getpwall()}:
        command = ["useradd", "--create-home", "--key", "HOME_MODE=0700", "--shell", "/bin/bash", name]
        subprocess.run(command, check=True)


class SystemUserSpawner(LocalProcessSpawner):
    """Starts the server of NAME as the system user class-NAME."""

    def make_preexec_fn(self, name: str):
        return super().make_preexec_fn(f"class-{name}")

    def user_env(self, env: dict) -> dict:
        user = pwd.getpwnam(f"class-{self.user.name}")
        return env | {"USER": user.pw_name, "HOME": user.pw_dir, "SHELL": user.pw_shell}


if SPAWNER == "systemd":
    c.JupyterHub.spawner_class = "systemdspawner.SystemdSpawner"
    c.SystemdSpawner.username_template = "class-{USERNAME}"
    c.SystemdSpawner.isolate_tmp = True
    c.SystemdSpawner.isolate_devices = True
    c.SystemdSpawner.disable_user_sudo = True
    # Where memory ends, the largest process dies, which is a kernel; systemd would stop the whole server with it.
    c.SystemdSpawner.unit_extra_properties = {"OOMPolicy": "continue"}
    c.Spawner.pre_spawn_hook = make_system_user
elif SPAWNER == "local":
    c.JupyterHub.spawner_class = SystemUserSpawner
    c.Spawner.pre_spawn_hook = make_system_user
elif SPAWNER == "simple":  # all servers with the hub's own rights: to try things out, never for a class
    c.JupyterHub.spawner_class = "simple"
    c.SimpleLocalProcessSpawner.home_dir_template = str(STATE / "homes" / "{username}")
else:
    raise ValueError(f"MLMATH_HUB_SPAWNER is {SPAWNER!r}; it should be systemd, local or simple")
