#include "code/sass/line_table.h"

#include <elf.h>

#include <algorithm>
#include <map>
#include <unordered_map>

namespace slipstream::sass {
namespace {

using code::ByteReader;
using code::ElfFile;
using code::ElfSection;
using code::FormatError;

// Opcodes of DWARF 2 line programs.
enum StandardOpcode : uint8_t {
  kExtended = 0,
  kCopy = 1,
  kAdvanceAddress = 2,
  kAdvanceLine = 3,
  kSetFile = 4,
  kConstantAddAddress = 8,
  kFixedAdvanceAddress = 9,
};
enum ExtendedOpcode : uint8_t {
  kEndSequence = 1,
  kSetAddress = 2,
  kInlinedCall = 0x90,  // NVIDIA's: which row of the sequence calls what the next rows belong to
};

// A cursor that cannot leave the bytes it was given.
class Cursor {
 public:
  Cursor(ByteReader reader, uint64_t at, uint64_t end) : reader_(reader), at_(at), end_(end) {}

  bool done() const { return at_ >= end_; }
  uint64_t position() const { return at_; }
  void skip_to(uint64_t position) { at_ = position; }

  template <class T>
  T read() {
    const T value = reader_.read<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  std::string_view text() {
    const std::string_view value = reader_.text(at_);
    at_ += value.size() + 1;
    return value;
  }
  uint64_t unsigned_leb() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = read<uint8_t>();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7fU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
  }
  int64_t signed_leb() {
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = read<uint8_t>();
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7fU) << shift;
      if ((byte & 0x80U) == 0) {
        if (shift + 7 < 64 && (byte & 0x40U) != 0) value |= ~0ULL << (shift + 7);
        return static_cast<int64_t>(value);
      }
    }
  }

 private:
  ByteReader reader_;
  uint64_t at_;
  uint64_t end_;
};

struct UnitHeader {
  uint8_t instruction_length = 1;
  int8_t line_base = 0;
  uint8_t line_range = 1;
  uint8_t opcode_base = 1;
  std::vector<uint8_t> operand_counts;  // of standard opcodes, by opcode
  std::vector<std::string> files;       // [0] is unused
};

UnitHeader read_unit_header(Cursor& cursor) {
  UnitHeader header;
  header.instruction_length = cursor.read<uint8_t>();
  cursor.read<uint8_t>();  // default_is_stmt
  header.line_base = cursor.read<int8_t>();
  header.line_range = std::max<uint8_t>(cursor.read<uint8_t>(), 1);
  header.opcode_base = std::max<uint8_t>(cursor.read<uint8_t>(), 1);
  header.operand_counts.resize(header.opcode_base);
  for (unsigned i = 1; i < header.opcode_base; ++i) {
    header.operand_counts[i] = cursor.read<uint8_t>();
  }
  std::vector<std::string> directories = {""};
  for (std::string_view name = cursor.text(); !name.empty(); name = cursor.text()) {
    directories.emplace_back(name);
  }
  header.files.emplace_back();
  for (std::string_view name = cursor.text(); !name.empty(); name = cursor.text()) {
    const uint64_t directory = cursor.unsigned_leb();
    cursor.unsigned_leb();  // time
    cursor.unsigned_leb();  // size
    const bool relative = directory > 0 && directory < directories.size() && name.front() != '/';
    header.files.push_back((relative ? directories[directory] + "/" : "") + std::string(name));
  }
  return header;
}

struct SymbolsByOffset {
  std::map<uint64_t, uint16_t> section_of_address;  // where a set_address operand lies -> .text
};

// The rows of one sequence go to the kernel whose code section the sequence's address names.
class Program {
 public:
  Program(const ElfFile& file, const SymbolsByOffset& relocations,
          std::unordered_map<std::string_view, Kernel*> kernels)
      : file_(file), relocations_(relocations), kernels_(std::move(kernels)) {}

  void run(const UnitHeader& header, Cursor& cursor, uint64_t end) {
    reset();
    while (cursor.position() < end) step(header, cursor);
  }

 private:
  void reset() {
    address_ = 0;
    file_index_ = 1;
    line_ = 1;
    kernel_ = nullptr;
    calling_row_ = 0;
    entry_of_row_.clear();
  }

  void step(const UnitHeader& header, Cursor& cursor) {
    const auto opcode = cursor.read<uint8_t>();
    if (opcode >= header.opcode_base) {
      const unsigned adjusted = opcode - header.opcode_base;
      address_ += static_cast<uint64_t>(adjusted / header.line_range) * header.instruction_length;
      line_ += header.line_base + static_cast<int64_t>(adjusted % header.line_range);
      emit(header);
      return;
    }
    switch (opcode) {
      case kExtended:
        extended(cursor);
        break;
      case kCopy:
        emit(header);
        break;
      case kAdvanceAddress:
        address_ += cursor.unsigned_leb() * header.instruction_length;
        break;
      case kAdvanceLine:
        line_ += cursor.signed_leb();
        break;
      case kSetFile:
        file_index_ = cursor.unsigned_leb();
        break;
      case kConstantAddAddress:
        address_ += static_cast<uint64_t>((255U - header.opcode_base) / header.line_range) *
                    header.instruction_length;
        break;
      case kFixedAdvanceAddress:
        address_ += cursor.read<uint16_t>();
        break;
      default:
        for (unsigned i = 0; i < header.operand_counts[opcode]; ++i) cursor.unsigned_leb();
    }
  }

  void extended(Cursor& cursor) {
    const uint64_t length = cursor.unsigned_leb();
    const uint64_t start = cursor.position();
    if (length == 0) return;
    const auto opcode = cursor.read<uint8_t>();
    if (opcode == kEndSequence) {
      reset();
    } else if (opcode == kSetAddress) {
      const auto section = relocations_.section_of_address.find(cursor.position());
      address_ = cursor.read<uint64_t>();
      if (section != relocations_.section_of_address.end() &&
          section->second < file_.sections.size()) {
        const auto kernel = kernels_.find(file_.sections[section->second].name);
        kernel_ = kernel == kernels_.end() ? nullptr : kernel->second;
      }
    }
    if (opcode == kInlinedCall) calling_row_ = cursor.unsigned_leb();
    // The rest of an opcode is skipped: the name of the inlined function.
    if (length > ~start) throw FormatError("a line table's extended opcode is too long", start);
    cursor.skip_to(start + length);
  }

  // Rows of a sequence count from 1.
  [[nodiscard]] uint32_t calling_entry() const {
    const bool known = calling_row_ > 0 && calling_row_ <= entry_of_row_.size();
    return known ? entry_of_row_[calling_row_ - 1] : 0;
  }

  void emit(const UnitHeader& header) {
    const uint32_t caller = calling_entry();
    entry_of_row_.push_back(0);
    if (kernel_ == nullptr || line_ <= 0 || file_index_ >= header.files.size()) return;
    const std::string& name = header.files[file_index_];
    if (kernel_->files.empty()) kernel_->files.emplace_back();
    auto found = std::find(kernel_->files.begin(), kernel_->files.end(), name);
    if (found == kernel_->files.end()) found = kernel_->files.insert(found, name);
    kernel_->lines.push_back({.address = address_,
                              .file = static_cast<uint32_t>(found - kernel_->files.begin()),
                              .line = static_cast<uint32_t>(line_),
                              // A damaged table may name rows of another kernel.
                              .inlined_at = caller <= kernel_->lines.size() ? caller : 0});
    entry_of_row_.back() = static_cast<uint32_t>(kernel_->lines.size());
  }

  const ElfFile& file_;
  const SymbolsByOffset& relocations_;
  std::unordered_map<std::string_view, Kernel*> kernels_;  // by code section
  uint64_t address_ = 0;
  uint64_t file_index_ = 1;
  int64_t line_ = 1;
  Kernel* kernel_ = nullptr;
  uint64_t calling_row_ = 0;
  // By row of this sequence: its place in the kernel's lines plus 1, or 0.
  std::vector<uint32_t> entry_of_row_;
};

SymbolsByOffset read_relocations(const ElfFile& file) {
  SymbolsByOffset result;
  for (const ElfSection& section : file.sections) {
    if (section.name != ".rela.debug_line") continue;
    const ByteReader table(section.data, "a cubin's relocations", section.offset);
    for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.size(); at += sizeof(Elf64_Rela)) {
      const auto relocation = table.read<Elf64_Rela>(at);
      const uint64_t symbol = relocation.r_info >> 32U;
      if (symbol < file.symbols.size()) {
        result.section_of_address[relocation.r_offset] = file.symbols[symbol].section;
      }
    }
  }
  return result;
}

void read_units(const ElfSection& section, Program& program) {
  const ByteReader reader(section.data, "a cubin's line table", section.offset);
  uint64_t at = 0;
  while (at + 10 <= reader.size()) {
    const uint64_t end = at + 4 + reader.read<uint32_t>(at);
    const uint64_t program_start = at + 10 + reader.read<uint32_t>(at + 6);
    if (end > reader.size() || end <= at + 10) reader.fail("a unit leaves its line table", at);
    Cursor cursor(reader, at + 10, end);
    const UnitHeader header = read_unit_header(cursor);
    cursor.skip_to(program_start);
    program.run(header, cursor, end);
    at = end;
  }
}

}  // namespace

void read_line_table(const ElfFile& file, Cubin& image) {
  std::unordered_map<std::string_view, Kernel*> kernels;
  std::vector<std::string> names;
  names.reserve(image.kernels.size());
  for (Kernel& kernel : image.kernels) {
    kernels[names.emplace_back(".text." + kernel.name)] = &kernel;
  }
  const SymbolsByOffset relocations = read_relocations(file);
  Program program(file, relocations, kernels);
  try {
    for (const ElfSection& section : file.sections) {
      if (section.name == ".debug_line") read_units(section, program);
    }
  } catch (const FormatError&) {
    for (Kernel& kernel : image.kernels) kernel.lines.clear();
  }
  for (Kernel& kernel : image.kernels) {
    std::stable_sort(kernel.lines.begin(), kernel.lines.end(),
                     [](const LineEntry& a, const LineEntry& b) { return a.address < b.address; });
  }
}

}  // namespace slipstream::sass
