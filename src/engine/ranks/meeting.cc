#include "engine/ranks/meeting.h"

#include <fmt/core.h>

#include <algorithm>

namespace slipstream::engine {
namespace {

// 'i': an InvalidArgument, 'e': another error; then the text. Empty: no complaint.
std::string encode(const Complaint& complaint) {
  if (complaint.text.empty()) return "";
  return (complaint.is_invalid_argument ? "i" : "e") + complaint.text;
}

}  // namespace

void fail_for(Meeting& meeting, const std::exception& error) noexcept {
  const bool names_the_rank = dynamic_cast<const RankError*>(&error) != nullptr;
  meeting.fail(names_the_rank ? error.what()
                              : fmt::format("rank {}: {}", meeting.rank(), error.what()));
}

Complaint Complaint::current() {
  try {
    throw;
  } catch (const InvalidArgument& error) {
    return {true, error.what()};
  } catch (const std::exception& error) {
    return {false, error.what()};
  } catch (...) {
    return {false, "an exception of an unknown type"};
  }
}

void require_no_complaint(Meeting& meeting, const Complaint& mine) {
  const std::vector<std::string> all = meeting.gather(encode(mine));
  const auto first =
      std::find_if(all.begin(), all.end(), [](const std::string& text) { return !text.empty(); });
  if (first == all.end()) return;
  const bool alike =
      std::all_of(all.begin(), all.end(), [&](const std::string& text) { return text == *first; });
  const std::string text = first->substr(1);
  const std::string named = alike ? text : fmt::format("rank {}: {}", first - all.begin(), text);
  if (first->front() == 'i') throw InvalidArgument(named);
  throw RankError(named);
}

}  // namespace slipstream::engine
