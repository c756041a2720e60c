// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <sstream>

#include "core/base/paths.h"
#include "core/base/subprocess.h"
#include "tests/app/run_photon.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

/// The subcommands that `photon --help` lists.
std::vector<std::string> subcommands() {
  std::istringstream help(run_photon("--help").out);
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
  const ProgramRun run = run_photon("");
  EXPECT_EQ(run.code, 0);
  EXPECT_NE(run.out.find("Usage: photon"), std::string::npos) << run.out;
  EXPECT_EQ(run.out, run_photon("--help").out);
}

TEST(CommandLine, RefusesAnUnknownSubcommandByName) {
  const ProgramRun run = run_photon("frobnicate");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.messages.find("'frobnicate'"), std::string::npos) << run.messages;
}

TEST(CommandLine, RefusesAnUnknownOption) {
  const ProgramRun run = run_photon("--frobnicate");
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.messages, "");
}

TEST(CommandLine, SuggestsTheNearestNameOfWhateverIsMisspelt) {
  const auto model = (share_folder() / "configs/models/photon-tiny.toml").string();
  const std::vector<std::array<std::string, 3>> cases{
      {"trian", "trian", "train"},
      {"corpus biuld --out x", "biuld", "build"},
      {"tokenizer ifno x", "ifno", "info"},
      {"train --confg x", "--confg", "known"},
      {"train photon-tiny --resum", "--resum", "--resume"},
      {"bench " + model + " --bacth 3", "--bacth", "--batch"},
      {"bench " + model + " --bacth=3", "--bacth", "--batch"},
      {"bench compare a.csv b.csv --confidense 90", "--confidense", "--confidence"},
      {"eval --checkpoint x --txt y", "--txt", "--text"},
      {"init " + model + " --seed 1 -out x", "-out", "--out"},
      {"--verion", "--verion", "--version"}};
  for (const auto& [arguments, word, meant] : cases) {
    const ProgramRun run = run_photon(arguments);
    EXPECT_EQ(run.code, 2) << arguments;
    EXPECT_EQ(run.out, "") << arguments;
    EXPECT_TRUE(holds(run.messages, {"'" + word + "'", meant})) << arguments;
  }
  // A value that looks like an option is a value.
  const ProgramRun value = run_photon("generate --prompt --new --checkpoint");
  EXPECT_EQ(value.code, 2);
  EXPECT_EQ(value.messages.find("unknown"), std::string::npos) << value.messages;
}

TEST(CommandLine, RefusesWrongValuesBeforeAnyFileIsRead) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> wrong{
      {"eval --checkpoint absent --text absent",
       {"--device abacus", "--dtype float3", "--generation foo", "--schedule foo", "--format xml",
        "--batch 0"}},
      {"generate --checkpoint absent",
       {"--device abacus", "--dtype float3", "--generation foo", "--schedule foo", "--choose best",
        "--new -5", "--samples 0", "--temperature -1", "--top-k -1", "--seed -3"}},
      {"forward --checkpoint absent --tokens absent --out absent/x", {"--device abacus", "--dtype float3"}},
      {"init photon-tiny --out absent", {"--seed -3"}},
      {"train photon-tiny", {"--device abacus"}},
      {"bench photon-tiny --out absent/rows.csv",
       {"--device abacus", "--dtype float3", "--generation foo", "--schedule foo", "--format xml",
        "--batch 0", "--batch 1,foo", "--samples-per-prompt max", "--regime qq", "--seed -3", "--prompt 0",
        "--new x", "--min-samples 0", "--max-seconds nan"}},
      {"bench train photon-tiny --out absent/rows.csv",
       {"--device abacus", "--recompute all", "--batch 0", "--length 0"}},
      {"floor photon-tiny --hardware h200 --prompt 1 --new 1",
       {"--batch 0", "--batch many", "--ceilings high", "--generation foo", "--memory-levels 3",
        "--format xml"}},
      {"bench compare absent.csv absent.csv", {"--format xml", "--confidence 101"}}};
  for (const auto& [command, values] : wrong) {
    for (const std::string& value : values) {
      const ProgramRun run = run_photon(command + " " + value);
      EXPECT_EQ(run.code, 2) << command << " " << value << "\n" << run.messages;
      EXPECT_EQ(run.out, "") << value;
      EXPECT_TRUE(holds(run.messages, {value.substr(0, value.find(' '))})) << command << " " << value;
      EXPECT_EQ(run.messages.find("absent"), std::string::npos) << "a file was looked for: " << run.messages;
    }
  }
}

TEST(CommandLine, VersionTellsOneBuildFromAnother) {
  const ProgramRun run = run_photon("--version");
  EXPECT_EQ(run.code, 0);
  EXPECT_TRUE(run.out.starts_with("photon ")) << run.out;
  for (const char* line : {"\ncommit ", "\nbuild ", "\nmatrices ", "\nGPU "}) {
    EXPECT_NE(run.out.find(line), std::string::npos) << line << " is not in:\n" << run.out;
  }
}

TEST(CommandLine, StartsWithoutCudaAndDriver) {
  std::string libraries;
  const CommandResult ldd =
      run_command({"ldd", photon_program()}, {}, [&](std::string_view text) { libraries += text; });
  if (!ldd.found) GTEST_SKIP() << "no ldd here";
  ASSERT_EQ(ldd.status, 0) << ldd.messages;
  ASSERT_NE(libraries.find("libstdc++"), std::string::npos) << libraries;
  for (const char* library : {"libcu", "libnv"}) {
    EXPECT_EQ(libraries.find(library), std::string::npos) << libraries;
  }
}

TEST(CommandLine, EverySubcommandExplainsItselfAndRefusesNonsense) {
  for (const std::string& name : subcommands()) {
    SCOPED_TRACE(name);
    const ProgramRun help = run_photon(name + " --help");
    EXPECT_EQ(help.code, 0) << help.messages;
    EXPECT_NE(help.out.find("Usage: "), std::string::npos) << help.out;
    const ProgramRun nonsense = run_photon(name + " --frobnicate");
    EXPECT_EQ(nonsense.code, 2) << nonsense.out << nonsense.messages;
    EXPECT_NE(nonsense.messages, "");
  }
}

TEST(CommandLine, BenchFailsIfNoCaseFits) {
  const auto model = share_folder() / "configs" / "models" / "photon-tiny.toml";
  const ProgramRun run = run_photon("bench " + model.string() + " --batch 100000000 --prompt 64 --new 64");
  EXPECT_EQ(run.code, 1);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.messages.find("nothing was measured"), std::string::npos) << run.messages;
  EXPECT_EQ(run.messages.find("ceilings"), std::string::npos) << "something was measured: " << run.messages;
}

}  // namespace
}  // namespace photon::testing
