// Files within files: static libraries (.a), and zip archives, which Python's wheels are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/compression.h"

namespace slipstream::code {

// Whether the file begins as an archive that archive_members() reads.
bool is_archive(std::span<const std::byte> bytes);

struct ArchiveMember {
  enum class Method : uint8_t { kStored, kDeflated, kUnknown };

  std::string name;     // with folders, "/" between them; of control characters, "?" is left
  uint64_t offset = 0;  // of its data in the archive
  uint64_t stored_bytes = 0;
  uint64_t bytes = 0;
  Method method = Method::kStored;
  bool encrypted = false;
  bool has_checksum = false;
  uint32_t checksum = 0;  // CRC-32
};

// The files in an archive, in its order; folders and symbol tables are left out. Throws FormatError
// where the archive is not what it must be. `what` names it.
std::vector<ArchiveMember> archive_members(std::span<const std::byte> archive,
                                           std::string_view what);

// The first bytes of a member, at most `most`; less where it is shorter.
std::string member_start(std::span<const std::byte> archive, const ArchiveMember& member,
                         uint64_t most);
// All of it, which `limit` must allow. Both throw FormatError.
std::string member_bytes(std::span<const std::byte> archive, const ArchiveMember& member,
                         DecompressionLimit& limit);

}  // namespace slipstream::code
