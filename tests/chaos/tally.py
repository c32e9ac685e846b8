"""What has been done to the commands, and how they ended."""

import collections
from dataclasses import dataclass, field


@dataclass
class Round:
    """What one round has come to."""

    command: str
    fault: str
    code: int | None  # the command's; none where it could not even be started
    struck: bool  # in time: the command was still there
    problem: str = ""


@dataclass
class Tally:
    kinds: list[str]
    rounds: int = 0
    struck: collections.Counter = field(default_factory=collections.Counter)
    late: collections.Counter = field(default_factory=collections.Counter)
    codes: dict[str, set[str]] = field(default_factory=lambda: collections.defaultdict(set))
    broken: int = 0

    def add(self, one: Round) -> None:
        self.rounds += 1
        (self.struck if one.struck else self.late)[one.fault] += 1
        self.codes[one.fault].add(str(one.code))
        self.broken += bool(one.problem)

    def least(self) -> int:
        """How many faults of the rarest kind there were."""
        return min(self.struck[kind] for kind in self.kinds)

    def print(self) -> None:
        for kind in sorted(self.kinds):
            late = f" ({self.late[kind]} more came too late)" if self.late[kind] else ""
            codes = ", ".join(sorted(self.codes[kind]))
            print(f"{kind:12} {self.struck[kind]:5} faults{late}, exit codes {codes}")
        print(f"{self.struck.total()} faults, {self.broken} broken invariants")
