"""Writes what the headers of the driver say, as C++: python3 generate_tables.py cuda.h cudaTypedefs.h TABLES PER_THREAD

* A weak definition of every function. One that the driver implements has a strong definition elsewhere, which wins; the
  others say at the first call that they are not supported.
* Which function a name means from which CUDA version on: what cuGetProcAddress answers.
* The names of the error codes.
* Into the second file the variants for a default stream per thread, NAME_ptsz or NAME_ptds. A function cannot be defined
  by another one's type alone, but an indirect one (ifunc) can: the loader binds its name to what the resolver returns.
"""

import re
import sys
from pathlib import Path


def per_thread_variants(header: str) -> dict[str, str]:
    """Variants by name, and what they are variants of."""
    found = re.findall(r"__CUDA_API_(PT[SD][SZ])\((cu[A-Z]\w*)\)", header)
    return {f"{function}_{kind.lower()}": function for kind, function in found}


def per_thread_definitions(header: str) -> str:
    lines = [
        "// Generated from the headers of the driver.",
        "#include <cuda.h>",
        "",
        '#include "emulator/runtime/per_thread.h"',
        "",
        "using slipstream::emulator::runtime::PerThread;",
        "",
        'extern "C" {',
    ]
    for variant, function in sorted(per_thread_variants(header).items()):
        lines += [
            "",
            f"auto* resolve_{variant}() {{ return &PerThread<&{function}>::call; }}",
            f'[[gnu::ifunc("resolve_{variant}")]] decltype({function}) {variant};',
        ]
    return "\n".join([*lines, "", '}  // extern "C"', ""])


def declared_functions(header: str) -> list[str]:
    """Functions, and those that names of functions stand for: cuMemAlloc is cuMemAlloc_v2."""
    declared = re.findall(r"CUDAAPI\s+(cu[A-Z]\w*)", header)
    renamed = re.findall(r"#\s*define cu[A-Z]\w*\s+[(A-Z_a-z]*?\b(cu[A-Z]\w*)", header)
    return sorted(set(declared) | set(renamed) | set(per_thread_variants(header)))


def versions_by_name(typedefs: str) -> dict[tuple[str, str], list[int]]:
    """PFN_cuMemAlloc_v3020 is the type of cuMemAlloc since CUDA 3.2, ..._ptsz that of its variant for a default stream
    per thread."""
    versions: dict[tuple[str, str], set[int]] = {}
    for name, version, variant in re.findall(r"PFN_(cu\w+?)_v(\d+)(_pt[sd][sz])?\)", typedefs):
        versions.setdefault((name, variant), set()).add(int(version))
    return {key: sorted(all_versions) for key, all_versions in versions.items()}


def entry_points(
    functions: list[str], versions: dict[tuple[str, str], list[int]]
) -> list[tuple[str, int, bool, str]]:
    rows = []
    for (name, variant), since in sorted(versions.items()):
        candidates = (name, *(f"{name}_v{i}" for i in range(2, 10)))
        there = [f + variant for f in candidates if f + variant in functions]
        if len(there) != len(since):
            sys.exit(
                f"cuda.h must declare a function for each type of {name}{variant}, of {since} it has {there}"
            )
        rows += [
            (name, version, variant != "", function) for version, function in zip(since, there)
        ]
    return rows


def main() -> None:
    header, typedefs = (Path(path).read_text(errors="replace") for path in sys.argv[1:3])
    functions = declared_functions(header)
    errors = re.findall(r"\b(CUDA_(?:SUCCESS|ERROR_\w+))\s*=\s*(\d+)", header)
    lines = [
        "// Generated from the headers of the driver.",
        '#include "emulator/driver/tables.h"',
        "",
    ]
    variants = per_thread_variants(header)
    lines += [f'extern "C" int {name}();' for name in sorted(variants)]
    for name in functions:
        if name in variants:
            continue
        lines.append(f'extern "C" [[gnu::weak]] int {name}() {{')
        lines.append(f'  return slipstream::emulator::driver::answer_not_supported("{name}");')
        lines.append("}")
    lines += ["", "namespace slipstream::emulator::driver {", ""]
    lines.append("std::span<const EntryPoint> entry_points() {")
    lines.append("  static const EntryPoint kAll[] = {")
    for name, version, per_thread, function in entry_points(functions, versions_by_name(typedefs)):
        flag = "true" if per_thread else "false"
        lines.append(
            f'      {{"{name}", {version}, {flag}, reinterpret_cast<void*>(&{function})}},'
        )
    lines += ["  };", "  return kAll;", "}", ""]
    lines.append("std::span<const ErrorName> error_names() {")
    lines.append("  static constexpr ErrorName kAll[] = {")
    lines += [f'      {{{code}, "{name}"}},' for name, code in errors]
    lines += ["  };", "  return kAll;", "}", "", "}  // namespace slipstream::emulator::driver", ""]
    Path(sys.argv[3]).write_text("\n".join(lines))
    Path(sys.argv[4]).write_text(per_thread_definitions(header))


main()
