#include "check/checker.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>

#include "check/findings/suppressions.h"
#include "check/image_batch.h"
#include "check/rules/rules.h"
#include "code/fatbin.h"
#include "io/file.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;
constexpr auto kSourceExtensions =
    std::to_array<std::string_view>({".cu", ".cuh", ".h", ".hpp", ".hxx", ".cpp", ".cc", ".inl"});

bool is_source(const fs::path& path) {
  const std::string extension = path.extension().string();
  return std::find(kSourceExtensions.begin(), kSourceExtensions.end(), extension) !=
         kSourceExtensions.end();
}

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

// Files that may hold device code, by how they begin.
bool may_hold_device_code(std::string_view bytes, const fs::path& path) {
  constexpr std::string_view kElf =
      "\x7f"
      "ELF";
  constexpr std::string_view kFatBinary = "\x50\xed\x55\xba";
  return bytes.starts_with(kElf) || bytes.starts_with(kFatBinary) || path.extension() == ".ptx";
}

// Errors of files begin with their names, which reports print anyway.
std::string without_name(const std::string& message, const std::string& name) {
  return message.starts_with(name + ": ") ? message.substr(name.size() + 2) : message;
}

struct InputFile {
  fs::path path;
  bool asked_for = false;  // by its name

  // PTX and cubins of one kernel are files next to each other in caches. Their folder, with a slash;
  // empty for files that stand alone.
  [[nodiscard]] std::string loose_folder() const {
    const bool loose = path.extension() == ".ptx" || path.extension() == ".cubin";
    return loose ? path.parent_path().string() + "/" : "";
  }
};

// The file, or those of a directory by their names.
void list_files(const fs::path& path, std::vector<InputFile>& files) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return files.push_back({path, true});
  const size_t first = files.size();
  for (auto it = fs::recursive_directory_iterator(
           path, fs::directory_options::skip_permission_denied, error);
       it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (error) break;
    if (it->is_regular_file(error)) files.push_back({it->path(), false});
  }
  std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end(),
            [](const InputFile& a, const InputFile& b) { return a.path < b.path; });
}

// Thrown out of a visit of images that is to end.
struct Stopped {};

// What is kept of a kernel once its forms have been looked at.
struct KernelSummary {
  bool waits = false;
  std::vector<BareForm> bare;
};

// Goes through files and collects what is found. Forms of one kernel are judged together where they
// lie together: in one fat binary, or as loose PTX and cubins in one directory. As soon as that is
// done they are dropped, so that memory does not grow with the size of a library.
class Checker {
 public:
  Checker(const Launches& launches, SourceRoots source_roots, const CheckLimits& limits,
          bool survey = false)
      : options_{.launches = launches, .survey = survey, .jobs = limits.jobs, .stop = limits.stop},
        progress_(limits.progress),
        suppressions_(std::move(source_roots)) {}

  void add_paths(const std::vector<std::string>& paths) {
    std::vector<InputFile> files;
    for (const std::string& path : paths) list_files(path, files);
    // The loose files of a folder one after the other, after all others.
    std::stable_sort(files.begin(), files.end(), [](const InputFile& a, const InputFile& b) {
      return a.loose_folder() < b.loose_folder();
    });
    for (const InputFile& file : files) {
      if (file.path.extension() == ".ptx") ptx_folders_.insert(file.loose_folder());
    }
    for (const InputFile& file : files) add_file(file);
  }

  // What `group` names is judged together; one that ends with a slash is a directory.
  void add_bytes(std::string_view bytes, const std::string& name, const std::string& group) {
    if (group != group_) end_group();
    group_ = group;
    ++report_.files;
    try {
      code::visit_images(as_bytes(bytes), name, [&](code::Image&& image) {
        if (options_.stop()) throw Stopped();
        ++report_.images;
        add_image(std::move(image), name);
      });
    } catch (const Stopped&) {
      report_.stopped = true;
    } catch (const std::exception& error) {
      report_.problems.push_back({name, error.what()});
    }
    if (!group.ends_with('/')) end_group();
  }

  // Of a survey.
  WrittenByKernel take_written() {
    end_group();
    return written_.take();
  }

  Report finish() {
    end_group();
    report_.stopped = report_.stopped || options_.stop();
    for (Finding& finding : findings_.take()) report_.findings.push_back(std::move(finding));
    for (Finding& finding : report_.findings) suppressions_.apply(finding);
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return std::move(report_);
  }

 private:
  void add_file(const InputFile& file) {
    if (options_.stop()) {
      report_.stopped = true;
      return;
    }
    const std::string name = file.path.string();
    progress_(name);
    try {
      const std::string bytes = io::read_file(name);
      if (is_source(file.path)) {
        ++report_.files;
        ++report_.sources;
        suppressions_.know(name, bytes);
        for (Finding& finding : check_source(bytes, name)) {
          report_.findings.push_back(std::move(finding));
        }
      } else if (file.asked_for || may_hold_device_code(bytes, file.path)) {
        const std::string folder = file.loose_folder();
        add_bytes(bytes, name, folder.empty() ? name : folder);
      }
    } catch (const std::exception& error) {
      report_.problems.push_back({name, without_name(error.what(), name)});
    }
  }

  void add_image(code::Image&& image, const std::string& name) {
    const bool loose = ptx_folders_.contains(group_);
    if (!group_.ends_with('/') && image.fat_binary != fat_binary_) end_fat_binary();
    fat_binary_ = image.fat_binary;
    pending_bytes_ += image.bytes.size();
    pending_.push_back({std::move(image), name, loose});
    if (pending_bytes_ >= kBatchBytes) check_pending();
  }

  void check_pending() {
    pending_bytes_ = 0;
    for (CheckedForm& form : check_batch(std::exchange(pending_, {}), options_, report_.problems)) {
      if (form.left_out) continue;
      if (form.written) written_.add(form.kernel, *form.written);
      KernelSummary& kernel = kernels_[form.kernel];
      kernel.waits = kernel.waits || form.waits;
      findings_.add_all(std::move(form.findings));
      std::move(form.problems.begin(), form.problems.end(), std::back_inserter(report_.problems));
      if (form.bare != nullptr) kernel.bare.push_back(std::move(*form.bare));
      if (form.code != nullptr) held_[form.kernel].push_back(std::move(form.code));
    }
  }

  // Judges the kernels whose forms are complete now.
  void end_fat_binary() {
    check_pending();
    for (const auto& [name, codes] : held_) {
      KernelForms forms;
      forms.another_waits = kernels_[name].waits;
      for (const auto& code : codes) {
        (code->function().code == CodeKind::kPtx ? forms.ptx : forms.sass).push_back(code.get());
      }
      check_kernel(forms, findings_);
    }
    held_.clear();
  }

  void end_group() {
    end_fat_binary();
    for (const auto& [name, kernel] : kernels_) {
      report_.waiting_kernels += kernel.waits ? 1 : 0;
      if (!kernel.waits) continue;
      for (const BareForm& form : kernel.bare) report_compiled_out(name, form, findings_);
    }
    report_.kernels += kernels_.size();
    kernels_.clear();
  }

  static constexpr size_t kBatchBytes = size_t{16} << 20U;

  BatchOptions options_;
  std::function<void(const std::string&)> progress_;
  Suppressions suppressions_;
  Report report_;
  WrittenForms written_;
  FindingList findings_;
  std::set<std::string> ptx_folders_;  // that have loose PTX
  std::string group_;
  uint32_t fat_binary_ = 0;
  // Images that are still to be looked at, in a batch that keeps every thread busy.
  std::vector<PendingImage> pending_;
  size_t pending_bytes_ = 0;
  // By mangled name: of the group, and of the fat binary or directory at hand.
  std::map<std::string, KernelSummary> kernels_;
  std::map<std::string, std::vector<std::unique_ptr<KernelCode>>> held_;
};

// A recorder's file says who shares memory; what that means follows from what all kernels write.
Launches with_roles(const Launches& launches, const CheckLimits& limits,
                    const std::function<void(Checker&)>& add) {
  Launches result = launches;
  if (!launches.recorded) return result;
  Checker survey(launches, SourceRoots({}), limits, true);
  add(survey);
  resolve_roles(result, survey.take_written());
  return result;
}

}  // namespace

Report check_paths(const std::vector<std::string>& paths, const Launches& launches,
                   const std::vector<std::string>& source_roots, const CheckLimits& limits) {
  const Launches known =
      with_roles(launches, limits, [&](Checker& survey) { survey.add_paths(paths); });
  Checker checker(known, SourceRoots(source_roots), limits);
  checker.add_paths(paths);
  return checker.finish();
}

Report check_image(std::string_view bytes, const std::string& name, const Launches& launches) {
  const Launches known =
      with_roles(launches, {}, [&](Checker& survey) { survey.add_bytes(bytes, name, name); });
  Checker checker(known, SourceRoots({}), {});
  checker.add_bytes(bytes, name, name);
  return checker.finish();
}

}  // namespace slipstream::check
