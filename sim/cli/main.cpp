#include <fmt/format.h>

#include <boost/program_options/errors.hpp>
#include <cerrno>
#include <csignal>
#include <exception>
#include <iostream>
#include <new>

#include "sim/base/errors.hpp"
#include "sim/cli/command.hpp"

namespace {

constexpr int failed = 1;
constexpr int wrong_usage = 2;

int run(std::vector<std::string> args) {
  using namespace trainyard;
  if (args.empty()) {
    std::cerr << overview();
    return wrong_usage;
  }
  if (args.front() == "--help" || args.front() == "-h") args.front() = "help";
  if (args.front() == "--version") args.front() = "version";
  const std::string name = args.front();
  const Command* command = find_command(name);
  if (command == nullptr) {
    std::vector<std::string> known;
    for (const Command& c : commands()) known.emplace_back(c.name);
    const std::string hint = did_you_mean(name, known);
    std::cerr << fmt::format("trainyard: there is no command '{}' ({}see trainyard --help)\n", name,
                             hint.empty() ? hint : hint + " ");
    return wrong_usage;
  }
  args.erase(args.begin());
  try {
    return command->run(args, std::cin, std::cout, std::cerr);
  } catch (const InputError& e) {
    std::cerr << e.what() << '\n';
    return wrong_usage;
  } catch (const boost::program_options::error& e) {
    std::cerr << fmt::format("trainyard {}: {} (see trainyard {} --help)\n", name, e.what(), name);
    return wrong_usage;
  } catch (const std::bad_alloc&) {
    std::cerr << fmt::format("trainyard {}: out of memory\n", name);
  } catch (const std::exception& e) {
    std::cerr << fmt::format("trainyard {}: {}\n", name, e.what());
  }
  return failed;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away (| head) is an ordinary failed write
  const int code = run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  errno = 0;
  std::cout.flush();
  if (std::cout) return code;
  if (errno != EPIPE) std::cerr << "trainyard: cannot write to the standard output\n";
  return failed;
}
