// SPDX-License-Identifier: Apache-2.0
#include "analysis/report/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "analysis/page/page_template.h"
#include "analysis/report/notices.h"
#include "analysis/simulation/row.h"
#include "core/base/error.h"
#include "core/base/paths.h"
#include "tests/analysis/synthetic_rows.h"

namespace photon::analysis {
namespace {
namespace fs = std::filesystem;

std::string text_of(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

struct Report : testing::Test {
  // PHOTON_TEST_KEEP=DIR keeps the sample page to look at.
  const char* keep = std::getenv("PHOTON_TEST_KEEP");
  std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::path folder = keep ? fs::path(keep) / name
                         : fs::temp_directory_path() / ("photon-report-" + std::to_string(getpid()));
  ReportRequest request;

  void SetUp() override {
    fs::create_directories(folder);
    request.out = folder / "report";
    request.results = {folder / "results.csv"};
  }
  void TearDown() override {
    if (keep == nullptr) fs::remove_all(folder);
  }
  void write_results(const std::vector<ResultRow>& rows) {
    std::ofstream(request.results[0], std::ios::binary) << to_csv(rows);
  }
  fs::path write_metrics(const std::string& run, double floor) {
    fs::create_directories(folder / run);
    std::ofstream out(folder / run / "metrics.csv");
    out << "step,tokens,token_loss,rec,gradient_norm,learning_rate,validation_loss,tokens_per_second\n";
    for (int step = 1; step <= 500; ++step) {
      const double loss = floor + 5.0 * std::exp(-step / 80.0) + 0.1 * std::sin(step * 1.7);
      out << step << ',' << step * 4096 << ',' << loss << ",0," << 1.0 + 3.0 / step << ",3e-4,";
      if (step % 50 == 0) out << floor + 5.0 * std::exp(-step / 80.0);
      out << ',' << 21000 + 300 * std::cos(step) << '\n';
    }
    return folder / run / "metrics.csv";
  }
  void write_counters() {
    request.counters = {folder / "counters.csv"};
    request.launches = {folder / "launches.csv"};
    std::ofstream(request.counters[0])
        << "ID,Kernel Name,thread Domain:Push/Pop_Range:PL_Type:PL_Value:CLR_Type:Color:Msg_Type:Msg,"
           "dram__bytes_read.sum,dram__bytes_write.sum,lts__t_bytes.sum,gpu__time_duration.sum\n"
           ",,,byte,byte,byte,us\n"
           "0,k,\"1 \"\"photon:decode:none\"\" \"\"photon:qkv:none\"\"\",3000,0,4096,2\n";
    std::ofstream(request.launches[0])
        << "scope,op,file,launches,weight_bytes,kv_read_bytes,kv_write_bytes,other_bytes,flops\n"
           "decode,qkv,cuda_impl/model/matmul.cpp,1,2000,0,0,10,1e6\n";
  }
  /// Two loads of one fleet, and two contexts of it at once.
  void write_simulations() {
    std::vector<photon::analysis::simulation::Row> rows(4);
    for (size_t i = 0; i < rows.size(); ++i) {
      const double more = 10.0 * static_cast<double>(i + 1);
      rows[i].model = "photon-small";
      rows[i].architecture = "photon";
      rows[i].generation = "recgen";
      rows[i].band = "mid";
      rows[i].throughput_tokens_per_s = 100.0 * more;
      if (i < 2) {
        rows[i].arrivals = "poisson";
        rows[i].offered_requests_per_s = more;
        rows[i].ttft_p99_seconds = 0.01 * more;
      } else {
        rows[i].arrivals = "at once";
        rows[i].prompt = 100.0 * more;
        rows[i].new_tokens = 10.0;
        rows[i].prompt_law = std::to_string(more);
      }
    }
    request.simulations = {folder / "simulation.csv"};
    std::ofstream(request.simulations[0], std::ios::binary) << photon::analysis::simulation::to_csv(rows);
  }
};

TEST_F(Report, PageStandsByItselfAndEveryLinkLeadsSomewhere) {
  write_results(synthetic::study());
  request.metrics = {write_metrics("vanilla-small-seed1", 3.4), write_metrics("photon-small-seed1", 3.6),
                     write_metrics("photon-small-seed2", 3.63)};
  request.models = {share_folder() / "configs/models/vanilla-tiny.toml",
                    share_folder() / "configs/models/photon-tiny.toml"};
  request.paper_models = share_folder() / "configs/models";
  request.paper_hardware = share_folder() / "configs/hardware/h200.toml";
  const fs::path page = write_report(request);
  const std::string html = text_of(page);

  EXPECT_EQ(html.find("src=\"http"), std::string::npos);
  EXPECT_EQ(html.find("<script"), html.rfind("<script")) << "one, its own";
  EXPECT_EQ(html.find("<script "), std::string::npos) << "from elsewhere";
  EXPECT_EQ(html.find("<link"), std::string::npos);
  EXPECT_EQ(html.find("@import"), std::string::npos);
  std::set<std::string> ids;
  const std::regex id("\\sid=[\"']([^\"']+)[\"']");
  for (auto i = std::sregex_iterator(html.begin(), html.end(), id); i != std::sregex_iterator(); ++i) {
    EXPECT_TRUE(ids.insert((*i)[1]).second) << "twice: " << (*i)[1];
  }
  const std::regex reference("href=[\"']([^\"']+)[\"']");
  int links = 0;
  for (auto i = std::sregex_iterator(html.begin(), html.end(), reference); i != std::sregex_iterator(); ++i) {
    const std::string to = (*i)[1];
    ++links;
    if (to[0] == '#') {
      EXPECT_TRUE(ids.contains(to.substr(1))) << to;
    } else {
      EXPECT_TRUE(fs::exists(request.out / to)) << to;
    }
  }
  EXPECT_GT(links, 20);
  for (size_t i = 0; i < synthetic::study().size(); ++i)
    EXPECT_TRUE(ids.contains("row-" + std::to_string(i))) << i;
  for (const char* figure :
       {"pareto-tpm-pf-8", "pareto-throughput-de-8", "context-kv-bytes", "context-decode-traffic",
        "alternatives-kv-bytes", "alternatives-traffic", "floor-1", "training-curves"}) {
    EXPECT_TRUE(ids.contains(figure)) << figure;
    EXPECT_GT(fs::file_size(request.out / "figures" / (std::string(figure) + ".png")), 1000u);
  }
  for (const auto& entry : fs::directory_iterator(request.out)) {
    EXPECT_TRUE(entry.path().filename() == "index.html" || entry.path().filename() == "figures")
        << entry.path();
  }
  EXPECT_NE(html.find("cannot tell"), std::string::npos);
  EXPECT_NE(html.find("photon-small (2 seeds)"), std::string::npos);
  EXPECT_NE(html.find("vanilla-small-seed1"), std::string::npos);
  EXPECT_NE(html.find("13642.50"), std::string::npos) << "the paper's RecGen figure";
  EXPECT_EQ(html.find("This is not text"), std::string::npos);
}

TEST_F(Report, CountersStandBesideTheLaunchesTheyBelongTo) {
  write_results({synthetic::eval("a", "vanilla", 1, 2.0, "text")});
  write_counters();
  const std::string html = text_of(write_report(request));
  EXPECT_NE(html.find("Hardware counters beside the model"), std::string::npos);
  EXPECT_NE(html.find("decode / qkv"), std::string::npos);
  EXPECT_NE(html.find(">1.50<"), std::string::npos) << "bytes counted over bytes of the model";
  request.counters = {request.results[0]};
  EXPECT_THROW(write_report(request), Error) << "results are no counters";
}

TEST_F(Report, WorksWithQualityAloneAndSaysWhatIsMissing) {
  write_results({synthetic::eval("a", "vanilla", 1, 2.0, "Markov source, order 2"),
                 synthetic::eval("b <i>&</i>", "photon", 1, 2.1, "Markov source, order 2")});
  const std::string html = text_of(write_report(request));
  EXPECT_NE(html.find("This is not text"), std::string::npos);
  EXPECT_NE(html.find("no point to plot"), std::string::npos);
  EXPECT_NE(html.find("<code>--metrics</code>"), std::string::npos);
  EXPECT_NE(html.find("b &lt;i&gt;&amp;&lt;/i&gt;"), std::string::npos);
  EXPECT_EQ(html.find("b <i>"), std::string::npos);
}

TEST_F(Report, RefusesFilesItCannotRead) {
  write_results({});
  EXPECT_THROW(write_report(request), Error);
  write_results(synthetic::study());
  std::ofstream(folder / "metrics.csv") << "a,b\n1,2\n";
  request.metrics = {folder / "metrics.csv"};
  EXPECT_THROW(write_report(request), Error);
  EXPECT_FALSE(fs::exists(request.out / "index.html"));
  request.metrics = {};
  request.results.push_back(folder / "absent.csv");
  EXPECT_THROW(write_report(request), Error);
}

TEST_F(Report, DrawsSimulatedFleets) {
  write_results(synthetic::study());
  write_simulations();
  const std::string page = text_of(write_report(request));
  EXPECT_NE(page.find("<h2 id=\"fleets\">"), std::string::npos);
  EXPECT_NE(page.find("<figure id=\"simulated-load\">"), std::string::npos);
  EXPECT_TRUE(fs::exists(request.out / "figures" / "simulated-load.png"));
  std::ofstream(request.simulations[0], std::ios::app) << "2,cut\n";
  EXPECT_THROW(write_report(request), Error);
}

/// Rows that give every reason for a notice, a note or another choice of words, but a commit that is unknown.
std::vector<ResultRow> rows_of_everything() {
  auto rows = synthetic::study();
  rows[0].set("dirty", "1");
  rows.push_back(synthetic::eval("worse", "vanilla", 1, 3.0));  // than the unigram, and trained once
  for (const double bytes : {390000.0, 780000.0}) {             // of the same tokens: two tokenizers
    const bool vanilla = bytes < 400000.0;
    rows.push_back(synthetic::eval(vanilla ? "vanilla-small" : "photon-small", vanilla ? "vanilla" : "photon",
                                   1, 2.0, "Markov source, order 2"));
    rows.back().set("bytes_scored", bytes);
  }
  const auto bench = [](const char* regime, int batch) {
    return synthetic::bench("photon-small", "photon", "hiergen", "", regime, batch, 100.0, 1000.0);
  };
  for (const int samples : {1, 4}) {
    rows.push_back(bench("pf/8", samples));
    rows.back().set("samples_per_prompt", samples);
  }
  for (int i = 0; i < 48; ++i) {
    rows.push_back(bench(i % 2 ? "pf/8" : "de/8", 1));
    for (const char* phase : {"prefill", "decode"}) {
      const double measured = *rows.back().number(std::string(phase) + "_seconds");
      rows.back().set(std::string(phase) + "_predicted_seconds", measured * (i < 24 ? 1.05 : 1.4));
    }
    if (i >= 24) rows.back().set("backend", "emulated");
  }
  return rows;
}

std::string_view longest(std::string_view a, std::string_view b) {
  return a.size() < b.size() ? b : a;
}

/// The longest of its words that no place interrupts.
std::string_view words_of(std::string_view piece) {
  std::string_view words;
  while (true) {
    const size_t place = piece.find("{{");
    words = longest(words, piece.substr(0, place));
    if (place == std::string_view::npos) return words;
    piece.remove_prefix(piece.find("}}", place) + 2);
  }
}

TEST_F(Report, HasEveryPieceOfItsTemplateOnSomePage) {
  write_results(rows_of_everything());
  write_counters();
  write_simulations();
  request.metrics = {write_metrics("photon-small-seed1", 3.6)};
  request.paper_models = share_folder() / "configs/models";
  request.paper_hardware = share_folder() / "configs/hardware/h200.toml";
  std::string pages = text_of(write_report(request));
  auto row = synthetic::eval("a", "vanilla", 1, 2.0);
  row.set("commit", "unknown");
  row.set("dirty", "0");
  pages += notices(std::vector{row}).markup;
  for (const PageTemplate::Piece& piece : page_template().pieces()) {
    const std::string_view words = words_of(piece.text);
    EXPECT_NE(pages.find(words), std::string::npos) << piece.id << " is on no page: " << words;
    if (!piece.title.empty()) {
      EXPECT_NE(pages.find("<h2 id=\"" + std::string(piece.id) + "\">" + std::string(piece.title)),
                std::string::npos)
          << piece.id;
    }
  }
}

}  // namespace
}  // namespace photon::analysis
