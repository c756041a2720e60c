// SPDX-License-Identifier: Apache-2.0
// What is known by name, what a misplaced option is told, and what a shell is offered.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/csv.h"
#include "core/base/known_configs.h"
#include "core/base/paths.h"
#include "tests/app/run_photon.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon::testing {
namespace {

std::set<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.insert(line);
  return lines;
}

TEST(Names, AModelByNameIsTheModelByPath) {
  const std::string request = " --hardware h200 --prompt 128 --new 128 --batch 4";
  const ProgramRun by_name = run_photon("floor photon-600m" + request);
  ASSERT_EQ(by_name.code, 0) << by_name.messages;
  const std::string path = (share_folder() / "configs/models/photon-600m.toml").string();
  EXPECT_EQ(run_photon("floor " + path + request).out, by_name.out);
  EXPECT_EQ(run_photon("floor request photon-600m" + request).out, by_name.out);
}

TEST(Names, ListHasEveryOneInEveryFormat) {
  const ProgramRun csv = run_photon("list --format csv");
  const ProgramRun json = run_photon("list --format json");
  const ProgramRun table = run_photon("list");
  ASSERT_EQ(csv.code + json.code + table.code, 0) << csv.messages << json.messages << table.messages;
  const CsvTable rows = parse_csv(csv.out, "list");
  const auto entries = nlohmann::json::parse(json.out);
  ASSERT_EQ(rows.rows.size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i)
    EXPECT_EQ(rows.rows[i][1], entries[i]["name"].get<std::string>());
  size_t known = 0;
  for (const auto kind : {ConfigKind::model, ConfigKind::hardware, ConfigKind::study, ConfigKind::preset,
                          ConfigKind::training}) {
    for (const std::string& name : config_names(kind)) {
      EXPECT_TRUE(holds(table.out, {"| " + name + " "})) << name;
      ++known;
    }
  }
  EXPECT_GT(entries.size(), known) << "the back ends";
  const auto models = nlohmann::json::parse(run_photon("list models --format json").out);
  EXPECT_EQ(models.size(), config_names(ConfigKind::model).size());
}

TEST(Names, AnOptionOfAnotherCommandIsToldWhereItBelongs) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases{
      {"floor photon-600m --length 512", {"'--length' of photon floor", "photon floor training"}},
      {"floor training photon-600m --prompt 5", {"'--prompt' of photon floor training", "photon floor"}},
      {"bench photon-tiny --recompute none", {"photon bench train"}},
      {"bench train photon-tiny --regime pf", {"photon bench run"}},
      {"inspect photon-tiny --checkpoint x", {"'--checkpoint'", "photon eval", "photon generate"}},
      {"floor photon-600m --training", {"it has become: photon floor training MODEL"}},
      {"floor photon-600m --crossings --hardware h200", {"photon floor crossings"}},
      {"floor vanilla-600m --alternatives", {"photon floor alternatives"}},
      {"floor --paper --hardware h200", {"photon floor paper"}},
      {"bench --preset paper", {"photon bench preset NAME"}},
      {"bench --training photon-tiny", {"photon bench train"}},
      {"bench --ceilings-only", {"photon bench ceilings"}},
      {"bench --write-hardware x.toml", {"photon bench ceilings --out"}}};
  for (const auto& [words, said] : cases) {
    const ProgramRun run = run_photon(words);
    EXPECT_EQ(run.code, 2) << words;
    EXPECT_EQ(run.out, "") << words;
    EXPECT_TRUE(holds(run.messages, said)) << words;
  }
}

TEST(Names, NothingMayStandBeforeASubcommand) {
  const ProgramRun option = run_photon("floor --hardware h200 training photon-600m --hardware h200");
  EXPECT_EQ(option.code, 2);
  EXPECT_TRUE(holds(option.messages, {"--hardware stands before 'training'"}));
  const ProgramRun word = run_photon("floor photon-600m training photon-600m --hardware h200");
  EXPECT_EQ(word.code, 2);
  EXPECT_TRUE(holds(word.messages, {"stands before 'training'"}));
}

TEST(Names, UnknownOnesGetTheNearest) {
  for (const auto& [words, near] : std::vector<std::pair<std::string, std::string>>{
           {"floor foton-600m --hardware h200 --prompt 1 --new 1", "photon-600m"},
           {"floor photon-600m --hardware h20 --prompt 1 --new 1", "h200"},
           {"bench preset papre", "paper"},
           {"reproduce papr --dry-run", "paper"},
           {"train photon-tini", "photon-tiny"}}) {
    const ProgramRun run = run_photon(words);
    EXPECT_EQ(run.code, 2) << words;
    EXPECT_TRUE(holds(run.messages, {"did you mean '" + near + "'"})) << words;
  }
}

TEST(Names, TwoFilesOfOneNameAreToldApart) {
  const TempFolder folder;
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(folder / name);
    std::string text = read_text(share_folder() / "configs/models/photon-600m.toml");
    if (*name == 'b') text = "vocab = 16000\n" + text.erase(text.find("vocab ="), sizeof("vocab = 32000"));
    write_text(folder / name / "photon.toml", text);
  }
  const std::string a = (folder / "a/photon.toml").string(), b = (folder / "b/photon.toml").string();
  const std::string request = " --hardware h200 --batch 1 --context 2048 --format json";
  const auto names = [&](const std::string& models) {
    std::vector<std::string> found;
    const ProgramRun run = run_photon("floor crossings " + models + request);
    EXPECT_EQ(run.code, 0) << run.messages;
    const auto json = nlohmann::json::parse(run.out);
    for (const auto& c : json["cases"]) found.push_back(c["model"]);
    return found;
  };
  EXPECT_EQ(names(a + " " + b), (std::vector<std::string>{"a.photon-600m", "b.photon-600m"}));
  EXPECT_EQ(names(a + " " + a), (std::vector<std::string>{"photon-600m", "photon-600m"}))
      << "one model, twice";
  const std::string here = (folder / "a/../a/./photon.toml").string();
  EXPECT_EQ(names(b + " " + here), (std::vector<std::string>{"b.photon-600m", "a.photon-600m"}));
  std::filesystem::create_directories(folder / "c/a");
  std::filesystem::copy(b, folder / "c/a/photon.toml");
  const ProgramRun same =
      run_photon("floor crossings " + a + " " + (folder / "c/a/photon.toml").string() + request);
  EXPECT_EQ(same.code, 2);
  EXPECT_TRUE(holds(same.messages, {"different models of one name", "c/a/photon.toml"}));
}

// The columns and the values are those of the JSON, which has a test of its own for each command.
TEST(Names, CsvSaysWhatJsonSays) {
  const std::string words = "floor photon-600m --hardware h200 --prompt 2048 --new 128 --format ";
  const auto json = nlohmann::ordered_json::parse(run_photon(words + "json").out);
  const CsvTable csv = parse_csv(run_photon(words + "csv").out, "floor");
  ASSERT_EQ(csv.rows.size(), 1u);
  ASSERT_EQ(csv.header.size(), json.size());
  size_t i = 0;
  for (const auto& [key, value] : json.items()) {
    EXPECT_EQ(csv.header[i], key);
    const std::string& cell = csv.rows[0][i++];
    if (value.is_number()) {
      EXPECT_EQ(std::stod(cell), value.get<double>()) << key;
    } else if (value.is_string()) {
      EXPECT_EQ(cell, value.get<std::string>()) << key;
    } else if (value.is_null()) {
      EXPECT_EQ(cell, "") << key;
    } else {
      EXPECT_EQ(cell, value.dump()) << key;
    }
  }
  for (const char* command :
       {"floor training photon-tiny --hardware h200 --batch 2",
        "floor crossings photon-600m --hardware h200 --batch 1", "floor alternatives vanilla-600m",
        "floor paper --hardware h200", "inspect photon-600m"}) {
    const ProgramRun run = run_photon(std::string(command) + " --format csv");
    ASSERT_EQ(run.code, 0) << command << run.messages;
    EXPECT_GT(parse_csv(run.out, command).rows.size(), 3u) << command;
  }
}

TEST(Completion, OffersWhatMayStandThere) {
  const auto offered = [](const std::string& words) { return lines_of(run_photon("complete " + words).out); };
  EXPECT_TRUE(offered("fl").contains("floor"));
  EXPECT_TRUE(offered("floor tr").contains("training"));
  EXPECT_EQ(offered("floor photon-6"),
            (std::set<std::string>{"photon-600m", "photon-600m-2x2", "photon-60m"}));
  EXPECT_TRUE(offered("floor photon-600m --hardware h").contains("h200"));
  EXPECT_TRUE(offered("floor --ceil").contains("--ceilings"));
  EXPECT_EQ(offered("floor --ceilings d"), std::set<std::string>{"datasheet"});
  EXPECT_TRUE(offered("eval --tex").contains("--text")) << "an option of a group";
  EXPECT_TRUE(offered("bench preset pa").contains("paper"));
  EXPECT_TRUE(offered("generate --device c").contains("cpu"));
  EXPECT_TRUE(offered("generate --checkpoint x").empty()) << "a folder: the shell's own business";
  EXPECT_TRUE(offered("nonsense --more x").empty());
}

TEST(Completion, TheScriptsWorkInTheirShells) {
  const ProgramRun script = run_photon("completion bash");
  ASSERT_EQ(script.code, 0) << script.messages;
  const ProgramRun zsh = run_photon("completion zsh");
  EXPECT_TRUE(zsh.out.ends_with(script.out));
  EXPECT_EQ(run_photon("completion fish").code, 2);
}

}  // namespace
}  // namespace photon::testing
