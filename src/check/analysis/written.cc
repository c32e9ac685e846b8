#include "check/analysis/written.h"

#include <algorithm>
#include <utility>

namespace slipstream::check {
namespace {

bool may_write_anything(const std::vector<std::string>& kernels, const WrittenByKernel& written) {
  return std::any_of(kernels.begin(), kernels.end(), [&](const std::string& kernel) {
    const auto found = written.find(kernel);
    return found == written.end() || found->second.elsewhere;
  });
}

bool writes(const WrittenByKernel& written, const std::string& kernel, uint32_t index,
            uint32_t offset, Written::Pointers Written::*pointers) {
  const auto found = written.find(kernel);
  return found != written.end() && (found->second.*pointers).contains({index, offset});
}

Role role_of(const KernelLaunch& kernel, const ParameterRole& parameter,
             const WrittenByKernel& written, bool anything_may_be_written) {
  const std::vector<Sharer>& sharers = *parameter.sharers;
  const auto itself = [&](Written::Pointers Written::*pointers) {
    return writes(written, kernel.pattern, parameter.index, parameter.offset.value_or(0), pointers);
  };
  const auto any_sharer = [&](bool same_address, Written::Pointers Written::*pointers) {
    return std::any_of(sharers.begin(), sharers.end(), [&](const Sharer& sharer) {
      return (sharer.same_address || !same_address) &&
             writes(written, sharer.kernel, sharer.index, sharer.offset, pointers);
    });
  };
  const bool is_shared = std::any_of(sharers.begin(), sharers.end(),
                                     [](const Sharer& sharer) { return sharer.same_address; });
  if (itself(&Written::certain) && is_shared) return Role::kWritten;
  if (any_sharer(true, &Written::certain)) return Role::kProduced;
  if (anything_may_be_written || any_sharer(false, &Written::possible)) return Role::kUnknown;
  if (!itself(&Written::possible)) return Role::kConstant;
  return sharers.empty() ? Role::kPrivate : Role::kUnknown;
}

}  // namespace

WrittenForm written_by(const KernelCode& code) {
  WrittenForm form{.code = code.function().code, .what = {}};
  auto& [certain, possible, elsewhere] = form.what;
  const Function& function = code.function();
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    if (!writes_memory(function.instructions[i].action)) continue;
    const std::vector<Origin> origins = code.subject_of(i).origins;
    for (const Origin& origin : origins) {
      const bool by_offset = origin.kind == OriginKind::kParameter ||
                             (origin.kind == OriginKind::kParameterBlock && origin.value >= 0);
      const auto parameter = std::find_if(
          function.parameters.begin(), function.parameters.end(), [&](const auto& one) {
            return origin.value >= one.offset && origin.value < one.offset + one.bytes;
          });
      if (by_offset && parameter != function.parameters.end()) {
        const auto pointer =
            std::pair(static_cast<uint32_t>(parameter - function.parameters.begin()),
                      static_cast<uint32_t>(origin.value - parameter->offset));
        possible.insert(pointer);
        if (origins.size() == 1) certain.insert(pointer);
      } else if (origin.kind != OriginKind::kVariable) {
        elsewhere = true;  // no parameter points to a variable
      }
    }
  }
  return form;
}

void WrittenForms::add(const std::string& kernel, const WrittenForm& form) {
  Written& all = (form.code == CodeKind::kPtx ? ptx_ : sass_)[kernel];
  all.certain.insert(form.what.certain.begin(), form.what.certain.end());
  all.possible.insert(form.what.possible.begin(), form.what.possible.end());
  all.elsewhere = all.elsewhere || form.what.elsewhere;
}

WrittenByKernel WrittenForms::take() {
  ptx_.merge(sass_);
  return std::move(ptx_);
}

void resolve_roles(Launches& launches, const WrittenByKernel& written) {
  std::vector<std::string> all;
  for (const KernelLaunch& kernel : launches.kernels) all.push_back(kernel.pattern);
  for (KernelLaunch& kernel : launches.kernels) {
    const bool anything = may_write_anything(kernel.beside ? *kernel.beside : all, written);
    for (ParameterRole& parameter : kernel.roles) {
      if (parameter.sharers) parameter.role = role_of(kernel, parameter, written, anything);
    }
  }
}

}  // namespace slipstream::check
