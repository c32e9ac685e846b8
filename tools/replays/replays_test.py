"""Pieces of replays add up, and another bit is noticed: replays_test.py PROGRAM"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from add_up import add_up

PROGRAM = sys.argv.pop(1)


def piece(**changes):
    usual = {
        "checkpoint": "tiny",
        "layers": 1,
        "kv": "bf16",
        "steps": 2,
        "device": "D",
        "commit": "C",
    }
    usual |= {"reference": "a", "replays": 10, "different": 0, "seconds": 1.5}
    return json.dumps(usual | changes)


class Sums(unittest.TestCase):
    def test_pieces_of_the_same_steps_add_up(self):
        texts, equal = add_up([piece(), piece(replays=5), piece(device="E")])
        self.assertTrue(equal)
        self.assertIn("15 replays in 2 pieces", texts[0])
        self.assertIn("10 replays in 1 pieces", texts[1])

    def test_a_bit_that_differs_is_noticed(self):
        self.assertFalse(add_up([piece(), piece(different=1)])[1])

    def test_pieces_with_other_references_are_noticed(self):
        self.assertFalse(add_up([piece(), piece(reference="b")])[1])

    def test_no_piece_shows_nothing(self):
        self.assertFalse(add_up([])[1])


class Program(unittest.TestCase):
    def test_adds_a_line_for_each_piece(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "pieces"
            for _ in range(2):
                arguments = ["--layers", "1", "--steps", "2", "--replays", "3", "--add-to", file]
                subprocess.run(
                    [PROGRAM, *arguments],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    env={**os.environ, "SLIPSTREAM_EMULATOR_SMS": "8"},
                )
            texts, equal = add_up(file.read_text().splitlines())
        self.assertTrue(equal)
        self.assertIn("6 replays in 2 pieces", texts[0])


if __name__ == "__main__":
    unittest.main()
