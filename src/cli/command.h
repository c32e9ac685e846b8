// The command line of a program: commands, options, and what they do.
//
// Only command.cc includes CLI11: every file that does takes many seconds to compile and to lint.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace slipstream::cli {

// An option or positional argument, to say more about it.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option& required();
  Option& positive();
  Option& between(int least, int most);
  Option& one_of(const std::vector<std::string>& values);
  Option& separated_by_commas();
  Option& default_in_help();
  Option& needs(const Option& other);
  Option& excludes(const Option& other);
  // The heading in the command's help.
  Option& under(const std::string& heading);

  // Once the command line has been read.
  [[nodiscard]] bool is_given() const;
  [[nodiscard]] std::string name() const;

 private:
  CLI::Option* option_;
};

// What the commands of a command line share.
struct CommonState {
  std::function<void(bool runs_kernels)> prepare;
  std::set<std::string> running_commands;  // those that run a program
  std::vector<std::string> program_arguments;
};

// One command, or the program as a whole. A handle: copies mean the same command.
class Command {
 public:
  Command(CLI::App& app, std::shared_ptr<CommonState> common)
      : app_(&app), common_(std::move(common)) {}

  // A command inside this one.
  [[nodiscard]] Command add_command(const std::string& name, const std::string& description) const;
  // The program ends with usage unless one of the inner commands is given.
  void require_command() const;

  // `names` as in "-n,--count"; "NAME" without dashes is a positional argument. `value` keeps what
  // it holds where the option is not given, and must live until the command line is read. For the
  // types named in command.cc.
  template <class Value>
  Option add_option(const std::string& names, Value& value, const std::string& description) const;
  Option add_flag(const std::string& names, bool& value, const std::string& description) const;
  // The program that the command runs, and its arguments. What follows "-- PROGRAM" is taken as it is.
  Option add_program(std::vector<std::string>& words) const;

  // `--json` alone and `--json=FILE`, alike in every command (cli/json_output.h says what they do).
  // `target` becomes "-" or FILE; `what` names what is printed. A command without positional
  // arguments takes `--json FILE` as well; where there are some, add them first.
  Option add_json_option(std::string& target, const std::string& what) const;

  // What the command does when the command line has been read; returns the exit code.
  void set_action(std::function<int()> action) const { set_action(std::move(action), false); }
  // The same for a command that runs kernels: the device is chosen first.
  void set_device_action(std::function<int()> action) const { set_action(std::move(action), true); }

 private:
  void set_action(std::function<int()> action, bool runs_kernels) const;

  CLI::App* app_;
  std::shared_ptr<CommonState> common_;
};

class CommandLine {
 public:
  explicit CommandLine(const std::string& description);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  [[nodiscard]] Command program() const;
  void set_version(const std::string& version) const;
  // Called before a command does anything; may start the program again.
  void set_preparation(std::function<void(bool runs_kernels)> prepare) const;

  // Reads the arguments and does what they say. Returns the exit code (exit_code.h); usage and errors
  // are printed. What was printed to standard output and got lost is an error, too.
  [[nodiscard]] int run(int argc, const char* const* argv) const;

 private:
  [[nodiscard]] int parse_and_act(int argc, const char* const* argv,
                                  const std::string& program) const;
  [[nodiscard]] int set_program_arguments_aside(int argc, const char* const* argv) const;

  std::unique_ptr<CLI::App> app_;
  std::shared_ptr<CommonState> common_;
};

}  // namespace slipstream::cli
