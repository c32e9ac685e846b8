"""What other projects get: an install, the symbols of its library, and a project that is built against it.

install_test.py BUILD_DIRECTORY CMAKE CXX NVCC
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD, CMAKE, CXX, NVCC = (pathlib.Path(argument) for argument in sys.argv[1:5])
BUILD = BUILD.resolve()


def run(*command, **options):
    result = subprocess.run(
        [str(word) for word in command],
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )
    return result.returncode, result.stdout


def public_functions(text):
    """Names of the functions that a public header declares and does not define."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"^template[^;{]*?\)[^;{]*\{.*?^\}", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(
        r"^(?:__device__|inline|constexpr)[^;{]*\{.*?^\}", "", text, flags=re.MULTILINE | re.DOTALL
    )
    text = re.sub(r"^ private:.*?^\};", "};", text, flags=re.MULTILINE | re.DOTALL)
    declaration = re.compile(
        r"^(?:  )?(?:\[\[nodiscard\]\] )?(?:static )?(?:[\w:<>*& ]+ |[\w:<>*& ]+&)?~?(\w+)\((?:[^;{}]|\{\})*\)(?: const)?(?: noexcept)?;",
        re.MULTILINE,
    )
    return set(declaration.findall(text)) - {"static_assert"}


def exported(library):
    """Demangled names of the symbols of a library that others can link to."""
    _, text = run("nm", "-D", "-C", "--defined-only", library)
    return [line.split(maxsplit=2)[2] for line in text.splitlines()]


def function_name(symbol):
    """`size_of` of "slipstream::size_of(slipstream::DType)", None of a symbol that is no function."""
    found = re.match(r"slipstream::(?:\w+::)*~?(\w+)(?:\[abi:cxx11\])?\(", symbol)
    if found:
        return found.group(1)
    found = re.match(r"slipstream::(?:\w+::)*(operator)", symbol)
    return found.group(1) if found else None


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(dir=BUILD)
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.prefix = pathlib.Path(cls.temporary.name) / "prefix"
        code, text = run(CMAKE, "--install", BUILD, "--prefix", cls.prefix)
        assert code == 0, text

    def library(self):
        return next(self.prefix.glob("lib*/**/libslipstream.so"))

    def test_the_library_exports_what_the_headers_declare_and_nothing_else(self):
        declared = set()
        for header in (self.prefix / "include/slipstream").glob("*.h"):
            declared |= public_functions(header.read_text())
        self.assertIn("dsv3_router_gemm", declared)
        self.assertIn("prefill", declared)
        symbols = exported(self.library())
        functions = {function_name(symbol) for symbol in symbols} - {None}
        self.assertEqual(
            declared - functions, set(), "declared in a header, missing in the library"
        )
        self.assertEqual(functions - declared - {"operator"}, set(), "exported, in no header")
        others = {symbol for symbol in symbols if function_name(symbol) is None}
        self.assertEqual(
            others,
            {
                f"{what} for slipstream::{name}"
                for what in ("typeinfo", "typeinfo name", "vtable")
                for name in (
                    "Error",
                    "InvalidArgument",
                    "CudaError",
                    "RankError",
                    "engine::Canceled",
                )
            },
        )

    def test_the_library_names_its_interface_and_leaves_the_runtime_to_the_loader(self):
        _, text = run("readelf", "-d", self.library())
        self.assertRegex(text, r"SONAME.*\[libslipstream\.so\.0\.1\]")
        self.assertRegex(text, r"NEEDED.*\[libcudart\.so\.13\]")
        self.assertNotRegex(text, r"RPATH|RUNPATH")

    def test_the_program_tells_its_version(self):
        code, text = run(self.prefix / "bin/slipstream", "--version")
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"^slipstream 0\.1\.0 \((?:[0-9a-f]{12,}(?:-dirty)?|unknown)\)\n$")

    def test_a_project_outside_builds_and_runs_on_the_emulated_device(self):
        build = pathlib.Path(self.temporary.name) / "consumer"
        for command in (
            (
                CMAKE, "-S", ROOT / "tests/consumer", "-B", build, "-G", "Ninja",
                f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={CXX}",
                f"-DCMAKE_CUDA_COMPILER={NVCC}",
            ),
            (CMAKE, "--build", build),
        ):  # fmt: skip
            code, text = run(*command)
            self.assertEqual(code, 0, text)
        emulate = (self.prefix / "bin/slipstream", "emulate", "--check", "--fail-on", "warning")
        code, text = run(*emulate, "--schedule", "adversarial", "--", build / "consumer")
        self.assertEqual(code, 0, text)
        self.assertIn("slipstream 0.1.0: 0 of 256 values wrong, PDL on\n", text)
        self.assertIn("no-such-model/config.json", text)


class Headers(unittest.TestCase):
    def test_declarations_are_found_and_definitions_are_not(self):
        text = """
void first(int a,
           int b);
[[nodiscard]] std::span<const int* const> second();
template <class T>
void third(T a) {
  first(a, a);
}
class C {
 public:
  static C load(const std::string& s);
  [[nodiscard]] bool absent() const { return rank == 0; }
  [[nodiscard]] int64_t length(int i) const;
 private:
  void secret();
};
"""
        self.assertEqual(public_functions(text), {"first", "second", "load", "length"})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=2)
