"""Says which sources of a library may be compiled as one file.

Reading headers is most of the work of compiling a source here, and sources of one library read the same ones; what they
make of the same templates is compiled once, too. Those compiled together must not have a name of their own (in an
unnamed namespace, static, a macro) in common. Sources that need the same names are each in a namespace of their own.

    group_sources.py MAX_SOURCES SOURCE...      prints for each source the number of its group, as a CMake list
"""

import pathlib
import re
import sys

# Larger groups save little more, need more than a gigabyte, and a change to one source compiles all of its group again.
MAX_LINES = 6000

# Such as __launch_bounds__(128).
ATTRIBUTE = re.compile(r"__\w+__\([^()]*\) ?")
# The last name before the parameters, the value or the body.
NAME = re.compile(r"(\w+)(?:<[^()]*>)?\s*(?:\[[^]]*\]\s*)*(?:\(|=|\{|;|final\b|:(?!:))")
NO_NAME = re.compile(
    r"namespace|template|using|friend|static_assert|public|private|#|//|\}|\)|TEST|INSTANTIATE_TEST"
)


def own_names(text):
    """The names that a source, formatted by clang-format, has for itself, each with the namespaces around it: those in
    its unnamed namespaces, what is static, aliases, main, and macros.
    """
    names = set(re.findall(r"^#define (\w+)", text, re.MULTILINE))
    scope = []
    for line in text.splitlines():
        opened = re.fullmatch(r"(?:inline )?namespace ?([\w:]*) ?{", line)
        alias = re.match(r"using (\w+) =", line)
        line = ATTRIBUTE.sub("", line)
        name = alias
        if opened:
            scope.append(opened.group(1))
        elif line.startswith("}  // namespace"):
            scope.pop()
        elif line[:1].strip() and (scope[-1:] == [""] or line.startswith(("static ", "int main("))):
            name = alias or (None if NO_NAME.match(line) else NAME.search(line))
        if name:
            names.add("::".join([*scope, name.group(1)]))
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
