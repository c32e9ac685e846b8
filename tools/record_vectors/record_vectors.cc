// Records what a GPU computes for each instruction form, or replays a recording and compares.
//
//   record_vectors --record FILE      on a GPU
//   record_vectors --replay FILE      anywhere: on the emulator, or on another GPU
#include <cuda_runtime.h>
#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>

#include "cli/command.h"
#include "compare.h"
#include "form.h"
#include "inputs.h"
#include "vector_file.h"

namespace slipstream::record_vectors {
namespace {

void check(cudaError_t error, std::string_view what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(fmt::format("{}: {}", what, cudaGetErrorString(error)));
  }
}

class DeviceArray {
 public:
  explicit DeviceArray(size_t bytes) : bytes_(bytes) {
    check(cudaMalloc(&data_, bytes), "cudaMalloc");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  void* data() { return data_; }
  void upload(const Bytes& bytes) {
    check(cudaMemcpy(data_, bytes.data(), bytes.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
  }
  Bytes download() {
    Bytes bytes(bytes_);
    check(cudaMemcpy(bytes.data(), data_, bytes_, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return bytes;
  }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

// Runs one form on all operands and returns its results.
std::vector<Bytes> run(const Form& form, const std::vector<Bytes>& operands, unsigned count) {
  std::vector<std::unique_ptr<DeviceArray>> arrays;
  Buffers buffers{};
  for (size_t i = 0; i < operands.size(); ++i) {
    arrays.push_back(std::make_unique<DeviceArray>(operands[i].size()));
    arrays.back()->upload(operands[i]);
    buffers.operands[i] = arrays.back()->data();
  }
  const std::vector<std::string> types = split_words(form.results);
  for (size_t i = 0; i < types.size(); ++i) {
    arrays.push_back(std::make_unique<DeviceArray>(size_t{count} * register_bytes(types[i])));
    buffers.results[i] = arrays.back()->data();
  }
  void* arguments[] = {&buffers};
  check(cudaLaunchKernel(reinterpret_cast<const void*>(form.kernel), dim3(count / kThreads),
                         dim3(kThreads), arguments, 0, nullptr),
        form.text);
  check(cudaDeviceSynchronize(), form.text);
  std::vector<Bytes> results;
  for (size_t i = 0; i < types.size(); ++i) {
    results.push_back(arrays[operands.size() + i]->download());
  }
  return results;
}

std::string describe_device() {
  cudaDeviceProp properties{};
  int driver = 0;
  int runtime = 0;
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  return fmt::format("{}, driver for CUDA {}.{}, runtime {}.{}", properties.name, driver / 1000,
                     driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

int record(const std::string& path, unsigned count) {
  VectorFile file;
  file.device = describe_device();
  file.count = count;
  for (const std::span<const Form> forms : all_forms()) {
    for (const Form& form : forms) {
      RecordedForm& recorded = file.forms[form.text];
      unsigned position = 0;
      for (const std::string& type : split_words(form.operands)) {
        recorded.operands.push_back(make_operands(type, position++, count));
      }
      recorded.results = run(form, recorded.operands, count);
    }
  }
  write_vector_file(path, file);
  fmt::print("recorded {} forms with {} vectors each on {}\n", file.forms.size(), count,
             file.device);
  return 0;
}

uint64_t element(const Bytes& bytes, size_t index, unsigned width) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + index * width, width);
  return value;
}

struct Tally {
  size_t equal = 0;
  size_t within_bound = 0;
  size_t different = 0;
};

class Replay {
 public:
  Replay(VectorFile file, unsigned shown) : file_(std::move(file)), shown_(shown) {}

  int run_all(const std::string& only) {
    for (const std::span<const Form> forms : all_forms()) {
      for (const Form& form : forms) {
        if (std::strstr(form.text, only.c_str()) != nullptr) {
          replay(form);
        }
      }
    }
    fmt::print(
        "{} forms recorded on {}: {} replayed, {} of them bit-equal, {} within their bound, {} "
        "different, {} failed, "
        "{} not recorded\n",
        file_.forms.size(), file_.device, replayed_, equal_forms_, bounded_forms_, different_forms_,
        failed_forms_, missing_forms_);
    return replayed_ > 0 && different_forms_ == 0 && failed_forms_ == 0 ? 0 : 1;
  }

 private:
  void replay(const Form& form) {
    const auto recorded = file_.forms.find(form.text);
    if (recorded == file_.forms.end()) {
      ++missing_forms_;
      return;
    }
    ++replayed_;
    std::vector<Bytes> results;
    try {
      results = run(form, recorded->second.operands, file_.count);
    } catch (const std::exception& error) {
      fmt::print("FAILED {}\n", error.what());
      cudaGetLastError();
      ++failed_forms_;
      return;
    }
    const Tally tally = compare_all(form, recorded->second, results);
    if (tally.different > 0) {
      ++different_forms_;
      fmt::print("DIFFERENT {}: {} of {} results\n", form.text, tally.different,
                 tally.different + tally.within_bound + tally.equal);
    } else {
      ++(tally.within_bound > 0 ? bounded_forms_ : equal_forms_);
    }
  }

  Tally compare_all(const Form& form, const RecordedForm& recorded,
                    const std::vector<Bytes>& results) {
    Tally tally;
    const std::vector<std::string> types = split_words(form.results);
    for (size_t i = 0; i < types.size(); ++i) {
      const unsigned width = register_bytes(types[i]);
      for (size_t index = 0; index < file_.count; ++index) {
        const std::vector<uint64_t> operands = operands_at(form, recorded, index);
        const Comparison comparison{form.bound, types[i],
                                    element(recorded.results[i], index, width),
                                    element(results[i], index, width), operands};
        const Agreement agreement = compare(comparison);
        tally.equal += agreement == Agreement::kEqual ? 1 : 0;
        tally.within_bound += agreement == Agreement::kWithinBound ? 1 : 0;
        tally.different += agreement == Agreement::kDifferent ? 1 : 0;
        if (agreement == Agreement::kDifferent && tally.different <= shown_) {
          show(form, i, index, comparison);
        }
      }
    }
    return tally;
  }

  static std::vector<uint64_t> operands_at(const Form& form, const RecordedForm& recorded,
                                           size_t index) {
    const std::vector<std::string> types = split_words(form.operands);
    std::vector<uint64_t> operands;
    for (size_t i = 0; i < types.size(); ++i) {
      operands.push_back(element(recorded.operands[i], index, register_bytes(types[i])));
    }
    return operands;
  }

  static void show(const Form& form, size_t result, size_t index, const Comparison& comparison) {
    std::string operands;
    for (const uint64_t operand : comparison.operands) {
      operands += fmt::format(" {:#x}", operand);
    }
    fmt::print("  vector {} of {}: ${} is {:#x}, must be {:#x}, from{}\n", index, form.text, result,
               comparison.found, comparison.expected, operands);
  }

  VectorFile file_;
  unsigned shown_;
  size_t replayed_ = 0;
  size_t equal_forms_ = 0;
  size_t bounded_forms_ = 0;
  size_t different_forms_ = 0;
  size_t failed_forms_ = 0;
  size_t missing_forms_ = 0;
};

struct Options {
  std::string record_path;
  std::string replay_path;
  std::string only;
  unsigned count = 1024;
  unsigned shown = 3;
};

int record_or_replay(const Options& options) {
  if (options.count == 0 || options.count % kThreads != 0) {
    throw std::runtime_error(
        fmt::format("--count must be a multiple of {}, not {}", kThreads, options.count));
  }
  if (!options.record_path.empty()) return record(options.record_path, options.count);
  if (options.replay_path.empty()) {
    throw std::runtime_error("one of --record and --replay must be given");
  }
  return Replay(read_vector_file(options.replay_path), options.shown).run_all(options.only);
}

int run_program(int argc, char** argv) {
  const cli::CommandLine line("Record and replay the results of single PTX instructions");
  const cli::Command program = line.program();
  Options options;
  const cli::Option record_option =
      program.add_option("--record", options.record_path, "Write a recording of this GPU");
  program.add_option("--replay", options.replay_path, "Compare with a recording")
      .excludes(record_option);
  program.add_option("--count", options.count, "Vectors per form, a multiple of 256");
  program.add_option("--only", options.only, "Replay only forms whose text contains this");
  program.add_option("--show", options.shown, "Differences to show per form");
  program.set_action([&options] { return record_or_replay(options); });
  return line.run(argc, argv);
}

}  // namespace
}  // namespace slipstream::record_vectors

int main(int argc, char** argv) {
  try {
    return slipstream::record_vectors::run_program(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "record_vectors: {}\n", error.what());
    return 1;
  }
}
