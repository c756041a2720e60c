#include "tests/app/run_photon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace photon::test {
namespace fs = std::filesystem;

namespace {

fs::path program() {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  const fs::path installed = here.parent_path().parent_path() / "bin" / "photon";
  return fs::exists(installed) ? installed : fs::path(PHOTON_BINARY);
}

std::string contents(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace

ProgramRun run_photon(const std::vector<std::string>& arguments) {
  std::string folder = (fs::temp_directory_path() / "photon-run-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  const std::string out = folder + "/out";
  const std::string err = folder + "/err";
  const std::string path = program().string();
  std::vector<char*> argv{const_cast<char*>("photon")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    const int in_file = open("/dev/null", O_RDONLY);
    const int out_file = open(out.c_str(), O_CREAT | O_WRONLY, 0600);
    const int err_file = open(err.c_str(), O_CREAT | O_WRONLY, 0600);
    if (dup2(in_file, 0) == 0 && dup2(out_file, 1) == 1 && dup2(err_file, 2) == 2) {
      execv(path.c_str(), argv.data());
    }
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ProgramRun run{.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                 .out = contents(out),
                 .err = contents(err)};
  fs::remove_all(folder);
  return run;
}

}  // namespace photon::test
