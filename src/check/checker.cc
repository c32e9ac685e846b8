#include "check/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>

#include "check/findings/suppressions.h"
#include "check/image_batch.h"
#include "check/input_files.h"
#include "check/launches/launches_use.h"
#include "check/rules/rules.h"
#include "code/archive.h"
#include "code/byte_reader.h"
#include "code/fatbin.h"
#include "io/mapped_file.h"

namespace slipstream::check {
namespace {

// Errors of files begin with their names, which reports print anyway.
std::string without_name(const std::string& message, const std::string& name) {
  return message.starts_with(name + ": ") ? message.substr(name.size() + 2) : message;
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
      : options_{.launches = launches,
                 .survey = survey,
                 .listing = limits.listing,
                 .jobs = limits.jobs,
                 .stop = limits.stop},
        progress_(limits.progress),
        launches_use_(launches),
        suppressions_(std::move(source_roots)) {}

  void add_paths(const std::vector<std::string>& paths) {
    std::vector<InputFile> files;
    for (const std::string& path : paths) list_files(path, files);
    add_in_order(std::move(files), [this](const InputFile& file) { add_file(file); });
  }

  // What `group` names is judged together; one that ends with a slash is a directory.
  void add_bytes(std::string_view bytes, const std::string& name, const std::string& group) {
    if (group != group_) end_group();
    group_ = group;
    ++report_.files;
    try {
      code::visit_images(code::as_bytes(bytes), name, [&](code::Image&& image) {
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

  // Of entries of the launches file that are about nothing. Where nothing was looked at, that is said
  // instead.
  void complain_of_launches() {
    end_group();
    if (report_.images == 0 || report_.stopped || options_.stop()) return;
    for (const std::string& complaint : launches_use_.complaints()) {
      report_.problems.push_back({options_.launches.file, complaint});
    }
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
  void add_in_order(std::vector<InputFile> files,
                    const std::function<void(const InputFile&)>& add) {
    put_loose_files_together(files);
    for (const InputFile& file : files) {
      if (file.path.extension() == ".ptx") ptx_folders_.insert(file.loose_folder());
    }
    for (const InputFile& file : files) {
      const std::string name = file.path.string();
      if (options_.stop()) {
        report_.stopped = true;
        return;
      }
      progress_(name);
      try {
        add(file);
      } catch (const std::exception& error) {
        report_.problems.push_back({name, without_name(error.what(), name)});
      }
    }
  }

  void add_file(const InputFile& file) {
    const io::MappedFile mapped(file.path.string());
    const std::span<const std::byte> bytes = mapped.bytes();
    if (is_archive_of_code(bytes, file)) {
      add_archive(bytes, file.path.string(), 0);
    } else {
      add_contents(code::as_text(bytes), file);
    }
    mapped.require_unchanged();
  }

  // An archive's files, as those of a directory.
  void add_archive(std::span<const std::byte> archive, const std::string& name, int depth) {
    constexpr int kDeepest = 3;  // archives in archives
    if (depth > kDeepest) {
      throw std::runtime_error(fmt::format("must be in at most {} other archives", kDeepest));
    }
    const std::vector<code::ArchiveMember> members = code::archive_members(archive, name);
    std::vector<InputFile> files;
    for (size_t i = 0; i < members.size(); ++i) {
      files.push_back({.path = name + "/" + members[i].name, .asked_for = false, .member = i});
    }
    code::DecompressionLimit limit(archive.size());
    add_in_order(std::move(files), [&](const InputFile& file) {
      const code::ArchiveMember& member = members[file.member];
      const std::string start = code::member_start(archive, member, kTellingBytes);
      const bool is_inner = is_archive_of_code(code::as_bytes(start), file);
      if (!is_inner && !is_source(file.path) && !may_hold_device_code(start, file.path)) return;
      const std::string bytes = code::member_bytes(archive, member, limit);
      if (is_inner) return add_archive(code::as_bytes(bytes), file.path.string(), depth + 1);
      add_contents(bytes, file);
    });
  }

  void add_contents(std::string_view bytes, const InputFile& file) {
    const std::string name = file.path.string();
    if (is_source(file.path)) {
      ++report_.files;
      ++report_.sources;
      suppressions_.know(name, std::string(bytes));
      for (Finding& finding : check_source(bytes, name)) {
        report_.findings.push_back(std::move(finding));
      }
    } else if (file.asked_for || may_hold_device_code(bytes, file.path)) {
      const std::string folder = file.loose_folder();
      add_bytes(bytes, name, folder.empty() ? name : folder);
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
      launches_use_.note(form.kernel, demangle(form.kernel),
                         form.parameters ? &*form.parameters : nullptr);
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
  LaunchesUse launches_use_;
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
  checker.complain_of_launches();
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
