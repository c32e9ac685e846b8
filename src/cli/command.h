// The command line of a program: commands, options, and what they do.
//
// CLI11 stays behind this header, in one file: every file that includes it takes many seconds to
// compile and to lint.
#pragma once

#include <functional>
#include <memory>
#include <string>
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

// One command, or the program as a whole. A handle: copies mean the same command.
class Command {
 public:
  explicit Command(CLI::App& app) : app_(&app) {}

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

  // What the command does when the command line has been read; returns the exit code.
  void set_action(std::function<int()> action) const;

 private:
  CLI::App* app_;
};

class CommandLine {
 public:
  explicit CommandLine(const std::string& description);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  [[nodiscard]] Command program() const;
  void set_version(const std::string& version) const;

  // Reads the arguments and does what they say. Returns the exit code; usage and errors of usage
  // are printed.
  [[nodiscard]] int run(int argc, const char* const* argv) const;

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace slipstream::cli
