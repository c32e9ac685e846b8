// Zip archives for tests.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace slipstream::code::test {

struct ZipMember {
  std::string name;
  std::string bytes;
  bool deflated = false;
  uint16_t flags = 0;
};

inline std::string little_endian(uint64_t value, int bytes) {
  std::string result;
  for (int i = 0; i < bytes; ++i, value >>= 8) result += static_cast<char>(value);
  return result;
}

inline std::string deflate_text(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string result(deflateBound(&stream, text.size()), '\0');
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

// With `zip64`, sizes, offsets and the number of members are where archives above 4 GiB have them.
inline std::string zip_file(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string file;
  std::string directory;
  for (const ZipMember& member : members) {
    const std::string data = member.deflated ? deflate_text(member.bytes) : member.bytes;
    const auto checksum = crc32(0, reinterpret_cast<const Bytef*>(member.bytes.data()),
                                static_cast<uInt>(member.bytes.size()));
    const std::string extra =
        !zip64
            ? ""
            : little_endian(1, 2) + little_endian(24, 2) + little_endian(member.bytes.size(), 8) +
                  little_endian(data.size(), 8) + little_endian(file.size(), 8);
    const std::string common = little_endian(20, 2) + little_endian(member.flags, 2) +
                               little_endian(member.deflated ? 8 : 0, 2) + little_endian(0, 4) +
                               little_endian(checksum, 4) +
                               little_endian(zip64 ? UINT32_MAX : data.size(), 4) +
                               little_endian(zip64 ? UINT32_MAX : member.bytes.size(), 4) +
                               little_endian(member.name.size(), 2);
    directory += "PK\x01\x02" + little_endian(20, 2) + common + little_endian(extra.size(), 2) +
                 little_endian(0, 10) + little_endian(zip64 ? UINT32_MAX : file.size(), 4) +
                 member.name + extra;
    file += "PK\x03\x04" + common + little_endian(0, 2) + member.name + data;
  }
  const uint64_t start = file.size();
  file += directory;
  if (zip64) {
    const uint64_t end = file.size();
    file += "PK\x06\x06" + little_endian(44, 8) + little_endian(0, 12) +
            little_endian(members.size(), 8) + little_endian(members.size(), 8) +
            little_endian(directory.size(), 8) + little_endian(start, 8);
    file += "PK\x06\x07" + little_endian(0, 4) + little_endian(end, 8) + little_endian(1, 4);
  }
  const uint64_t count = zip64 ? UINT16_MAX : members.size();
  return file + "PK\x05\x06" + little_endian(0, 4) + little_endian(count, 2) +
         little_endian(count, 2) + little_endian(directory.size(), 4) +
         little_endian(zip64 ? UINT32_MAX : start, 4) + little_endian(0, 2);
}

}  // namespace slipstream::code::test
