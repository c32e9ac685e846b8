"""`slipstream generate` over ranks: goldens, equal bits of threads and processes, times, ranks that die."""

import json
import signal
import time

import memory
from goldens import ARGMAX_DROP, COSINE_DROP, argmax_agreement, mean_cosine, rows
from launcher import Processes
from runner import ROOT, last_line

CHECKPOINTS = ("deepseek-v32-ranks-tiny", "glm-5.2-ranks-tiny")
DRAWN = ["--temperature", 0.8, "--top-k", 40, "--top-p", 0.9, "--seed", 5, "--ignore-eos"]
PROMPT = ["--prompt-ids", "5,17,99,3,250"]
NOT_FOR_EVER = 60  # seconds
SOON = 5  # seconds in which all ranks must have ended


def plan(options):
    what = f"{', '.join(CHECKPOINTS)}: goldens on {options.gpus} ranks, the same bits by threads, processes and"
    return [
        f"{what} without PDL, tokens per second of both (about 120 s)",
        "a rank of several processes that is killed, and one that is stopped (about 30 s)",
    ]


def run(runner):
    runner.report["tokens"] = {}
    make = [runner.bin / "make_tiny_checkpoint", runner.out / "models"]
    done = runner.run([*make, *CHECKPOINTS])
    if not runner.succeeded(done, "make_tiny_checkpoint"):
        return
    for name in CHECKPOINTS:
        runner.say(f"generate {name}")
        runner.report["tokens"][name] = Generate(runner, name).run()
    command = endless_command(runner)
    runner.report["rank_memory"] = memory.measure(runner, command)
    runner.report["faults"] = Faults(runner, command).run()


def endless_command(runner):
    """Makes tokens until somebody ends it."""
    generate = [runner.slipstream, "generate", runner.out / "models" / CHECKPOINTS[0], *PROMPT]
    return [*generate, "--ignore-eos", "-n", 150000]


class Generate:
    def __init__(self, runner, name):
        self.runner = runner
        self.name = name
        self.ranks = runner.options.gpus
        self.dry = runner.options.dry_run
        self.command = [runner.slipstream, "generate", runner.out / "models" / name]
        self.threads = ["--tp", self.ranks]
        if self.dry:
            self.threads += ["--poll-limit", 600]

    def run(self):
        return {
            "goldens": self.goldens(),
            "same_tokens": self.same_tokens(),
            "speed": self.speed(),
        }

    def by_threads(self, arguments, ranks=None):
        """None where it failed, else what it printed as JSON."""
        where = self.threads if ranks is None else ["--tp", ranks]
        done = self.runner.run([*self.command, *where, *arguments, "--json"])
        how = f"{self.name} by threads"
        return json.loads(done.stdout) if self.runner.succeeded(done, how) else None

    def by_processes(self, arguments):
        """The emulated device cannot be shared: there, one process shows that the launcher works."""
        ranks = 1 if self.dry else self.ranks
        processes = Processes(
            ranks, [*self.command, *arguments, "--json"], self.runner.environment, ROOT
        )
        ended = processes.wait(min(NOT_FOR_EVER, self.runner.seconds_left()))
        codes = [child.poll() for child in processes.children]
        out, errors = processes.output(0), [last_line(processes.errors(r)) for r in range(ranks)]
        processes.end()
        if self.runner.expect(
            ended and not any(codes), f"{self.name} by processes: exit {codes}, {errors}"
        ):
            return json.loads(out)
        return None

    def goldens(self):
        golden = ROOT / "tests/goldens" / self.name
        prompts = json.loads(golden.with_name(self.name + ".json").read_text())["prompts"]
        if self.dry:
            prompts = prompts[:1]
        cosine_drop = argmax_drop = 0.0
        for number, prompt in enumerate(prompts):
            logits = self.golden_logits(prompt, self.by_threads)
            if logits is None:
                return None
            exact = rows(golden.with_name(self.name + ".safetensors"), f"logits.exact.{number}")
            cosine_drop += prompt["engine_cosine_mean"] - mean_cosine(logits, exact)
            argmax_drop += prompt["engine_argmax_agreement"] - argmax_agreement(logits, exact)
        result = {
            "prompts": len(prompts),
            "cosine_drop": cosine_drop / len(prompts),
            "argmax_drop": argmax_drop / len(prompts),
        }
        for value, limit in (("cosine_drop", COSINE_DROP), ("argmax_drop", ARGMAX_DROP)):
            self.runner.expect(
                result[value] <= limit, f"{self.name}: {value} is {result[value]:.5f} > {limit}"
            )
        return result | self.equal_logits(prompts[0])

    def golden_logits(self, prompt, start):
        file = self.runner.out / "logits.safetensors"
        forced = ",".join(map(str, prompt["continuation"]))
        ids = ",".join(map(str, prompt["ids"]))
        arguments = ["--prompt-ids", ids, "--force-ids", forced, "--logits", file]
        return None if start(arguments) is None else rows(file, "logits")

    def equal_logits(self, prompt):
        threads = self.golden_logits(prompt, self.by_threads)
        processes = self.golden_logits(prompt, self.by_processes)
        one = self.golden_logits(prompt, lambda arguments: self.by_threads(arguments, ranks=1))
        if None in (threads, processes, one):
            return {}
        of_one = mean_cosine(threads, one)
        self.runner.expect(of_one > 0.995, f"{self.name}: cosine with one rank is {of_one:.5f}")
        if not self.dry:
            self.runner.expect(
                threads == processes, f"{self.name}: logits of processes must be those of threads"
            )
        return {"cosine_with_one_rank": of_one, "processes_equal_threads": threads == processes}

    def same_tokens(self):
        count = 4 if self.dry else 200
        drawn = [*PROMPT, *DRAWN, "-n", count]
        answers = {
            "threads": self.by_threads(drawn),
            "threads again": self.by_threads(drawn),
            "threads without PDL": self.by_threads([*drawn, "--pdl", "off"]),
            "processes": None if self.dry else self.by_processes(drawn),
        }
        tokens = {how: answer["tokens"] for how, answer in answers.items() if answer}
        for how, list_of_tokens in tokens.items():
            self.runner.expect(
                list_of_tokens == tokens["threads"], f"{self.name}: {how} gives other tokens"
            )
        return {"count": count, "ways": list(tokens)}

    def speed(self):
        count = 4 if self.dry else 2000
        arguments = [*PROMPT, "--ignore-eos", "-n", count]
        answers = {
            "threads": self.by_threads(arguments),
            "processes": self.by_processes(arguments),
            "one rank": self.by_threads(arguments, ranks=1),
        }
        return {how: answer["tokens_per_second"] for how, answer in answers.items() if answer}


class Faults:
    """A rank of several processes that is killed or stopped while it steps: all others must end, with a reason."""

    def __init__(self, runner, command):
        self.runner = runner
        self.ranks = runner.options.gpus
        self.limit = 2
        self.command = [*command, "--poll-limit", self.limit]

    def run(self):
        if self.runner.options.dry_run:
            self.runner.say("ranks that die: left out, the emulated device has one process")
            return {}
        victims = (("killed", signal.SIGKILL), ("stopped", signal.SIGSTOP))
        return {name: self.try_one(self.command, name, number) for name, number in victims}

    def try_one(self, command, name, number):
        self.runner.say(f"generate, the last rank is {name}")
        victim = self.ranks - 1
        others = range(victim)
        processes = Processes(self.ranks, command, self.runner.environment, ROOT)
        result = {"started": processes.wait_for_output(0, " ", NOT_FOR_EVER)}
        begin = time.monotonic()
        processes.kill(victim, number)
        limit = SOON + (self.limit if number == signal.SIGSTOP else 0)
        result["all_ended"] = processes.wait(NOT_FOR_EVER / 2, others)
        if result["all_ended"]:
            result["seconds"] = max(processes.ended[rank] for rank in others) - begin
            result["codes"] = [processes.children[rank].returncode for rank in others]
        result["errors"] = [last_line(processes.errors(rank)) for rank in others]
        processes.end()
        self.runner.expect(result["started"], f"{name}: the ranks must start: {result['errors']}")
        self.runner.expect(
            result.get("seconds", limit + 1) <= limit and all(result["codes"]),
            f"{name}: all others must end with an error within {limit} s: {result}",
        )
        return result
