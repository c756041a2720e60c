// SPDX-License-Identifier: Apache-2.0
#include "analysis/draw/plots.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "analysis/draw/html.h"
#include "analysis/draw/label_placement.h"
#include "analysis/paper/tables.h"
#include "core/base/error.h"

namespace photon::analysis {
namespace {
namespace fs = std::filesystem;

struct Plots : testing::Test {
  fs::path folder = fs::temp_directory_path() / ("photon-plots-" + std::to_string(getpid()));
  std::string path = std::getenv("PATH");
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override {
    ::setenv("PATH", path.c_str(), 1);
    fs::remove_all(folder);
  }
  static Figure figure(std::vector<PlotPoint> points) {
    PlotPanel panel;
    panel.title = "it's a 'panel' with \\ and {braces} and _";
    panel.x = {.label = "x (s)"};
    panel.y = {.label = "y (B)", .scale = PlotAxis::Scale::log};
    Series series;
    series.title = "method";
    series.style = style_of_method("Vanilla");
    series.points = std::move(points);
    panel.series.push_back(series);
    panel.references = {{1.5, "inside"}, {1e6, "far outside"}};
    Figure f;
    f.name = "test";
    f.title = "Figure's title";
    f.panels = {panel};
    return f;
  }
  std::string fault(const Figure& f) {
    try {
      draw_figure(f, folder);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
};

TEST_F(Plots, DrawsSvgAndPngFromOneScript) {
  ASSERT_EQ(fault(figure({{.x = 1, .y = 10, .x_low = 0.9, .x_high = 1.2, .label = "a"},
                          {.x = 2, .y = 300, .label = "b's"}})),
            "");
  std::ifstream png(folder / "test.png", std::ios::binary);
  std::string magic(8, '\0');
  png.read(magic.data(), 8);
  EXPECT_EQ(magic, "\x89PNG\r\n\x1a\n");
  std::ostringstream svg;
  svg << std::ifstream(folder / "test.svg").rdbuf();
  for (const char* text :
       {"it's a 'panel' with \\ and {braces} and _", "far outside", "b's", "x (s)", "y (B)"}) {
    EXPECT_NE(svg.str().find(html_escape(text).substr(0, 4)), std::string::npos) << text;
  }
  const std::string inlined = inline_svg(svg.str(), "fig", "title", "");
  EXPECT_TRUE(inlined.starts_with("<svg viewBox="));
  EXPECT_EQ(inlined.find("<?xml"), std::string::npos);
  EXPECT_EQ(inlined.find("href='#gp"), std::string::npos)
      << "ids of one figure would catch another's symbols";
}

TEST_F(Plots, OnePointIsEnoughAndNoneIsAnError) {
  EXPECT_EQ(fault(figure({{.x = 1, .y = 10}})), "");
  EXPECT_NE(fault(figure({})).find("no point to draw"), std::string::npos);
  EXPECT_NE(fault(figure({{.x = 1, .y = 0}})).find("no point"), std::string::npos) << "no zero on a log axis";
  EXPECT_NE(fault(figure({{.x = std::numeric_limits<double>::quiet_NaN(), .y = 1}})).find("no point"),
            std::string::npos);
}

TEST_F(Plots, SaysWhenGnuplotIsMissing) {
  ::setenv("PATH", folder.c_str(), 1);
  EXPECT_NE(fault(figure({{.x = 1, .y = 10}})).find("apt-get install gnuplot-nox"), std::string::npos);
}

TEST_F(Plots, ShowsWhatGnuplotSaid) {
  std::ofstream(folder / "gnuplot") << "#!/bin/sh\necho the pen is broken >&2\nexit 3\n";
  fs::permissions(folder / "gnuplot", fs::perms::owner_all);
  ::setenv("PATH", (folder.string() + ":" + path).c_str(), 1);
  const std::string said = fault(figure({{.x = 1, .y = 10}}));
  EXPECT_NE(said.find("the pen is broken"), std::string::npos) << said;
  EXPECT_NE(said.find("status 3"), std::string::npos) << said;
  std::ofstream(folder / "gnuplot") << "#!/bin/sh\nexit 0\n";
  EXPECT_NE(fault(figure({{.x = 1, .y = 10}})).find("left no"), std::string::npos);
}

TEST_F(Plots, AnSvgNamesEverySeriesOnceAndNothingOfGnuplots) {
  Figure f = figure({{.x = 1, .y = 10}, {.x = 2, .y = 300}});
  f.panels.push_back(f.panels[0]);
  ASSERT_EQ(fault(f), "");
  std::ostringstream svg;
  svg << std::ifstream(folder / "test.svg").rdbuf();
  const auto count = [](const std::string& text, const std::string& part) {
    int n = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count(svg.str(), ">method<"), 1);
  EXPECT_EQ(count(svg.str(), ">y (B)<"), 2);
  // A mark in the legend and one for each point of each panel.
  EXPECT_EQ(count(svg.str(), "<use xlink:href='#gpPt4'"), 1 + 2 * 2);
  EXPECT_EQ(svg.str().find("using 1:2"), std::string::npos) << "hovering would tell it";
}

TEST_F(Plots, PanelsOfAPageComeWithoutTitleAndLegendButWithTheirPoints) {
  Figure f = figure({{.x = 1, .y = 10, .tip = "first", .link = "#a"}, {.x = 2, .y = 300}});
  f.panels.push_back(f.panels[0]);
  const auto panels = draw_panels(f, folder);
  ASSERT_EQ(panels.size(), 2u);
  for (size_t i = 0; i < panels.size(); ++i) {
    EXPECT_EQ(panels[i].svg.find("Figure"), std::string::npos);
    EXPECT_EQ(panels[i].svg.find(">method<"), std::string::npos);
    ASSERT_EQ(panels[i].spots.size(), 1u) << "the other point has nothing to tell";
    EXPECT_EQ(panels[i].spots[0].point, &f.panels[i].series[0].points[0]);
  }
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(Styles, DifferWithoutColour) {
  std::set<int> points, dashes;
  const std::vector<std::string> methods{"Vanilla", "Block", "PHOTON HierGen", "PHOTON RecGen streamed",
                                         "PHOTON RecGen unrolled"};
  for (const auto& method : methods) {
    points.insert(style_of_method(method).point);
    dashes.insert(style_of_method(method).dash);
  }
  EXPECT_EQ(points.size(), methods.size());
  EXPECT_EQ(dashes.size(), methods.size());
}

TEST(Looks, TellEveryModelAndMethodApartAndStayTheSame) {
  const std::vector<std::string> methods{"Vanilla",
                                         "Block",
                                         "PHOTON HierGen",
                                         "PHOTON RecGen",
                                         "PHOTON RecGen streamed",
                                         "PHOTON RecGen unrolled"};
  Looks looks;
  for (int model = 0; model < 8; ++model)
    for (const auto& method : methods) looks.add("model-" + std::to_string(model), method);
  std::map<std::pair<std::string, int>, std::string> seen;
  for (int model = 0; model < 8; ++model) {
    for (const auto& method : methods) {
      const std::string name = "model-" + std::to_string(model);
      const SeriesStyle style = looks.of(name, method);
      const auto [other, fresh] = seen.try_emplace({style.color, style.point}, name + method);
      EXPECT_TRUE(fresh) << name << method << " looks like " << other->second;
      EXPECT_EQ(looks.title(name, method), method + ", " + name);
    }
  }
  const SeriesStyle before = looks.of("model-1", "PHOTON HierGen");
  looks.add("model-9", "PHOTON HierGen");
  looks.add("model-1", "PHOTON RecGen streamed");
  EXPECT_EQ(looks.of("model-1", "PHOTON HierGen"), before);
}

TEST(Looks, OneModelOfAnArchitectureLooksAsItsMethodAndSoDoThePapers) {
  Looks looks;
  looks.add("photon-tiny", "PHOTON HierGen");
  looks.add("vanilla-tiny", "Vanilla");
  for (const char* method : {"PHOTON HierGen", "PHOTON RecGen", "Vanilla", "Block"}) {
    for (const char* model : {"photon-tiny", "photon-600m"}) {
      if (std::string(model) == "photon-tiny" && !std::string(method).starts_with("PHOTON")) continue;
      EXPECT_EQ(looks.of(model, method), style_of_method(method)) << model << method;
      EXPECT_EQ(looks.title(model, method), method);
    }
  }
  looks.add("photon-small", "PHOTON HierGen");
  EXPECT_NE(looks.of("photon-600m", "PHOTON HierGen"), looks.of("photon-tiny", "PHOTON HierGen"));
  EXPECT_NE(looks.of("photon-600m", "PHOTON HierGen"), looks.of("photon-small", "PHOTON HierGen"));
  EXPECT_EQ(looks.title("photon-600m", "PHOTON HierGen"), "PHOTON HierGen, the paper’s");
  EXPECT_EQ(looks.model_of_run("photon-small-seed1"), "photon-small");
  EXPECT_EQ(looks.model_of_run("elsewhere"), "");
}

TEST(Labels, AvoidPointsLinesAndEachOther) {
  const std::vector<LabelAnchor> anchors{{100, 100, "first"}, {130, 100, "second"}, {115, 120, "third"}};
  const auto places = place_labels(anchors, {{0, 88, 300, 88}}, 300, 200, 7, 14);
  for (size_t i = 0; i < places.size(); ++i) {
    const double width = 7.0 * static_cast<double>(anchors[i].text.size());
    const double left = places[i].align == LabelPlace::Align::left    ? places[i].x
                        : places[i].align == LabelPlace::Align::right ? places[i].x - width
                                                                      : places[i].x - width / 2;
    for (const LabelAnchor& other : anchors) {
      const bool inside = other.x > left && other.x < left + width && std::abs(other.y - places[i].y) < 7;
      EXPECT_FALSE(inside) << anchors[i].text << " covers " << other.text;
    }
    EXPECT_GT(std::abs(places[i].y - 88), 6.0) << anchors[i].text << " lies on the line";
  }
  auto crowded = std::vector<LabelAnchor>(30, LabelAnchor{100, 100, "name", true});
  int shown = 0;
  for (const auto& place : place_labels(crowded, {}, 300, 200, 7, 14)) shown += place.shown;
  EXPECT_LT(shown, 10);
}

TEST(PaperTables, AreWhatThePaperPrints) {
  const auto rows = paper_rows();
  ASSERT_EQ(rows.size(), 11u);
  for (const PaperRow& row : rows) {
    // Every TPM of the paper is throughput / memory, both rounded.
    const double slack_pf = row.tpm_pf * (0.0005 / row.memory_pf + 0.005 / row.throughput_pf) + 0.01;
    const double slack_de = row.tpm_de * (0.0005 / row.memory_de + 0.005 / row.throughput_de) + 0.01;
    EXPECT_NEAR(row.tpm_pf, row.throughput_pf / row.memory_pf, slack_pf) << row.size << row.architecture;
    EXPECT_NEAR(row.tpm_de, row.throughput_de / row.memory_de, slack_de) << row.size << row.architecture;
  }
  EXPECT_EQ(rows[0].perplexity, 22.3793);
  EXPECT_EQ(rows[9].method(), "PHOTON RecGen");
  EXPECT_FALSE(rows[9].perplexity.has_value());
}

}  // namespace
}  // namespace photon::analysis
