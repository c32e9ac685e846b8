#include <fmt/format.h>

#include <cctype>
#include <cstddef>

#include "form.h"
#include "image_spec.h"
#include "warpgroup_kernel.h"

namespace slipstream::record_vectors {
namespace {

constexpr unsigned kRowBytes = 16;  // of a thread in shared memory

// The register that stands for a letter after $; the letters are $S, $B and $I.
std::string_view register_of(char letter) {
  return letter == 'S' ? "row" : letter == 'B' ? "rows" : letter == 'I' ? "image" : "";
}

// The form with $N as register vN, and letters as registers that have a name.
std::string instructions_of(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_name = text[i] == '$' && i + 1 < text.size();
    const std::string_view name = is_name ? register_of(text[i + 1]) : "";
    result += name.empty() ? std::string_view(is_name ? "v" : text.substr(i, 1)) : name;
    i += name.empty() ? 0 : 1;
  }
  return result;
}

// PTX before 2.0 has one address space less to name: addresses are those of global memory.
struct Dialect {
  std::string_view head;
  std::string_view to_global;
};
constexpr Dialect kPresent = {".version 9.0\n.target sm_90a\n.address_size 64",
                              "  cvta.to.global.u64 address, address;\n"};
constexpr Dialect kOld = {".version 1.4\n.target sm_13", ""};

// What a thread does with all its operands before it executes the form: its row of shared memory.
constexpr std::string_view kFillRow = R"(  .reg .b32 row;
  .shared .align 32 .b8 rows[{bytes}];
  mov.u32 row, rows;
  mad.lo.u32 row, thread, {row_bytes}, row;
  st.shared.v4.b32 [row], {{v{first}, v{second}, v{third}, v{fourth}}};
  bar.sync 0;
)";

std::string fill_row(size_t first) {
  return fmt::format(kFillRow, fmt::arg("bytes", kThreads * kRowBytes),
                     fmt::arg("row_bytes", kRowBytes), fmt::arg("first", first),
                     fmt::arg("second", first + 1), fmt::arg("third", first + 2),
                     fmt::arg("fourth", first + 3));
}

// The address of the thread's element in the array that the parameter block has at `offset`.
std::string element_address(const Dialect& dialect, size_t offset, unsigned bytes) {
  return fmt::format(
      "  ld.param.u64 address, [buffers+{}];\n{}"
      "  mad.wide.u32 address, index, {}, address;\n",
      offset, dialect.to_global, bytes);
}

std::string load_image() {
  return fmt::format("  .reg .b64 image;\n  ld.param.u64 image, [buffers+{}];\n",
                     offsetof(Buffers, image));
}

}  // namespace

std::string form_kernel(const Form& form) {
  const std::vector<std::string> results = split_words(form.results);
  const std::vector<std::string> operands = split_words(form.operands);
  std::string_view text = instruction_text(form);
  const bool is_old = text.starts_with(kOldPtx);
  const Dialect& dialect = is_old ? kOld : kPresent;
  if (is_old) text.remove_prefix(kOldPtx.size());
  std::string body;
  std::string stores;
  for (size_t i = 0; i < results.size(); ++i) {
    const unsigned bytes = register_bytes(results[i]);
    body += fmt::format("  .reg .b{} v{};\n", bytes * 8, i);
    stores += element_address(dialect, offsetof(Buffers, results) + i * sizeof(uint64_t), bytes);
    stores += fmt::format("  st.global.b{} [address], v{};\n", bytes * 8, i);
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    const unsigned bytes = register_bytes(operands[i]);
    const size_t name = results.size() + i;
    body += fmt::format("  .reg .b{} v{};\n", bytes * 8, name);
    body += element_address(dialect, offsetof(Buffers, operands) + i * sizeof(uint64_t), bytes);
    body += fmt::format("  ld.global.b{} v{}, [address];\n", bytes * 8, name);
  }
  if (text.find("$I") != text.npos) body += load_image();
  if (text.find("$S") != text.npos || text.find("$B") != text.npos)
    body += fill_row(results.size());
  body += is_warpgroup_product(form) ? warpgroup_instructions(form)
                                     : "  " + instructions_of(text) + "\n";
  return fmt::format(R"({}
.visible .entry {}(.param .align 8 .b8 buffers[{}]) {{
  .reg .b32 thread, index, block, threads;
  .reg .b64 address;
  mov.u32 thread, %tid.x;
  mov.u32 block, %ctaid.x;
  mov.u32 threads, %ntid.x;
  mad.lo.u32 index, block, threads, thread;
{}{}  ret;
}}
)",
                     dialect.head, kKernelName, sizeof(Buffers), body, stores);
}

}  // namespace slipstream::record_vectors
