"""Groups host sources into files that include several of them, for clang-tidy.

Most of what clang-tidy does for a source is to read and to visit the headers that all sources share. A file that
includes several sources lets it do so once. Sources are in one group if the same macros are defined for them, for the
same processor, the same .clang-tidy holds for them, and no two of them have a name of an unnamed namespace in common.
Their other options differ by target, but not in what clang-tidy finds: how code is generated is left out, and all have
the folders of all.

    git ls-files 'src/*.cc' | python3 tools/lint/tidy_groups.py BUILD_DIRECTORY OUTPUT_DIRECTORY

Run in the root of the repository. Writes groups to OUTPUT_DIRECTORY, in a folder for each .clang-tidy, and a
compile_commands.json for the groups and for each source; prints the groups.
"""

import dataclasses
import json
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "cmake"))
from group_sources import own_names

MAX_SOURCES = 48

# What is not alike for all: macros, and the instructions that intrinsics may use.
OWN = ("-D", "-m")
# How code is generated. The macro that CMake defines for a shared library is none of these: its sources stay among
# themselves, as others have the same functions.
GENERATES_CODE = re.compile(r"-O.|-fPI[CE]|-f(no-|visibility=|fp-contract=|pch-).+|--param=.+")


def commands_of(build, sources):
    """How each source is checked. What is compiled twice is checked once."""
    options = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        for source in sources_of(pathlib.Path(entry["file"])):
            options.setdefault(source, options_of(entry))
    unknown = [str(source) for source in sources if source not in options]
    if unknown:
        sys.exit(f"no target of {build} compiles {', '.join(unknown)}")
    wanted = [option for source in sources for option in options[source]]
    shared = [option for option in dict.fromkeys(wanted) if not option.startswith(OWN)]
    return {
        source: " ".join(shared + [each for each in options[source] if each.startswith(OWN)])
        for source in sources
    }


def sources_of(path):
    """What the build compiles as one file."""
    if path.parent.name != "Unity":
        return [path]
    return map(pathlib.Path, re.findall(r'^#include "(.+)"', path.read_text(), re.MULTILINE))


def options_of(entry):
    """How a source is compiled, without its name and output: the compiler, and what matters to clang-tidy."""
    command = re.sub(r" -Winvalid-pch -include \S*cmake_pch\.hxx", "", entry["command"])
    command = re.sub(r" -o \S+ -c \S+$", "", command)
    options = re.findall(r"-isystem \S+|\S+", command)
    return [option for option in options if not GENERATES_CODE.fullmatch(option)]


def checks_of(source):
    """The folder whose .clang-tidy holds for the source."""
    root = pathlib.Path.cwd()
    return next(
        each.relative_to(root) for each in source.parents if (each / ".clang-tidy").exists()
    )


@dataclasses.dataclass
class Group:
    key: tuple  # alike for all sources: the folder with the checks, the command
    sources: list = dataclasses.field(default_factory=list)
    names: set = dataclasses.field(default_factory=set)


def group(sources, commands):
    groups = []
    for source in sources:
        key = (checks_of(source), commands[source])
        names = own_names(source.read_text())
        for each in groups:
            if each.key == key and len(each.sources) < MAX_SOURCES and not names & each.names:
                break
        else:
            each = Group(key)
            groups.append(each)
        each.sources.append(source)
        each.names |= names
    return groups


def write_group(each, number, output):
    """In a folder with the same .clang-tidy; the one of the root holds for all of the output."""
    checks, command = each.key
    folder = output.resolve() / checks
    folder.mkdir(parents=True, exist_ok=True)
    if folder != output.resolve():
        shutil.copy(checks / ".clang-tidy", folder)
    path = folder / f"group_{number:02}.cc"
    path.write_text("".join(f'#include "{source}"  // NOLINT\n' for source in each.sources))
    return {"file": str(path), "command": f"{command} -c {path}"}


def main():
    build, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    sources = [pathlib.Path(line).resolve() for line in sys.stdin.read().split()]
    commands = commands_of(build, sources)
    entries = [
        {"file": str(source), "command": f"{commands[source]} -c {source}"} for source in sources
    ]
    for number, each in enumerate(group(sources, commands)):
        entries.append(write_group(each, number, output))
        print(entries[-1]["file"])
    for entry in entries:
        entry["directory"] = str(build.resolve())
    (output / "compile_commands.json").write_text(json.dumps(entries))


if __name__ == "__main__":
    main()
