#include "cli/command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "cli/exit_code.h"
#include "cli/memory_reserve.h"
#include "cli/standard_streams.h"

namespace slipstream::cli {

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::positive() {
  option_->check(CLI::Validator(
      [](std::string& text) {
        double value = 0;
        const bool usable = CLI::detail::lexical_cast(text, value) && value > 0;
        return usable ? std::string() : "must be a number above 0, is " + text;
      },
      "above 0"));
  return *this;
}

Option& Option::between(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Option& Option::one_of(const std::vector<std::string>& values) {
  option_->check(CLI::IsMember(values));
  return *this;
}

Option& Option::separated_by_commas() {
  option_->delimiter(',');
  return *this;
}

Option& Option::default_in_help() {
  option_->capture_default_str();
  return *this;
}

Option& Option::needs(const Option& other) {
  option_->needs(other.option_);
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::under(const std::string& heading) {
  option_->group(heading);
  return *this;
}

bool Option::is_given() const { return option_->count() > 0; }

std::string Option::name() const { return option_->get_name(); }

Command Command::add_command(const std::string& name, const std::string& description) const {
  CLI::App* command = app_->add_subcommand(name, description);
  command->footer(exit_codes_text());
  return {*command, common_};
}

void Command::require_command() const { app_->require_subcommand(1); }

namespace {

template <class Number>
CLI::Validator whole_number() {
  return CLI::Validator(
      [](const std::string& text) {
        Number value = 0;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, value);
        if (error == std::errc() && stop == end) return std::string();
        return "must be a whole number from 0 to " +
               std::to_string(std::numeric_limits<Number>::max()) + ", is " + text;
      },
      "");
}

}  // namespace

template <class Value>
Option Command::add_option(const std::string& names, Value& value,
                           const std::string& description) const {
  CLI::Option* option = app_->add_option(names, value, description);
  // The library takes no value for none at all.
  option->check(CLI::Validator(
      [](const std::string& text) {
        return text.empty() ? std::string("must have a value, has an empty one") : std::string();
      },
      ""));
  // It would take -1, and what is too large, for the largest number there is.
  if constexpr (std::is_unsigned_v<Value>) option->check(whole_number<Value>());
  if constexpr (std::is_same_v<Value, std::optional<uint64_t>>) {
    option->check(whole_number<uint64_t>());
  }
  return Option(option);
}

template Option Command::add_option(const std::string&, int&, const std::string&) const;
template Option Command::add_option(const std::string&, unsigned&, const std::string&) const;
template Option Command::add_option(const std::string&, uint64_t&, const std::string&) const;
template Option Command::add_option(const std::string&, float&, const std::string&) const;
template Option Command::add_option(const std::string&, double&, const std::string&) const;
template Option Command::add_option(const std::string&, std::string&, const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<int>&,
                                    const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<uint64_t>&,
                                    const std::string&) const;
template Option Command::add_option(const std::string&, std::optional<float>&,
                                    const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<double>&,
                                    const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<int>&,
                                    const std::string&) const;
template Option Command::add_option(const std::string&, std::vector<std::string>&,
                                    const std::string&) const;

Option Command::add_flag(const std::string& names, bool& value,
                         const std::string& description) const {
  return Option(app_->add_flag(names, value, description));
}

Option Command::add_program(std::vector<std::string>& words) const {
  common_->running_commands.insert(app_->get_name());
  app_->parse_complete_callback([&words, common = common_] {
    words.insert(words.end(), common->program_arguments.begin(), common->program_arguments.end());
  });
  return add_option("program", words, "Program and its arguments, after --").required();
}

Option Command::add_json_option(std::string& target, const std::string& what) const {
  const std::string description =
      "Print " + what + " as JSON instead of text; with FILE, print text and write the JSON there";
  const auto options = app_->get_options();
  const bool has_positionals = std::any_of(
      options.begin(), options.end(), [](const CLI::Option* o) { return o->get_positional(); });
  if (!has_positionals) {
    CLI::Option* option = app_->add_option("--json", target, description)->expected(0, 1);
    option->default_str("-")->option_text("[FILE]");
    return Option(option);
  }
  // The library's flags take a value after "=" only, so the next word remains an argument of its
  // own: `check a.o --json b.o` must not write to b.o.
  CLI::Option* option = app_->add_flag("--json", target, description)->option_text("[=FILE]");
  option->transform(CLI::Validator(
      [](std::string& value) {
        if (value == "true") value = "-";
        return std::string();
      },
      ""));
  return Option(option);
}

void Command::set_action(std::function<int()> action, bool runs_kernels) const {
  app_->callback([common = common_, action = std::move(action), runs_kernels] {
    if (common->prepare) common->prepare(runs_kernels);
    // How the library ends with an exit code and no message.
    if (const int code = action(); code != 0) throw CLI::RuntimeError(code);
  });
}

CommandLine::CommandLine(const std::string& description)
    : app_(std::make_unique<CLI::App>(description)), common_(std::make_shared<CommonState>()) {
  app_->footer(exit_codes_text());
}

CommandLine::~CommandLine() = default;

Command CommandLine::program() const { return {*app_, common_}; }

void CommandLine::set_preparation(std::function<void(bool runs_kernels)> prepare) const {
  common_->prepare = std::move(prepare);
}

void CommandLine::set_version(const std::string& version) const {
  app_->set_version_flag("--version", version);
}

int CommandLine::run(int argc, const char* const* argv) const {
  prepare_standard_streams();
  const MemoryReserve reserve;
  const std::string program = std::filesystem::path(argv[0]).filename().string();
  const int code = parse_and_act(argc, argv, program);
  const bool was_printed = flush_standard_output(program.c_str());
  return was_printed || code > kFound ? code : kCannot;
}

// The arguments of a program that a command runs are not for the library: it takes "[a,b]" for two values, and "" for
// none. Returns how many words are left for it.
int CommandLine::set_program_arguments_aside(int argc, const char* const* argv) const {
  if (argc < 2 || !common_->running_commands.contains(argv[1])) return argc;
  const char* const* const end = argv + argc;
  const char* const* const dashes = std::find(argv, end, std::string_view("--"));
  if (end - dashes < 2) return argc;
  common_->program_arguments.assign(dashes + 2, end);
  return static_cast<int>(dashes + 2 - argv);
}

int CommandLine::parse_and_act(int argc, const char* const* argv,
                               const std::string& program) const {
  try {
    app_->parse(set_program_arguments_aside(argc, argv), argv);
  } catch (const CLI::RuntimeError& error) {
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    // Help is among the errors, with code 0.
    return app_->exit(error) == 0 ? kDone : kUsage;
  } catch (...) {
    return report_exception(program);
  }
  return kDone;
}

}  // namespace slipstream::cli
