#include "code/fatbin.h"

#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "code/compression.h"
#include "code/elf.h"
#include "code/linked_ptx.h"

namespace slipstream::code {
namespace {

constexpr uint32_t kFatBinaryMagic = 0xba55ed50;
constexpr uint32_t kWrapperMagic = 0x466243b1;

struct FatBinaryHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t header_bytes;
  uint64_t entries_bytes;
};

struct EntryHeader {
  uint16_t kind;
  uint16_t version;
  uint32_t header_bytes;
  uint64_t payload_bytes;  // padded
  uint32_t compressed_bytes;
  uint32_t options_at;  // where the header has their offset and length
  uint16_t minor_version;
  uint16_t major_version;
  uint32_t architecture;
  uint32_t name_at;
  uint32_t name_bytes;
  uint64_t flags;
  uint64_t reserved;
  uint64_t decompressed_bytes;
};
static_assert(sizeof(EntryHeader) == 64);

constexpr uint16_t kKindPtx = 1;
constexpr uint16_t kKindElf = 2;

constexpr uint64_t kFlagLz4 = 0x2000;
constexpr uint64_t kFlagZstd = 0x8000;
constexpr uint64_t kFlagSpecific = 0x100000;
constexpr uint64_t kFlagFamily = 0x200000;

struct Wrapper {
  uint32_t magic;
  uint32_t version;
  const std::byte* data;
  // Version 2, of programs with relocatable device code: the fat binaries of the objects, then null.
  const std::byte* const* objects;
};
constexpr uint32_t kVersionOfLinkedPrograms = 2;

std::string without_trailing_nuls(std::string text) {
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

std::string read_payload(const ByteReader& reader, uint64_t at, const EntryHeader& entry,
                         DecompressionLimit& limit) {
  const std::span<const std::byte> padded = reader.slice(at, entry.payload_bytes);
  const bool is_zstd = (entry.flags & kFlagZstd) != 0;
  const bool is_lz4 = (entry.flags & kFlagLz4) != 0;
  // Sections may lie over each other, so copies count, too.
  limit.take(padded.size(), is_zstd || is_lz4 ? entry.decompressed_bytes : padded.size(), at);
  if (!is_zstd && !is_lz4) return std::string(as_text(padded));
  if (entry.compressed_bytes > padded.size()) {
    reader.fail(fmt::format("compressed data of {} bytes must fit its {} bytes",
                            entry.compressed_bytes, padded.size()),
                at);
  }
  const std::span<const std::byte> compressed = padded.first(entry.compressed_bytes);
  return is_zstd ? decompress_zstd(compressed, entry.decompressed_bytes, at)
                 : decompress_lz4(compressed, entry.decompressed_bytes, at);
}

// The PTX of an entry may carry the options that ptxas is to be called with.
std::string read_options(const ByteReader& header, const EntryHeader& entry) {
  if (entry.kind != kKindPtx || entry.options_at == 0) return {};
  const auto at = header.read<uint32_t>(entry.options_at);
  const auto bytes = header.read<uint32_t>(uint64_t{entry.options_at} + sizeof(uint32_t));
  return without_trailing_nuls(std::string(as_text(header.slice(at, bytes))));
}

Image read_entry(const ByteReader& reader, uint64_t at, const EntryHeader& entry,
                 DecompressionLimit& limit) {
  const ByteReader header = reader.sub_reader(at, entry.header_bytes, "a fat binary's entry");
  Image image;
  image.kind = entry.kind == kKindPtx ? ImageKind::kPtx : ImageKind::kElf;
  image.architecture = entry.architecture;
  if ((entry.flags & kFlagSpecific) != 0) {
    image.suffix = ArchitectureSuffix::kSpecific;
  } else if ((entry.flags & kFlagFamily) != 0) {
    image.suffix = ArchitectureSuffix::kFamily;
  }
  image.version = uint32_t{entry.major_version} * 10 + entry.minor_version;
  image.compressed = (entry.flags & (kFlagLz4 | kFlagZstd)) != 0;
  image.source_name = as_text(header.slice(entry.name_at, entry.name_bytes));
  image.options = read_options(header, entry);
  image.bytes = read_payload(reader, at + entry.header_bytes, entry, limit);
  if (image.kind == ImageKind::kPtx) image.bytes = without_trailing_nuls(std::move(image.bytes));
  return image;
}

FatBinaryHeader read_fatbin_header(const ByteReader& reader, uint64_t at) {
  const auto header = reader.read<FatBinaryHeader>(at);
  if (header.magic != kFatBinaryMagic || header.version != 1) {
    reader.fail(fmt::format("a fat binary must start with {:08x} and version 1, not {:08x} and {}",
                            kFatBinaryMagic, header.magic, header.version),
                at);
  }
  if (header.header_bytes < sizeof(FatBinaryHeader)) {
    reader.fail(fmt::format("a fat binary's header must have at least {} bytes, not {}",
                            sizeof(FatBinaryHeader), header.header_bytes),
                at);
  }
  return header;
}

// Whether a fat binary has PTX, as far as its entries can be followed.
bool holds_ptx(const ByteReader& reader, uint64_t at, uint64_t stop) {
  while (at < stop && stop - at >= sizeof(EntryHeader)) {
    const auto entry = reader.read<EntryHeader>(at);
    if (entry.kind == kKindPtx) return true;
    if (entry.header_bytes < sizeof(EntryHeader) || entry.payload_bytes > stop - at) return false;
    at += entry.header_bytes + entry.payload_bytes;
  }
  return false;
}

// Visits the images of the fat binary at `at`, which is the file's `number`-th, and returns where it
// ends.
uint64_t visit_fat_binary(const ByteReader& reader, uint64_t at, uint32_t number,
                          DecompressionLimit& limit, const ImageVisitor& visit) {
  const FatBinaryHeader header = read_fatbin_header(reader, at);
  uint64_t entry_at = at + header.header_bytes;
  reader.require(entry_at, header.entries_bytes);
  const uint64_t stop = entry_at + header.entries_bytes;
  const bool has_ptx = holds_ptx(reader, entry_at, stop);
  while (entry_at < stop) {
    const auto entry = reader.read<EntryHeader>(entry_at);
    if (entry.header_bytes < sizeof(EntryHeader)) {
      reader.fail(fmt::format("an entry's header must have at least {} bytes, not {}",
                              sizeof(EntryHeader), entry.header_bytes),
                  entry_at);
    }
    reader.require(entry_at + entry.header_bytes, entry.payload_bytes);
    if (entry.kind == kKindPtx || entry.kind == kKindElf) {
      Image image = read_entry(reader, entry_at, entry, limit);
      image.fat_binary = number;
      image.beside_ptx = has_ptx;
      visit(std::move(image));
    }
    entry_at += entry.header_bytes + entry.payload_bytes;
  }
  return stop;
}

// One or several in a row, with zero padding between them.
void visit_fat_binaries(std::span<const std::byte> bytes, std::string_view what,
                        DecompressionLimit& limit, uint32_t& number, const ImageVisitor& visit) {
  constexpr uint64_t kPaddingUnit = 8;
  const ByteReader reader(bytes, what);
  uint64_t at = 0;
  while (at < bytes.size()) {
    const bool is_padding = bytes.size() - at < kPaddingUnit || reader.read<uint64_t>(at) == 0;
    at = is_padding ? at + kPaddingUnit : visit_fat_binary(reader, at, number++, limit, visit);
  }
}

bool starts_with(std::span<const std::byte> bytes, uint32_t magic) {
  return bytes.size() >= sizeof(magic) && std::memcmp(bytes.data(), &magic, sizeof(magic)) == 0;
}

// Blanks and comments may precede the first directive of a PTX text.
bool looks_like_ptx(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.find('\0') == text.npos && text.find(".version") != text.npos;
}

Image cubin_image(std::span<const std::byte> bytes, const ElfFile& file) {
  constexpr uint8_t kAbiWithShiftedArchitecture = 8;
  Image image;
  image.kind = ImageKind::kElf;
  image.architecture =
      (file.abi_version >= kAbiWithShiftedArchitecture ? file.flags >> 8 : file.flags) & 0xffU;
  image.bytes = as_text(bytes);
  return image;
}

void visit_elf_images(std::span<const std::byte> bytes, std::string_view what,
                      DecompressionLimit& limit, const ImageVisitor& visit) {
  const ElfFile file = read_elf(bytes, what);
  if (file.machine == kElfMachineCuda) return visit(cubin_image(bytes, file));
  uint32_t number = 0;
  for (const ElfSection& section : file.sections) {
    if (section.name == ".nv_fatbin" || section.name == "__nv_relfatbin") {
      visit_fat_binaries(section.data, what, limit, number, visit);
    }
  }
}

void visit_linked_ptx(std::string_view text, const ImageVisitor& visit) {
  uint32_t number = 0;
  for (PtxPart& part : split_linked_ptx(text)) {
    Image image;
    image.fat_binary = number++;
    image.source_name = std::move(part.name);
    image.bytes = std::move(part.text);
    visit(std::move(image));
  }
}

ImageVisitor append_to(std::vector<Image>& images) {
  return [&images](Image&& image) { images.push_back(std::move(image)); };
}

}  // namespace

std::string architecture_name(const Image& image) {
  const std::string suffix = image.suffix == ArchitectureSuffix::kNone
                                 ? ""
                                 : std::string(1, static_cast<char>(image.suffix));
  return fmt::format("{}_{}{}", image.kind == ImageKind::kPtx ? "compute" : "sm",
                     image.architecture, suffix);
}

std::vector<Image> read_fat_binaries(std::span<const std::byte> bytes, std::string_view what) {
  DecompressionLimit limit(bytes.size());
  std::vector<Image> images;
  uint32_t number = 0;
  visit_fat_binaries(bytes, what, limit, number, append_to(images));
  return images;
}

void visit_images(std::span<const std::byte> bytes, std::string_view what,
                  const ImageVisitor& visit) {
  DecompressionLimit limit(bytes.size());
  if (is_elf(bytes)) return visit_elf_images(bytes, what, limit, visit);
  if (starts_with(bytes, kFatBinaryMagic)) {
    uint32_t number = 0;
    return visit_fat_binaries(bytes, what, limit, number, visit);
  }
  if (is_linked_ptx(as_text(bytes))) return visit_linked_ptx(as_text(bytes), visit);
  if (looks_like_ptx(bytes)) {
    Image image;
    image.bytes = as_text(bytes);
    return visit(std::move(image));
  }
  throw FormatError(fmt::format("{} must be an ELF file, a fat binary or PTX text", what), 0);
}

std::vector<Image> read_images(std::span<const std::byte> bytes, std::string_view what) {
  std::vector<Image> images;
  visit_images(bytes, what, append_to(images));
  return images;
}

std::vector<Image> read_image_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw FormatError(fmt::format("{} must be a readable file", path), 0);
  return read_images(std::as_bytes(std::span(bytes)), path);
}

namespace {

// Only the header says how long a fat binary is. It is part of the running program, so its first bytes can be read
// before that is known.
std::vector<Image> read_fat_binary_at(const std::byte* start) {
  constexpr std::string_view kWhat = "a registered fat binary";
  const FatBinaryHeader header =
      read_fatbin_header(ByteReader({start, sizeof(FatBinaryHeader)}, kWhat), 0);
  return read_fat_binaries({start, header.header_bytes + header.entries_bytes}, kWhat);
}

}  // namespace

std::vector<std::vector<Image>> read_registered_images(const void* wrapper) {
  Wrapper registered;
  std::memcpy(&registered, wrapper, sizeof(registered));
  if (registered.magic != kWrapperMagic || registered.data == nullptr) {
    throw FormatError(fmt::format("a registered fat binary must start with {:08x}, not {:08x}",
                                  kWrapperMagic, registered.magic),
                      0);
  }
  std::vector<std::vector<Image>> objects;
  if (registered.version == kVersionOfLinkedPrograms && registered.objects != nullptr) {
    for (const std::byte* const* object = registered.objects; *object != nullptr; ++object) {
      objects.push_back(read_fat_binary_at(*object));
    }
  } else {
    objects.push_back(read_fat_binary_at(registered.data));
  }
  return objects;
}

std::vector<Image> read_images_at(const void* code) {
  const auto* const start = static_cast<const std::byte*>(code);
  uint32_t magic = 0;
  std::memcpy(&magic, start, strnlen(static_cast<const char*>(code), sizeof(magic)));
  if (magic == kWrapperMagic) {
    std::vector<std::vector<Image>> objects = read_registered_images(code);
    if (objects.size() == 1) return std::move(objects.front());
    throw FormatError(
        fmt::format("device code must be one fat binary, it is {} to be linked", objects.size()),
        0);
  }
  if (magic == kFatBinaryMagic) return read_fat_binary_at(start);
  const bool may_be_elf = is_elf(std::as_bytes(std::span(&magic, 1)));
  const uint64_t size =
      may_be_elf ? elf_size_at(start) : std::strlen(static_cast<const char*>(code));
  return read_images({start, size}, "device code");
}

}  // namespace slipstream::code
