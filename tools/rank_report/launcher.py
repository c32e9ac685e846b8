"""Starts a process per rank, with the variables that torchrun sets.

launcher.py N COMMAND...    waits for all; the output of rank 0 alone goes to standard output
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time


def free_port():
    """A port whose successor, which rank 0 listens on, is free, too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Processes:
    def __init__(self, ranks, command, environment, cwd=None):
        port = str(free_port())
        self.open_files = contextlib.ExitStack()
        self.files = [(self.new_file(), self.new_file()) for _ in range(ranks)]
        self.children = []
        self.ended = {}
        for rank in range(ranks):
            variables = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(ranks),
                "LOCAL_WORLD_SIZE": str(ranks),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            out, err = self.files[rank]
            self.children.append(
                subprocess.Popen(
                    [str(word) for word in command],
                    env=environment | variables,
                    stdout=out,
                    stderr=err,
                    stdin=subprocess.DEVNULL,
                    cwd=cwd,
                )
            )

    def new_file(self):
        return self.open_files.enter_context(tempfile.TemporaryFile("w+"))

    def look(self):
        """Notes who has ended, and when."""
        for rank, child in enumerate(self.children):
            if rank not in self.ended and child.poll() is not None:
                self.ended[rank] = time.monotonic()

    def wait(self, limit, ranks=None):
        """Waits until these ranks, or all, have ended; False where time ran out."""
        wanted = set(range(len(self.children)) if ranks is None else ranks)
        until = time.monotonic() + limit
        while True:
            self.look()
            if wanted <= self.ended.keys():
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.01)

    def wait_for_output(self, rank, text, limit):
        """Waits until the rank has written `text`; False where it ended or time ran out."""
        until = time.monotonic() + limit
        while text not in self.output(rank):
            self.look()
            if rank in self.ended or time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def output(self, rank):
        return self.read(self.files[rank][0])

    def errors(self, rank):
        return self.read(self.files[rank][1])

    @staticmethod
    def read(file):
        return os.pread(file.fileno(), 1 << 24, 0).decode(errors="replace")

    def kill(self, rank, number=signal.SIGKILL):
        self.children[rank].send_signal(number)

    def end(self):
        """Kills whoever still runs."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        self.open_files.close()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    processes = Processes(int(sys.argv[1]), sys.argv[2:], dict(os.environ))
    processes.wait(float("inf"))
    codes = [child.returncode for child in processes.children]
    sys.stdout.write(processes.output(0))
    for rank in range(len(codes)):
        sys.stderr.write(processes.errors(rank))
    processes.end()
    sys.exit(max(codes, key=abs))


if __name__ == "__main__":
    main()
