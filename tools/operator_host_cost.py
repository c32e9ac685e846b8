"""What a call of an operator costs the host, launch left out, over a call of tvm-ffi that does nothing.

    cmake --build build --target slipstream_python slipstream_python_references slipstream_null_launch
    PYTHONPATH=build/python python tools/operator_host_cost.py build/python

Needs torch and a device. On the emulated one (build/bin/slipstream emulate -- python ...) looking up a pointer takes
another time than NVIDIA's driver needs. Prints least, median and greatest of all passes, in microseconds of the
processor's time, so that other work on the machine counts little; all calls take turns in each pass.
"""

import os
import pathlib
import statistics
import sys
import time

PASSES, CALLS = 15, 2000


def main(folder):
    null_launch = str(folder / "libslipstream_null_launch.so")
    preloaded = os.environ.get("LD_PRELOAD", "")
    if not preloaded.startswith(null_launch):
        os.environ["LD_PRELOAD"] = f"{null_launch}:{preloaded}".rstrip(":")
        os.execv(sys.executable, [sys.executable, *sys.argv])

    import slipstream
    import torch
    import tvm_ffi
    from slipstream._library import library

    empty = tvm_ffi.load_module(str(folder / "libslipstream_python_references.so")).empty_call
    weights, q_scale, output = (torch.empty(1, 64, device="cuda") for _ in range(3))
    row = torch.empty(1, 512, dtype=torch.bfloat16, device="cuda")
    cache = torch.empty(8, 512, dtype=torch.bfloat16, device="cuda")
    loc = torch.empty(1, dtype=torch.int64, device="cuda")
    calls = {
        "empty tvm-ffi call": lambda: empty(weights, q_scale, 0.5, output, None),
        "exported function": lambda: library.apply_q_scale_and_softmax_scale(
            weights, q_scale, 0.5, output, None
        ),
        "slipstream.apply_q_scale_and_softmax_scale": lambda: (
            slipstream.apply_q_scale_and_softmax_scale(weights, q_scale, 0.5, output)
        ),
        "slipstream.set_mla_kv_buffer": lambda: slipstream.set_mla_kv_buffer(cache, loc, row),
        "torch.ops.slipstream": lambda: torch.ops.slipstream.apply_q_scale_and_softmax_scale(
            weights, q_scale, 0.5, output, None
        ),
    }
    times = {name: [] for name in calls}
    for _ in range(PASSES):
        for name, call in calls.items():
            begin = time.thread_time()
            for _ in range(CALLS):
                call()
            times[name].append((time.thread_time() - begin) / CALLS * 1e6)
    print(
        f"torch {torch.__version__}, {torch.cuda.get_device_name()}, {PASSES} passes of {CALLS} calls, us"
    )
    for name, values in times.items():
        print(f"{name:44} {min(values):6.2f} {statistics.median(values):6.2f} {max(values):6.2f}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
