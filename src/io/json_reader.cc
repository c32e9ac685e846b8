#include "io/json_reader.h"

#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "io/file.h"
#include "slipstream/error.h"

namespace slipstream::io {
namespace {

using nlohmann::json;

// Long values (a list of 78 layer types) would bury the message.
std::string abbreviated(const json& value) {
  constexpr size_t kLongest = 80;
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

}  // namespace

JsonReader::JsonReader(std::string file, std::shared_ptr<const json> root, const json& object,
                       std::string path)
    : file_(std::move(file)), root_(std::move(root)), object_(&object), path_(std::move(path)) {
  if (!object.is_object()) {
    throw InvalidArgument(
        fmt::format("{}: {} must be an object, is {}", file_, path_, abbreviated(object)));
  }
}

JsonReader JsonReader::parse(const std::string& text, const std::string& file) {
  auto root = std::make_shared<const json>(parse_json_object(text, file));
  const json& object = *root;
  return {file, std::move(root), object, ""};
}

JsonReader JsonReader::read(const std::string& file) {
  const std::string text = read_file(file);
  if (text.empty()) throw InvalidArgument(fmt::format("{}: must be JSON, is empty", file));
  return parse(text, file);
}

const json* JsonReader::find(const std::string& key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

const json& JsonReader::require(const std::string& key, const std::string& must_be) const {
  const json* value = find(key);
  if (value == nullptr) fail(key, must_be, "absent");
  return *value;
}

void JsonReader::fail(const std::string& key, const std::string& must_be) const {
  const json* value = find(key);
  fail(key, must_be, value == nullptr ? "absent" : abbreviated(*value));
}

void JsonReader::fail(const std::string& key, const std::string& must_be,
                      const std::string& is) const {
  const std::string full_key = path_.empty() ? key : path_ + "." + key;
  throw InvalidArgument(fmt::format("{}: {} must be {}, is {}", file_, full_key, must_be, is));
}

bool JsonReader::has(const std::string& key) const { return find(key) != nullptr; }

std::vector<std::string> JsonReader::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : object_->items()) result.push_back(key);
  return result;
}

int64_t JsonReader::integer(const std::string& key) const {
  const json& value = require(key, "an integer");
  const bool fits =
      value.is_number_integer() &&
      !(value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  if (!fits) fail(key, "an integer");
  return value.get<int64_t>();
}

int64_t JsonReader::integer_or(const std::string& key, int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}

int JsonReader::count(const std::string& key, int64_t least, int64_t most) const {
  const std::string must_be =
      least == most ? std::to_string(least) : fmt::format("an integer from {} to {}", least, most);
  if (!has(key)) fail(key, must_be);
  const int64_t value = integer(key);
  if (value < least || value > most) fail(key, must_be);
  return static_cast<int>(value);
}

double JsonReader::number(const std::string& key) const {
  const json& value = require(key, "a number");
  if (!value.is_number() || !std::isfinite(value.get<double>())) fail(key, "a number");
  return value.get<double>();
}

bool JsonReader::boolean_or(const std::string& key, bool fallback) const {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) fail(key, "true or false");
  return value->get<bool>();
}

std::string JsonReader::text(const std::string& key) const {
  const json& value = require(key, "a string");
  if (!value.is_string()) fail(key, "a string");
  return value.get<std::string>();
}

std::string JsonReader::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

std::optional<std::vector<std::string>> JsonReader::texts(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array()) fail(key, "a list of strings");
  std::vector<std::string> result;
  for (const json& entry : *value) {
    if (!entry.is_string()) fail(key, "a list of strings");
    result.push_back(entry.get<std::string>());
  }
  return result;
}

std::vector<int64_t> JsonReader::integers(const std::string& key) const {
  const json* value = find(key);
  if (value == nullptr) return {};
  if (value->is_number_integer()) return {value->get<int64_t>()};
  if (!value->is_array()) fail(key, "an integer or a list of integers");
  std::vector<int64_t> result;
  for (const json& entry : *value) {
    if (!entry.is_number_integer()) fail(key, "an integer or a list of integers");
    result.push_back(entry.get<int64_t>());
  }
  return result;
}

JsonReader JsonReader::object(const std::string& key) const {
  const json& value = require(key, "an object");
  return {file_, root_, value, path_.empty() ? key : path_ + "." + key};
}

std::vector<JsonReader> JsonReader::objects(const std::string& key) const {
  const json& value = require(key, "a list of objects");
  if (!value.is_array()) fail(key, "a list of objects");
  std::vector<JsonReader> result;
  for (size_t i = 0; i < value.size(); ++i) {
    std::string path = (path_.empty() ? "" : path_ + ".") + fmt::format("{}[{}]", key, i);
    result.push_back({file_, root_, value[i], std::move(path)});
  }
  return result;
}

json parse_json_object(const std::string& text, const std::string& file) {
  constexpr int kDeepest = 32;  // what prints values calls itself for each level
  // The parser would keep the last of two equal keys without a word.
  std::vector<std::set<std::string>> keys;
  std::string repeated;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kDeepest) {
      throw InvalidArgument(
          fmt::format("{}: must be JSON of at most {} levels, is deeper", file, kDeepest));
    }
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second &&
        repeated.empty()) {
      repeated = value.get<std::string>();
    }
    return true;
  };
  json result;
  try {
    result = json::parse(text, watch);
  } catch (const json::exception& error) {
    throw InvalidArgument(fmt::format("{}: must be JSON: {}", file, error.what()));
  }
  if (!repeated.empty()) {
    throw InvalidArgument(fmt::format(
        "{}: the key \"{}\" must be unique in its object, is repeated", file, repeated));
  }
  if (!result.is_object()) {
    throw InvalidArgument(
        fmt::format("{}: must be a JSON object, is {}", file, abbreviated(result)));
  }
  return result;
}

}  // namespace slipstream::io
