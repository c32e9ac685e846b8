"""Says which sources of a library may be compiled as one file.

Reading headers is most of the work of compiling a source here, and sources of one library read the same ones. Those
compiled together must not have a name of their own (in an unnamed namespace, static, a macro) in common.

    group_sources.py MAX_SOURCES SOURCE...      prints for each source the number of its group, as a CMake list
"""

import pathlib
import re
import sys

# Larger groups save little more, and a change to one source compiles all of its group again.
MAX_LINES = 2400

# The last name before the parameters, the value or the body.
NAME = re.compile(r"(\w+)(?:<[^()]*>)?\s*(?:\[[^]]*\]\s*)*(?:\(|=|\{|;|final\b|:(?!:))")
NO_NAME = re.compile(
    r"namespace|template|using|friend|static_assert|public|private|#|//|\}|\)|TEST|INSTANTIATE_TEST"
)


def own_names(text):
    """The names that a source, formatted by clang-format, declares in its unnamed namespaces or as static, and main.

    Of macros and aliases all count: a source has them for itself.
    """
    names = set(re.findall(r"^(?:#define |using (?=\w+ =))(\w+)", text, re.MULTILINE))
    is_own = False
    for line in text.splitlines():
        if line == "namespace {":
            is_own = True
        elif line == "}  // namespace":
            is_own = False
        elif line[:1].strip() and (is_own or line.startswith(("static ", "int main("))):
            name = None if NO_NAME.match(line) else NAME.search(line)
            if name:
                names.add(name.group(1))
    return names


def group(max_sources, sources):
    """The number of each source's group."""
    groups = []
    numbers = []
    for source in sources:
        text = pathlib.Path(source).read_text()
        names, lines = own_names(text), text.count("\n")
        for number, each in enumerate(groups):
            has_room = each["sources"] < max_sources and each["lines"] + lines <= MAX_LINES
            if has_room and not names & each["names"]:
                break
        else:
            number, each = len(groups), {"names": set(), "lines": 0, "sources": 0}
            groups.append(each)
        each["names"] |= names
        each["lines"] += lines
        each["sources"] += 1
        numbers.append(number)
    return numbers


if __name__ == "__main__":
    print(";".join(str(number) for number in group(int(sys.argv[1]), sys.argv[2:])), end="")
