#include <gtest/gtest.h>

#include <sstream>

#include "tests/app/run_photon.h"

namespace photon::test {
namespace {

/// The subcommands that `photon --help` lists.
std::vector<std::string> subcommands() {
  std::istringstream help(run_photon({"--help"}).out);
  std::vector<std::string> names;
  bool listing = false;
  for (std::string line; std::getline(help, line);) {
    if (line.starts_with("Subcommands:")) {
      listing = true;
    } else if (listing && line.starts_with("  ") && line.size() > 2 && line[2] != ' ') {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
  }
  return names;
}

TEST(CommandLine, WithoutArgumentsPrintsItsHelp) {
  const ProgramRun run = run_photon({});
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.out.find("Usage: photon"), std::string::npos) << run.out;
  EXPECT_EQ(run.out, run_photon({"--help"}).out);
}

TEST(CommandLine, RefusesAnUnknownSubcommandByName) {
  const ProgramRun run = run_photon({"frobnicate"});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("'frobnicate'"), std::string::npos) << run.err;
}

TEST(CommandLine, RefusesAnUnknownOption) {
  const ProgramRun run = run_photon({"--frobnicate"});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err, "");
}

TEST(CommandLine, VersionTellsOneBuildFromAnother) {
  const ProgramRun run = run_photon({"--version"});
  EXPECT_EQ(run.code, 0);
  EXPECT_TRUE(run.out.starts_with("photon ")) << run.out;
  for (const char* line : {"\ncommit ", "\nbuild ", "\nmatrices "}) {
    EXPECT_NE(run.out.find(line), std::string::npos) << line << " is not in:\n" << run.out;
  }
}

TEST(CommandLine, EverySubcommandExplainsItselfAndRefusesNonsense) {
  for (const std::string& name : subcommands()) {
    SCOPED_TRACE(name);
    const ProgramRun help = run_photon({name, "--help"});
    EXPECT_EQ(help.code, 0) << help.err;
    EXPECT_NE(help.out.find("Usage: "), std::string::npos) << help.out;
    const ProgramRun nonsense = run_photon({name, "--frobnicate"});
    EXPECT_EQ(nonsense.code, 2) << nonsense.out << nonsense.err;
    EXPECT_NE(nonsense.err, "");
  }
}

}  // namespace
}  // namespace photon::test
