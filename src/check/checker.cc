#include "check/checker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "check/analysis/kernel_code.h"
#include "check/analysis/written.h"
#include "check/findings/suppressions.h"
#include "check/lower/ptx/lower.h"
#include "check/lower/sass/lower.h"
#include "check/rules/rules.h"
#include "code/fatbin.h"
#include "code/ptx/module.h"
#include "code/sass/cubin.h"
#include "io/file.h"

namespace slipstream::check {
namespace {

namespace fs = std::filesystem;
using code::Image;
using code::ImageKind;

constexpr uint32_t kFirstPdlArchitecture = 90;
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

// Whether any rule may speak about it for what it does; of most kernels of most libraries none can.
bool concerns_a_rule(const Function& function) {
  return std::any_of(function.instructions.begin(), function.instructions.end(),
                     [](const Instruction& one) {
                       return one.action == Action::kWait || one.action == Action::kTrigger ||
                              one.action == Action::kRemoteShared;
                     });
}

// Errors of files begin with their names, which reports print anyway.
std::string without_name(const std::string& message, const std::string& name) {
  return message.starts_with(name + ": ") ? message.substr(name.size() + 2) : message;
}

using Names = std::set<std::string>;

class Checker {
 public:
  Checker(Launches launches, SourceRoots source_roots)
      : launches_(std::move(launches)), suppressions_(std::move(source_roots)) {}

  void add_path(const fs::path& path) {
    std::error_code error;
    if (!fs::is_directory(path, error)) return add_file(path, true);
    std::vector<fs::path> files;
    for (auto it = fs::recursive_directory_iterator(
             path, fs::directory_options::skip_permission_denied, error);
         it != fs::recursive_directory_iterator(); it.increment(error)) {
      if (error) break;
      if (it->is_regular_file(error)) files.push_back(it->path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add_file(file, false);
  }

  void add_bytes(std::string_view bytes, const std::string& name, const std::string& group) {
    ++report_.files;
    try {
      visit(bytes, name, [&](const Image& image) {
        ++report_.images;
        try_image(image, name, group);
      });
      add_left_out(bytes, name, group);
    } catch (const std::exception& error) {
      report_.problems.push_back({name, error.what()});
    }
  }

  Report finish() {
    FindingList findings;
    resolve_roles(launches_, written());
    for (auto& [key, kernel] : kernels_) {
      KernelForms forms;
      bool waits = false;
      for (const auto& code : kernel) {
        (code->function().code == CodeKind::kPtx ? forms.ptx : forms.sass).push_back(code.get());
        waits = waits || code->ordering().has_wait;
      }
      if (!kernel.empty()) check_kernel(forms, findings);
      report_.waiting_kernels += waits ? 1 : 0;
    }
    report_.kernels = kernels_.size();
    for (Finding& finding : findings.take()) report_.findings.push_back(std::move(finding));
    for (Finding& finding : report_.findings) suppressions_.apply(finding);
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    return std::move(report_);
  }

 private:
  void add_file(const fs::path& path, bool asked_for) {
    const std::string name = path.string();
    try {
      const std::string bytes = io::read_file(name);
      if (is_source(path)) {
        ++report_.files;
        suppressions_.know(name, bytes);
        for (Finding& finding : check_source(bytes, name)) {
          report_.findings.push_back(std::move(finding));
        }
      } else if (asked_for || may_hold_device_code(bytes, path)) {
        // PTX and cubins of one kernel are files next to each other in caches; other files stand
        // alone.
        const bool loose = path.extension() == ".ptx" || path.extension() == ".cubin";
        add_bytes(bytes, name, loose ? path.parent_path().string() + "/" : name);
      }
    } catch (const std::exception& error) {
      report_.problems.push_back({name, without_name(error.what(), name)});
    }
  }

  // Device code unpacks to much more than its file, so one image is held at a time.
  void visit(std::string_view bytes, const std::string& name,
             const std::function<void(const Image&)>& look_at) {
    image_number_ = 0;
    code::visit_images(as_bytes(bytes), name, [&](const Image& image) {
      look_at(image);
      ++image_number_;
    });
  }

  // The other images of the file are looked at, whatever is wrong with this one.
  void try_image(const Image& image, const std::string& name, const std::string& group) {
    try {
      add_image(image, name, group, nullptr);
    } catch (const std::exception& error) {
      report_.problems.push_back({name, error.what()});
    }
  }

  // Forms of kernels of which another form in the file has turned out to concern a rule.
  void add_left_out(std::string_view bytes, const std::string& name, const std::string& group) {
    std::map<size_t, Names> again;
    for (const auto& [kernel, images] : std::exchange(left_out_, {})) {
      if (kernels_[{group, kernel}].empty()) continue;
      for (const size_t image : images) again[image].insert(kernel);
    }
    if (again.empty()) return;
    visit(bytes, name, [&](const Image& image) {
      const auto names = again.find(image_number_);
      if (names != again.end()) add_image(image, name, group, &names->second);
    });
  }

  // All kernels, or only some.
  void add_image(const Image& image, const std::string& name, const std::string& group,
                 const Names* only) {
    if (image.kind == ImageKind::kPtx) {
      add_ptx(image, name, group, only);
    } else if (image.architecture >= kFirstPdlArchitecture) {
      add_sass(image, name, group, only);
    }
  }

  void add_ptx(const Image& image, const std::string& name, const std::string& group,
               const Names* only) {
    const auto module = slipstream::ptx::Module::parse(image.bytes, name);
    const std::string title = fmt::format("{}: {} PTX", name, module->target);
    for (const auto& function : module->functions) {
      if (!function.is_entry || !function.has_body) continue;
      if (only != nullptr && !only->contains(std::string(function.name))) continue;
      add_code(from_ptx::lower(*module, function), title, group, only != nullptr);
    }
  }

  void add_sass(const Image& image, const std::string& name, const std::string& group,
                const Names* only) {
    const sass::Cubin cubin = sass::read_cubin(as_bytes(image.bytes), name);
    const std::string title = fmt::format("{}: {} SASS", name, code::architecture_name(image));
    for (const sass::Kernel& kernel : cubin.kernels) {
      if (only != nullptr && !only->contains(kernel.name)) continue;
      add_code(from_sass::lower(kernel, cubin.architecture), title, group, only != nullptr);
    }
  }

  // `again`: it was left out before. Of files that stand alone, what concerns no rule is.
  void add_code(Function function, const std::string& title, const std::string& group, bool again) {
    const std::string name = function.name;
    const std::string demangled = demangle(name);
    const KernelLaunch* launch = launches_.find(name, demangled);
    if (launches_.recorded && launch == nullptr) return;
    auto& forms = kernels_[{group, name}];
    if (!again) add_problems(function, title, demangled);
    std::vector<GraphEdge> edges = launches_.edges_to(name, demangled);
    const bool in_directory = group.ends_with('/');
    const bool keep = again || in_directory || launch != nullptr || !edges.empty();
    if (!keep && !concerns_a_rule(function)) {
      left_out_[name].push_back(image_number_);
      return;
    }
    forms.push_back(
        std::make_unique<KernelCode>(std::move(function), title, launch, std::move(edges)));
  }

  void add_problems(const Function& function, const std::string& title,
                    const std::string& demangled) {
    for (const std::string& what : function.not_understood) {
      report_.problems.push_back({title, fmt::format("{}: {}", demangled, what)});
    }
  }

  // By what PTX says, where there is any: it names the parameter more often.
  [[nodiscard]] WrittenByKernel written() const {
    WrittenByKernel result;
    for (const CodeKind kind : {CodeKind::kPtx, CodeKind::kSass}) {
      WrittenByKernel by_kind;
      for (const auto& [key, kernel] : kernels_) {
        for (const auto& code : kernel) {
          if (code->launch() == nullptr || code->function().code != kind) continue;
          by_kind[code->function().name].add(*code);
        }
      }
      result.merge(by_kind);
    }
    return result;
  }

  Launches launches_;  // a copy: roles that depend on the code are filled in at the end
  Suppressions suppressions_;
  Report report_;
  // Every compiled form of a kernel that was found in one file or cache directory.
  std::map<std::pair<std::string, std::string>, std::vector<std::unique_ptr<KernelCode>>> kernels_;
  // Images of the file at hand whose form of a kernel concerns no rule, by the kernel's name.
  std::map<std::string, std::vector<size_t>> left_out_;
  size_t image_number_ = 0;  // in the file at hand, of the image at hand
};

}  // namespace

Report check_paths(const std::vector<std::string>& paths, const Launches& launches,
                   const std::vector<std::string>& source_roots) {
  Checker checker(launches, SourceRoots(source_roots));
  for (const std::string& path : paths) checker.add_path(path);
  return checker.finish();
}

Report check_image(std::string_view bytes, const std::string& name, const Launches& launches) {
  Checker checker(launches, SourceRoots({}));
  checker.add_bytes(bytes, name, name);
  return checker.finish();
}

}  // namespace slipstream::check
