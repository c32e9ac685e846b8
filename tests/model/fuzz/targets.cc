#include "targets.h"

#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <numeric>
#include <string>

#include "io/file_descriptor.h"
#include "model/config.h"
#include "model/safetensors.h"
#include "slipstream/error.h"

namespace slipstream::model::fuzz {
namespace {

// The bytes as a file that only this process has.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (write(file_.value(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
  }
  [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", file_.value()); }

 private:
  io::FileDescriptor file_;
};

unsigned sum_of(const StoredTensor& tensor) {
  return std::accumulate(
      tensor.bytes.begin(), tensor.bytes.end(), 0U,
      [](unsigned sum, std::byte byte) { return sum + static_cast<unsigned>(byte); });
}

}  // namespace

void safetensors(Bytes bytes) {
  const MemoryFile file(bytes);
  try {
    const TensorStore store = TensorStore::open_file(file.path());
    volatile unsigned sum = 0;  // so that the bytes are really read
    for (const auto& [name, tensor] : store.tensors()) sum = sum + sum_of(tensor);
    store.require_unchanged();
  } catch (const InvalidArgument&) {
    // Refused, with a reason: that is right.
  }
}

void config(Bytes bytes) {
  const MemoryFile file(bytes);
  try {
    (void)read_model_config(file.path());
  } catch (const InvalidArgument&) {
    // As above.
  }
}

}  // namespace slipstream::model::fuzz
