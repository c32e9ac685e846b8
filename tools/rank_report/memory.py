"""What a rank of several takes on its GPU besides weights, caches and workspace, next to what one alone takes."""

import subprocess

from launcher import Processes
from runner import ROOT


def query(what):
    """A line for each GPU, as nvidia-smi has it; none where there is no nvidia-smi."""
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.strip().splitlines()


def used_while_stepping(runner, command, ranks, by_processes):
    """MiB of each GPU once the first token is there. `command` makes tokens for longer than it takes to look."""
    words = command if by_processes else [*command, "--tp", ranks]
    processes = Processes(ranks if by_processes else 1, words, runner.environment, ROOT)
    started = processes.wait_for_output(0, " ", 60)
    used = [int(line) for line in query("memory.used")] if started else []
    processes.end()
    runner.expect(started, f"memory of {ranks} ranks: no token came")
    return used[:ranks]


def measure(runner, command):
    if not query("memory.used"):
        return {}
    ranks = runner.options.gpus
    runner.say("memory of ranks")
    one = used_while_stepping(runner, command, 1, by_processes=False)
    threads = used_while_stepping(runner, command, ranks, by_processes=False)
    processes = used_while_stepping(runner, command, ranks, by_processes=True)
    more = {
        how: [part - one[0] for part in used] if one else []
        for how, used in (("threads", threads), ("processes", processes))
    }
    return {
        "one_rank_mib": one,
        "threads_mib": threads,
        "processes_mib": processes,
        "more_than_one_rank_mib": more,
    }
