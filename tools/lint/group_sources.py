"""Groups host sources into files that include several of them, for clang-tidy.

Most of what clang-tidy does for a source is to read and to visit the headers that all sources share. A file that
includes several sources lets it do so once. Sources are in one group if they are compiled in the same way and no two of
them have a name of an unnamed namespace in common.

    git ls-files 'src/*.cc' | python3 tools/lint/group_sources.py BUILD_DIRECTORY OUTPUT_DIRECTORY

Writes OUTPUT_DIRECTORY/group_N.cc and a compile_commands.json for the groups and for each source, and prints the groups.
"""

import json
import pathlib
import re
import sys

MAX_SOURCES = 12

# The last name before the parameters, the value or the body.
NAME = re.compile(r"(\w+)(?:<[^()]*>)?\s*(?:\[[^]]*\]\s*)*(?:\(|=|\{|;|final\b|:(?!:))")
NO_NAME = re.compile(
    r"(?:namespace|template|using namespace|friend|static_assert|public|private|#|//|\}|\))"
)


def local_names(text):
    """The names that a source, formatted by clang-format, declares in its unnamed namespaces, or as static."""
    names = set()
    is_local = False
    for line in text.splitlines():
        if line == "namespace {":
            is_local = True
        elif line == "}  // namespace":
            is_local = False
        elif line[:1].strip() and (is_local or line.startswith("static ")):
            name = None if NO_NAME.match(line) else NAME.search(line)
            if name:
                names.add(name.group(1))
    names.update(re.findall(r"^#define (\w+)", text, re.MULTILINE))
    return names


def command_of(entry):
    """How a source is compiled, without its name and output."""
    command = re.sub(r" -Winvalid-pch -include \S*cmake_pch\.hxx", "", entry["command"])
    return re.sub(r" -o \S+ -c \S+$", "", command)


def group(sources, commands):
    """Lists of sources, each with the names that its sources declare."""
    groups = []
    for source in sources:
        names = local_names(source.read_text())
        for other in groups:
            alike = commands[other["sources"][0]] == commands[source]
            if alike and len(other["sources"]) < MAX_SOURCES and not names & other["names"]:
                break
        else:
            other = {"sources": [], "names": set()}
            groups.append(other)
        other["sources"].append(source)
        other["names"] |= names
    return [each["sources"] for each in groups]


def main():
    build, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob("group_*.cc"):
        old.unlink()
    sources = [pathlib.Path(line).resolve() for line in sys.stdin.read().split()]
    commands = {}
    # What is compiled twice is checked once.
    for entry in json.loads((build / "compile_commands.json").read_text()):
        commands.setdefault(pathlib.Path(entry["file"]), command_of(entry))
    unknown = [str(source) for source in sources if source not in commands]
    if unknown:
        sys.exit(f"no target of {build} compiles {', '.join(unknown)}")
    entries = [
        {"file": str(source), "command": f"{commands[source]} -c {source}"} for source in sources
    ]
    for number, members in enumerate(group(sources, commands)):
        path = output.resolve() / f"group_{number:02}.cc"
        path.write_text("".join(f'#include "{source}"  // NOLINT\n' for source in members))
        entries.append({"file": str(path), "command": f"{commands[members[0]]} -c {path}"})
        print(path)
    for entry in entries:
        entry["directory"] = str(build.resolve())
    (output / "compile_commands.json").write_text(json.dumps(entries))


if __name__ == "__main__":
    main()
