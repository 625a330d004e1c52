"""A shell in which `genrestore` starts at once, to run what pages say as it is written.

`genrestore` is a script that hands its words, folder, environment and streams to a process that has loaded
everything already and forks for each call. Programs that a page uses and a machine may lack stand beside it.
Trainings begin, and end there: their words are read, checked and settled as always.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
words = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(words).to_bytes(4, "big")], [0, 1, 2])
server.sendall(words)
answer = server.recv(1)
sys.exit(answer[0] if answer else 130)
"""
PROGRAMS = {
    "curl": 'cat "${@: -1:1}.png" 2>/dev/null || cat examples/photo.png',
    "display": "exec cat > /dev/null",
    "parallel": 'words=(); while [[ $1 != ::: ]]; do words+=("$1"); shift; done; shift\n'
    'words=("${words[@]:2}"); for one; do "${words[@]//"{}"/$one}"; done',
    "scontrol": "echo localhost",
    "srun": 'exec "$@"',
    "torchrun": 'while [[ $1 != -m ]]; do shift; done; shift 2; exec genrestore "$@"',
}
"""Stand-ins in bash for programs that pages use."""


class Shell:
    """The shell; use it in a `with`.

    Args:
        folder: Where its scripts go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = str(folder / "socket")
        self.server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Shell:
        self.folder.mkdir()
        scripts = {name: f"#!/usr/bin/env bash\n{text}\n" for name, text in PROGRAMS.items()}
        scripts["genrestore"] = CLIENT.format(python=sys.executable, address=self.address)
        for name, text in scripts.items():
            (self.folder / name).write_text(text, encoding="utf-8")
            (self.folder / name).chmod(0o755)
        words = [sys.executable, "-m", "tests.shell", self.address]
        self.server = subprocess.Popen(
            words, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None
        assert self.server.stdout.readline() == "ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.communicate()

    def run(self, script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of bash in a folder; the first command that fails ends it."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=cwd,
            env={**os.environ, "PATH": path, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def serve(address: str) -> None:
    """Fork for every call of the script, until killed."""
    from genrestore.cli import app  # noqa: F401
    from genrestore.runtime import load_torch

    load_torch()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        call, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            answer(call)
        call.close()


def answer(call: socket.socket) -> None:
    """Be genrestore for one call, and tell its exit code."""
    size, streams, _, _ = socket.recv_fds(call, 4, 3)
    received = b""
    while len(received) < int.from_bytes(size, "big"):
        received += call.recv(1 << 16)
    words, folder, environment = json.loads(received)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["genrestore", *words]
    if words[:1] == ["train"]:
        end_before_the_first_step()
    from genrestore.cli.app import main

    code = 1
    try:
        main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        call.sendall(bytes([code]))
        os._exit(0)


def end_before_the_first_step() -> None:
    """Let trainings end where they would begin."""
    from genrestore.cli import training_screen
    from genrestore.train.loop import session

    session.run = lambda *_: None  # type: ignore[assignment]
    training_screen.choose = lambda **_: Silent()  # type: ignore[assignment]


class Silent:
    """A screen on which a training shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def finished(self, _: object) -> None:
        """Nothing was trained."""


if __name__ == "__main__":
    serve(sys.argv[1])
