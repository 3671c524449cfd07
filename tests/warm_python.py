"""A Python whose start costs nothing: a server has imported torch, and each start is a fork of the server.

``warm_python.py SOCKET SOURCE`` runs the source, and serves; ``warm_python.py --start SOCKET ARGUMENTS...`` starts, and
behaves as ``python ARGUMENTS...`` does (a script, ``-m``, ``-c``, ``-u``): arguments, folder, environment, standard
streams, signals, exit code. ``sys.executable`` is the warm Python again. With other options it is the real one. What is
tested is what a script does; how an interpreter starts and ends is tested with a real one.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

EXECUTABLE = "WARM_PYTHON_EXECUTABLE"
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def start(address: str, arguments: list[str]) -> int:
    """Ask for a fork with our standard streams, wait for its end, and end the same way."""
    facts: dict[str, Any] = {"executable": os.environ.pop(EXECUTABLE), "environment": dict(os.environ)}
    asked = json.dumps({**facts, "arguments": arguments, "folder": str(Path.cwd())}).encode()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        socket.send_fds(line, [len(asked).to_bytes(8, "big")], [0, 1, 2])
        line.sendall(asked)
        pid = int.from_bytes(_receive(line, 8), "big")
        for number in FORWARDED:
            signal.signal(number, lambda number, frame: os.kill(pid, number))
        code = int.from_bytes(_receive(line, 8), "big", signed=True)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


def serve(address: str, source: str) -> None:
    """Import once what the source imports, say so, and fork for whoever asks, until standard input is closed."""
    exec(compile(source, "<what is imported once>", "exec"), {})
    gc.collect()
    gc.freeze()  # else a collection in a fork writes to each object, and copies its memory
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)
        while sys.stdin not in (ready := select.select([server, sys.stdin], [], [])[0]):
            if server in ready:
                line, _ = server.accept()
                if os.fork() == 0:
                    server.close()
                    os._exit(_keep(line))
                line.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _keep(line: socket.socket) -> int:
    """Fork once more, and tell how the fork ended; it is killed where the one who asked is gone."""
    head, streams, _, _ = socket.recv_fds(line, 8, 3)
    asked = json.loads(_receive(line, int.from_bytes(head, "big")))
    if (pid := os.fork()) == 0:
        line.close()
        os._exit(_become(asked, streams))
    line.sendall(pid.to_bytes(8, "big"))
    for stream in streams:
        os.close(stream)
    if line in select.select([os.pidfd_open(pid), line], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):
        line.sendall(code.to_bytes(8, "big", signed=True))
    return 0


def _become(asked: dict[str, Any], streams: list[int]) -> int:
    """Be a new interpreter, to its end."""
    import atexit
    import threading

    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    sys.stdin = open(0)  # noqa: SIM115  # the server's own has been read from
    real, sys.executable, code = sys.executable, asked["executable"], 0
    if asked["arguments"][0].startswith("-") and asked["arguments"][0] not in ("-u", "-m", "-c"):
        os.execv(real, [real, *asked["arguments"]])
    try:
        _run(asked["arguments"])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if ended.code is not None and not isinstance(ended.code, int):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _run(arguments: list[str]) -> None:
    import runpy

    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # each start has random numbers of its own
    if arguments[0] == "-u":
        del arguments[0]
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[1:1] = [folder for folder in known if folder and folder not in sys.path]
    what, sys.argv = arguments[0], arguments[arguments[0] in ("-m", "-c") :]
    if what == "-m":
        sys.path[0] = str(Path.cwd())
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif what == "-c":
        sys.path[0], source, sys.argv[0] = "", sys.argv[0], "-c"
        main: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(source, "<string>", "exec"), main)
    else:
        sys.path[0] = str(Path(what).resolve().parent)
        runpy.run_path(what, run_name="__main__")


def _receive(line: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = line.recv(size - len(found))
        if not more:
            raise SystemExit("the server of warm interpreters is gone")
        found += more
    return found


if __name__ == "__main__":
    if sys.argv[1] == "--start":
        sys.exit(start(sys.argv[2], sys.argv[3:]))
    serve(sys.argv[1], sys.argv[2])
