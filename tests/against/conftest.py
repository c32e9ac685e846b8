import pathlib
import sys

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench" / "against"
sys.path.insert(0, str(BENCH))
