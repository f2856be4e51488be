"""Serves a journal with optuna-dashboard and prints, as JSON, what its API says of a study's trials.

    python dashboard.py FILE STUDY
"""

import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request


def main():
    path, study = sys.argv[1:]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = pathlib.Path(sys.executable).with_name("optuna-dashboard")
    command = [str(program), path, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/api/studies"
        summaries = get(address, server)["study_summaries"]
        [found] = [s["study_id"] for s in summaries if s["study_name"] == study]
        print(json.dumps(get(f"{address}/{found}?after=0", server)["trials"]))
    finally:
        server.kill()
        server.wait()


def get(address, server):
    """The answer, as soon as the server gives one."""
    begun = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return json.load(answer)
        except OSError:
            if server.poll() is not None or time.monotonic() - begun > 60:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
