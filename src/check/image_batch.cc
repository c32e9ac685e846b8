#include "check/image_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "check/lower/listing.h"
#include "check/lower/ptx/lower.h"
#include "check/lower/sass/lower.h"
#include "check/parallel.h"
#include "check/rules/rules.h"
#include "code/ptx/module.h"
#include "code/sass/cubin.h"

namespace slipstream::check {
namespace {

using code::ImageKind;

constexpr uint32_t kFirstPdlArchitecture = 90;

// Whether any rule may speak about it for what it does; of most kernels of most libraries none can.
bool concerns_a_rule(const Function& function) {
  return std::any_of(function.instructions.begin(), function.instructions.end(),
                     [](const Instruction& one) {
                       return one.action == Action::kWait || one.action == Action::kTrigger ||
                              one.action == Action::kRemoteShared;
                     });
}

// An image whose kernels are known. It views the image's bytes.
class OpenImage {
 public:
  explicit OpenImage(PendingImage pending) : pending_(std::move(pending)) {
    const code::Image& image = pending_.image;
    if (image.kind == ImageKind::kPtx) {
      module_ = slipstream::ptx::Module::parse(image.bytes, pending_.name);
      title_ = fmt::format("{}: {} PTX", pending_.name, module_->target);
      for (size_t i = 0; i < module_->functions.size(); ++i) {
        const auto& function = module_->functions[i];
        if (function.is_entry && function.has_body) kernels_.push_back(i);
      }
    } else if (image.architecture >= kFirstPdlArchitecture) {
      cubin_ = sass::read_cubin(std::as_bytes(std::span(image.bytes)), pending_.name);
      title_ = fmt::format("{}: {} SASS", pending_.name, code::architecture_name(image));
      for (size_t i = 0; i < cubin_.kernels.size(); ++i) kernels_.push_back(i);
    }
  }
  OpenImage(const OpenImage&) = delete;
  OpenImage& operator=(const OpenImage&) = delete;

  [[nodiscard]] size_t size() const { return kernels_.size(); }
  [[nodiscard]] const std::string& title() const { return title_; }
  [[nodiscard]] bool loose() const { return pending_.loose; }
  // Whether no PTX of its kernels can turn up.
  [[nodiscard]] bool stands_alone() const {
    return !pending_.loose && module_ == nullptr && !pending_.image.beside_ptx;
  }
  // As far as it tells what the kernel does; complete() the function to follow its values, too.
  [[nodiscard]] Function begin_lowering(size_t kernel, bool listing) const {
    const size_t i = kernels_[kernel];
    Function function = module_ != nullptr
                            ? from_ptx::lower(*module_, module_->functions[i])
                            : from_sass::decode(cubin_.kernels[i], cubin_.architecture);
    if (listing) {
      function.listing = module_ != nullptr ? ptx_listing(function, lines_of(module_->source))
                                            : sass_listing(cubin_.kernels[i]);
    }
    return function;
  }
  static void complete(Function& function) {
    if (function.code == CodeKind::kSass) from_sass::split_machine_registers(function);
  }
  [[nodiscard]] std::string kernel_name(size_t kernel) const {
    const size_t i = kernels_[kernel];
    return module_ != nullptr ? std::string(module_->functions[i].name) : cubin_.kernels[i].name;
  }

 private:
  PendingImage pending_;
  std::string title_;
  std::shared_ptr<const slipstream::ptx::Module> module_;
  sass::Cubin cubin_;
  std::vector<size_t> kernels_;
};

BareForm bare_form(const Function& function, const std::string& title) {
  BareForm form{.image = title, .architecture = function.architecture, .place = {}};
  const auto touches = [](const Instruction& one) { return touches_memory(one.action); };
  const auto first =
      std::find_if(function.instructions.begin(), function.instructions.end(), touches);
  if (function.instructions.empty()) return form;
  const bool found = first != function.instructions.end();
  form.place =
      place_in(function, found ? static_cast<uint32_t>(first - function.instructions.begin()) : 0);
  return form;
}

void check_form(const OpenImage& image, Function function, const BatchOptions& options,
                CheckedForm& form) {
  const Launches& launches = options.launches;
  const std::string demangled = demangle(function.name);
  form.parameters = function.parameters;
  const KernelLaunch* launch = launches.find(function.name, demangled);
  form.left_out = launches.recorded && launch == nullptr;
  if (form.left_out) return;
  for (const std::string& what : function.not_understood) {
    form.problems.push_back({image.title(), fmt::format("{}: {}", demangled, what)});
  }
  std::vector<GraphEdge> edges = launches.edges_to(function.name, demangled);
  const bool asked_for = image.loose() || launch != nullptr || !edges.empty();
  if (!asked_for && !concerns_a_rule(function)) {
    // What calls functions that are not seen may wait there.
    if (!function.not_understood.empty()) return;
    form.bare = std::make_unique<BareForm>(bare_form(function, image.title()));
    return;
  }
  OpenImage::complete(function);
  auto code =
      std::make_unique<KernelCode>(std::move(function), image.title(), launch, std::move(edges));
  if (options.survey) {
    form.written = written_by(*code);
    return;
  }
  form.waits = code->ordering().has_wait;
  if (image.stands_alone() && form.waits) {
    check_kernel({.ptx = {}, .sass = {code.get()}}, form.findings);
  } else {
    form.code = std::move(code);
  }
}

}  // namespace

std::vector<CheckedForm> check_batch(std::vector<PendingImage> images, const BatchOptions& options,
                                     std::vector<Problem>& problems) {
  std::vector<std::unique_ptr<OpenImage>> open(images.size());
  std::vector<std::optional<Problem>> failed(images.size());
  for_each_index(images.size(), options.jobs, [&](size_t i) {
    const std::string name = images[i].name;
    try {
      if (!options.stop()) open[i] = std::make_unique<OpenImage>(std::move(images[i]));
    } catch (const std::exception& error) {
      failed[i] = Problem{name, error.what()};
    }
  });
  std::vector<std::pair<const OpenImage*, size_t>> kernels;
  for (size_t i = 0; i < open.size(); ++i) {
    if (failed[i]) problems.push_back(*failed[i]);
    for (size_t k = 0; open[i] != nullptr && k < open[i]->size(); ++k) {
      kernels.emplace_back(open[i].get(), k);
    }
  }
  std::vector<CheckedForm> forms(kernels.size());
  for_each_index(kernels.size(), options.jobs, [&](size_t i) {
    const auto [image, kernel] = kernels[i];
    forms[i].kernel = image->kernel_name(kernel);
    if (options.stop()) return;
    try {
      check_form(*image, image->begin_lowering(kernel, options.listing), options, forms[i]);
    } catch (const std::exception& error) {
      forms[i].problems.push_back(
          {image->title(), fmt::format("{}: {}", demangle(forms[i].kernel), error.what())});
    }
  });
  return forms;
}

}  // namespace slipstream::check
