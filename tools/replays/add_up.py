"""Adds up the pieces that `replays --add-to FILE` wrote: add_up.py FILE ...

Pieces of one model, device and commit belong together, and must have had the same reference. Exit code 1: a bit differed.
"""

import json
import sys
from collections.abc import Iterable

KEY = ("checkpoint", "layers", "kv", "steps", "device", "commit")


def add_up(lines: Iterable[str]) -> tuple[list[str], bool]:
    """A line of text for each sum, and whether all bits were the same."""
    sums = {}
    for line in filter(str.strip, lines):
        piece = json.loads(line)
        entry = sums.setdefault(
            tuple(piece[name] for name in KEY),
            {"references": set(), "pieces": 0, "replays": 0, "different": 0, "seconds": 0.0},
        )
        entry["references"].add(piece["reference"])
        entry["pieces"] += 1
        for name in ("replays", "different", "seconds"):
            entry[name] += piece[name]
    texts = []
    for key, entry in sums.items():
        what = ", ".join(f"{name} {value}" for name, value in zip(KEY, key, strict=True))
        texts.append(
            f"{what}: {entry['replays']} replays in {entry['pieces']} pieces, {entry['seconds']:.0f} s, "
            f"{entry['different']} with another bit"
        )
        if len(entry["references"]) > 1:
            texts.append(f"  but {len(entry['references'])} different references")
    equal = all(not entry["different"] and len(entry["references"]) == 1 for entry in sums.values())
    return texts, equal and bool(sums)


def main(files: list[str]) -> int:
    if not files:
        print(__doc__, file=sys.stderr)
        return 3
    lines = []
    for file in files:
        with open(file) as text:
            lines += text
    texts, equal = add_up(lines)
    print("\n".join(texts) or "no pieces")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
