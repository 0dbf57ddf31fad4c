#include "sim/cli/sweep_submit.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>

#include "analysis/sweep/slurm_script.hpp"
#include "sim/base/errors.hpp"

namespace trainyard {
namespace {

namespace fs = std::filesystem;

constexpr int failed = 1;
constexpr int command_not_found = 127;  // of a POSIX shell

struct ScriptFiles {
  std::string array, merge;
};

// "results.db" -> "results.array.sh", "results.merge.sh".
ScriptFiles script_files(const std::string& output) {
  const fs::path path(output);
  const std::string stem = (path.parent_path() / path.stem()).string();
  return {stem + ".array.sh", stem + ".merge.sh"};
}

bool write_script(const std::string& path, const std::string& text, std::ostream& err) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) err << fmt::format("trainyard sweep submit: cannot write {}\n", path);
  return file.good();
}

struct Submission {
  int exit_code = failed;
  std::string job;  // its id
};

// `sbatch --parsable` prints "4711", or "4711;cluster"; what it has to say against it goes to standard error.
Submission submit(const std::string& options_and_script) {
  Submission result;
  FILE* pipe = popen(("sbatch --parsable " + options_and_script).c_str(), "re");
  if (pipe == nullptr) return result;
  std::array<char, 256> text = {};
  for (std::size_t n = 0; (n = fread(text.data(), 1, text.size(), pipe)) > 0;) result.job.append(text.data(), n);
  const int status = pclose(pipe);
  if (status != -1 && WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  result.job.resize(std::min(result.job.size(), result.job.find_first_of(";\n")));
  const bool number = !result.job.empty() && result.job.find_first_not_of("0123456789") == std::string::npos;
  if (result.exit_code == 0 && !number) result.exit_code = failed;
  return result;
}

void explain(const Submission& submission, std::ostream& err) {
  if (submission.exit_code == command_not_found)
    err << "trainyard sweep submit: there is no sbatch here: submit from a login node of a Slurm cluster, or see "
           "--dry-run\n";
  else
    err << "trainyard sweep submit: sbatch did not take the job\n";
}

std::string merge_words(const std::string& array_job, const ScriptFiles& files) {
  return fmt::format("--dependency=afterok:{} --kill-on-invalid-dep=yes {}", array_job, shell_word(files.merge));
}

void print_scripts(const SlurmSweep& sweep, const ScriptFiles& files, std::ostream& out) {
  out << fmt::format("# {}\n{}\n", shell_word(files.array), array_script(sweep));
  if (sweep.array_size > 1) out << fmt::format("# {}\n{}\n", shell_word(files.merge), merge_script(sweep));
  out << fmt::format("# array=$(sbatch --parsable {})\n", shell_word(files.array));
  if (sweep.array_size > 1) out << fmt::format("# sbatch {}\n", merge_words("$array", files));
}

int submit_merge(const std::string& array_job, const SubmitRequest& request, const ScriptFiles& files,
                 std::ostream& out, std::ostream& err) {
  const Submission merge = submit(merge_words(array_job, files));
  if (merge.exit_code != 0) {
    explain(merge, err);
    err << fmt::format("the array is job {}; when it is done: trainyard sweep merge {} -o {}\n", array_job,
                       shell_word(fs::path(request.output).parent_path().string()), shell_word(request.output));
    return failed;
  }
  out << fmt::format("merge: job {} when all are done (scancel {} {} ends both)\n", merge.job, array_job, merge.job);
  return 0;
}

int submit_both(const SubmitRequest& request, const SlurmSweep& sweep, std::ostream& out, std::ostream& err) {
  const ScriptFiles files = script_files(request.output);
  if (!write_script(files.array, array_script(sweep), err)) return failed;
  if (sweep.array_size > 1 && !write_script(files.merge, merge_script(sweep), err)) return failed;
  const Submission array = submit(shell_word(files.array));
  if (array.exit_code != 0) {
    explain(array, err);
    return failed;
  }
  out << fmt::format("sweep: job {}, {} tasks\n", array.job, sweep.array_size);
  if (sweep.array_size > 1) {
    if (const int code = submit_merge(array.job, request, files, out, err); code != 0) return code;
  }
  out << fmt::format("then: trainyard sweep show {}\n", shell_word(request.output));
  return 0;
}

}  // namespace

int submit_sweep(const SubmitRequest& request, std::ostream& out, std::ostream& err) {
  if (request.array_size < 1 || request.array_size > largest_sweep_array)
    throw InputError({"--array-size", 0, 0}, fmt::format("{} is not 1 to {}", request.array_size, largest_sweep_array));
  check_sbatch_options(request.sbatch_options);
  const SlurmSweep sweep = {.binary = request.binary,
                            .sweep_file = request.sweep_file,
                            .output = request.output,
                            .array_size = request.array_size,
                            .sweep_arguments = request.sweep_arguments,
                            .sbatch_options = request.sbatch_options};
  if (!request.dry_run) return submit_both(request, sweep, out, err);
  print_scripts(sweep, script_files(request.output), out);
  return 0;
}

}  // namespace trainyard
