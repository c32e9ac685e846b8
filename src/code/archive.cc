#include "code/archive.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>
#include <optional>

#include "code/byte_reader.h"

namespace slipstream::code {
namespace {

using Method = ArchiveMember::Method;
using Bytes = std::span<const std::byte>;

constexpr std::string_view kLibraryMagic = "!<arch>\n";

// What is printed must not steer a terminal.
std::string printable(std::string_view name) {
  std::string result(name);
  std::replace_if(
      result.begin(), result.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return result;
}

// ---- Static libraries: a header of text before each member.

constexpr uint64_t kLibraryHeaderBytes = 60;

struct LibraryHeader {
  std::string_view name;
  uint64_t bytes = 0;
};

std::string_view without_padding(std::string_view field) {
  return field.substr(0, field.find_last_not_of(' ') + 1);
}

std::optional<uint64_t> decimal(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole ? std::optional(value) : std::nullopt;
}

LibraryHeader read_library_header(const ByteReader& reader, uint64_t offset) {
  constexpr uint64_t kName = 16, kSize = 48, kSizeDigits = 10, kEnd = 58;
  const std::string_view header = as_text(reader.slice(offset, kLibraryHeaderBytes));
  if (header.substr(kEnd) != "`\n") reader.fail("a member's header must end with '`\\n'", offset);
  const std::optional<uint64_t> bytes = decimal(without_padding(header.substr(kSize, kSizeDigits)));
  if (!bytes) reader.fail("a member's size must be a decimal number", offset + kSize);
  reader.require(offset + kLibraryHeaderBytes, *bytes);
  return {without_padding(header.substr(0, kName)), *bytes};
}

// GNU keeps long names in a member of their own, "/12" is the one at byte 12 of it.
std::string long_name(const ByteReader& reader, std::string_view names, std::string_view field,
                      uint64_t offset) {
  const std::optional<uint64_t> at = decimal(field.substr(1));
  if (!at || *at >= names.size()) reader.fail("a member's name must be in the table", offset);
  const std::string_view name = names.substr(*at);
  return printable(name.substr(0, name.find_first_of("/\n")));
}

std::vector<ArchiveMember> library_members(Bytes archive, std::string_view what) {
  constexpr std::string_view kBsdName = "#1/";
  const ByteReader reader(archive, what);
  std::vector<ArchiveMember> members;
  std::string_view names;
  uint64_t offset = kLibraryMagic.size();
  while (offset < archive.size()) {
    const LibraryHeader header = read_library_header(reader, offset);
    ArchiveMember member;
    member.offset = offset + kLibraryHeaderBytes;
    member.bytes = header.bytes;
    const std::string_view field = header.name;
    if (field == "//") {
      names = as_text(reader.slice(member.offset, member.bytes));
    } else if (field.starts_with(kBsdName)) {  // the name is in front of the data
      const uint64_t length = decimal(field.substr(kBsdName.size())).value_or(header.bytes + 1);
      if (length > header.bytes) reader.fail("a member's name must be in the member", offset);
      const std::string_view name = as_text(reader.slice(member.offset, length));
      member.name = printable(name.substr(0, name.find('\0')));
      member.offset += length;
      member.bytes -= length;
    } else if (field.size() > 1 && field.front() == '/' && field != "/SYM64/") {
      member.name = long_name(reader, names, field, offset);
    } else if (field.find_first_not_of('/') != std::string_view::npos && field != "/SYM64/") {
      member.name = printable(field.substr(0, field.find('/')));
    }
    member.stored_bytes = member.bytes;
    if (!member.name.empty() && !member.name.starts_with("__.SYMDEF")) {
      members.push_back(std::move(member));
    }
    const uint64_t end = offset + kLibraryHeaderBytes + header.bytes;
    offset = end + end % 2;
  }
  return members;
}

// ---- Zip archives: a directory at the end, where sizes are known, and a header before each member.

constexpr std::string_view kMemberMagic = "PK\x03\x04";
constexpr std::string_view kEmptyMagic = "PK\x05\x06";  // of an archive without members
constexpr uint32_t kEntryMagic = 0x02014b50;
constexpr uint32_t kEndMagic = 0x06054b50;
constexpr uint32_t kEnd64Magic = 0x06064b50;
constexpr uint32_t kEnd64LocatorMagic = 0x07064b50;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kEnd64LocatorBytes = 20;
constexpr uint32_t kSeeElsewhere = std::numeric_limits<uint32_t>::max();

struct Directory {
  uint64_t entries = 0;
  uint64_t offset = 0;
};

// The record at the end may be followed by a comment of up to 65535 bytes.
uint64_t find_end(const ByteReader& reader) {
  const uint64_t size = reader.size();
  const uint64_t longest = kEndBytes + std::numeric_limits<uint16_t>::max();
  for (uint64_t back = kEndBytes; back <= std::min(size, longest); ++back) {
    constexpr uint64_t kCommentLength = 20;
    const uint64_t at = size - back;
    if (reader.read<uint32_t>(at) == kEndMagic &&
        reader.read<uint16_t>(at + kCommentLength) == back - kEndBytes) {
      return at;
    }
  }
  reader.fail("must end with a zip archive's directory: it is cut off, or none", size);
}

Directory find_directory(const ByteReader& reader) {
  const uint64_t end = find_end(reader);
  Directory directory{reader.read<uint16_t>(end + 10), reader.read<uint32_t>(end + 16)};
  if (end < kEnd64LocatorBytes) return directory;
  const uint64_t locator = end - kEnd64LocatorBytes;
  if (reader.read<uint32_t>(locator) != kEnd64LocatorMagic) return directory;
  const auto end64 = reader.read<uint64_t>(locator + 8);
  if (reader.read<uint32_t>(end64) != kEnd64Magic) {
    reader.fail("the zip64 directory's end must be where the locator says", end64);
  }
  return {reader.read<uint64_t>(end64 + 32), reader.read<uint64_t>(end64 + 48)};
}

// Numbers that do not fit into the entry are in its extra field, in this order.
void read_zip64(const ByteReader& extra, ArchiveMember& member) {
  constexpr uint16_t kZip64 = 1;
  uint64_t at = 0;
  while (at + 4 <= extra.size()) {
    const auto tag = extra.read<uint16_t>(at);
    const auto size = extra.read<uint16_t>(at + 2);
    if (tag == kZip64) {
      const ByteReader field = extra.sub_reader(at + 4, size, "a zip64 field");
      uint64_t next = 0;
      for (uint64_t* const value : {&member.bytes, &member.stored_bytes, &member.offset}) {
        if (*value != kSeeElsewhere) continue;
        *value = field.read<uint64_t>(next);
        next += sizeof(uint64_t);
      }
      return;
    }
    at += 4 + uint64_t{size};
  }
}

// Where the data begins: after a header whose name and extra field may differ from the entry's.
uint64_t data_offset(const ByteReader& reader, uint64_t header) {
  constexpr uint64_t kHeaderBytes = 30;
  if (as_text(reader.slice(header, kMemberMagic.size())) != kMemberMagic) {
    reader.fail("a member's header must be where the directory says", header);
  }
  return header + kHeaderBytes + reader.read<uint16_t>(header + 26) +
         reader.read<uint16_t>(header + 28);
}

Method method_of(uint16_t number) {
  constexpr uint16_t kStored = 0, kDeflated = 8;
  if (number == kStored) return Method::kStored;
  return number == kDeflated ? Method::kDeflated : Method::kUnknown;
}

std::vector<ArchiveMember> zip_members(Bytes archive, std::string_view what) {
  constexpr uint64_t kEntryBytes = 46;
  const ByteReader reader(archive, what);
  const Directory directory = find_directory(reader);
  std::vector<ArchiveMember> members;
  uint64_t at = directory.offset;
  for (uint64_t i = 0; i < directory.entries; ++i) {
    if (reader.read<uint32_t>(at) != kEntryMagic) {
      reader.fail("an entry of the directory must begin with its signature", at);
    }
    const auto name_bytes = reader.read<uint16_t>(at + 28);
    const auto extra_bytes = reader.read<uint16_t>(at + 30);
    ArchiveMember member;
    member.encrypted = (reader.read<uint16_t>(at + 8) & 1U) != 0;
    member.method = method_of(reader.read<uint16_t>(at + 10));
    member.has_checksum = true;
    member.checksum = reader.read<uint32_t>(at + 16);
    member.stored_bytes = reader.read<uint32_t>(at + 20);
    member.bytes = reader.read<uint32_t>(at + 24);
    member.offset = reader.read<uint32_t>(at + 42);
    member.name = printable(as_text(reader.slice(at + kEntryBytes, name_bytes)));
    read_zip64(reader.sub_reader(at + kEntryBytes + name_bytes, extra_bytes, "an extra field"),
               member);
    at += kEntryBytes + name_bytes + extra_bytes + reader.read<uint16_t>(at + 32);
    if (member.name.empty() || member.name.ends_with('/')) continue;
    member.offset = data_offset(reader, member.offset);
    reader.require(member.offset, member.stored_bytes);
    members.push_back(std::move(member));
  }
  return members;
}

// At most `most` bytes of what deflated data stands for. Memory is touched for what is really there.
std::string inflate_start(Bytes deflated, uint64_t most, uint64_t offset) {
  constexpr uint64_t kChunk = uint64_t{1} << 20U;
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw FormatError("zlib cannot begin", offset);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, &inflateEnd);
  std::string output;
  output.reserve(most);  // grown by copies, it would need twice the memory
  uint64_t used = 0;
  int status = Z_OK;
  while (status == Z_OK && output.size() < most) {
    if (stream.avail_in == 0) {
      const uint64_t piece = std::min<uint64_t>(deflated.size() - used, kChunk);
      stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(deflated.data() + used));
      stream.avail_in = static_cast<uInt>(piece);
      used += piece;
    }
    const size_t start = output.size();
    const uint64_t room = std::min(kChunk, most - start);
    output.resize(start + room);
    stream.next_out = reinterpret_cast<Bytef*>(output.data() + start);
    stream.avail_out = static_cast<uInt>(room);
    status = inflate(&stream, Z_NO_FLUSH);
    output.resize(start + room - stream.avail_out);
  }
  if (status != Z_OK && status != Z_STREAM_END) {
    throw FormatError(fmt::format("deflated data is damaged or cut off: {}",
                                  stream.msg != nullptr ? stream.msg : "it has no end"),
                      offset + used - stream.avail_in);
  }
  return output;
}

std::string read_start(Bytes archive, const ArchiveMember& member, uint64_t most) {
  if (member.encrypted) throw FormatError("must not be encrypted", member.offset);
  if (member.method == Method::kUnknown) {
    throw FormatError("must be stored or deflated, and is compressed in another way",
                      member.offset);
  }
  const Bytes data = archive.subspan(member.offset, member.stored_bytes);
  if (member.method == Method::kDeflated) return inflate_start(data, most, member.offset);
  return std::string(as_text(data.first(std::min<uint64_t>(most, data.size()))));
}

}  // namespace

bool is_archive(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  return text.starts_with(kLibraryMagic) || text.starts_with(kMemberMagic) ||
         text.starts_with(kEmptyMagic);
}

std::vector<ArchiveMember> archive_members(Bytes archive, std::string_view what) {
  return as_text(archive).starts_with(kLibraryMagic) ? library_members(archive, what)
                                                     : zip_members(archive, what);
}

std::string member_start(Bytes archive, const ArchiveMember& member, uint64_t most) {
  return read_start(archive, member, most);
}

std::string member_bytes(Bytes archive, const ArchiveMember& member, DecompressionLimit& limit) {
  limit.take(member.stored_bytes, member.bytes, member.offset);
  // One byte more than there must be shows that there is more.
  std::string bytes = read_start(archive, member, member.bytes + 1);
  if (bytes.size() != member.bytes) {
    throw FormatError(
        fmt::format("must be of {} bytes, as the directory says, and is of {}{}", member.bytes,
                    bytes.size() > member.bytes ? "at least " : "", bytes.size()),
        member.offset);
  }
  if (member.has_checksum) {
    const uLong checksum = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    if (checksum != member.checksum) {
      throw FormatError(fmt::format("must have the checksum {:08x}, as the directory says, not "
                                    "{:08x}: it is damaged",
                                    member.checksum, checksum),
                        member.offset);
    }
  }
  return bytes;
}

}  // namespace slipstream::code
