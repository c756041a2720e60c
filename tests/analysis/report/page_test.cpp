// SPDX-License-Identifier: Apache-2.0
// The report's page in a real browser. PHOTON_TEST_KEEP=DIR keeps the page with pictures of it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include "analysis/report/report.h"
#include "analysis/simulation/row.h"
#include "core/base/paths.h"
#include "tests/analysis/report/browser.h"
#include "tests/analysis/synthetic_rows.h"

namespace photon::analysis {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
using testing_browser::Browser;

constexpr int widths[] = {1280, 390};

/// The study, a second model of one architecture, a row above its floor, trainings and simulated fleets.
std::vector<ResultRow> rows_of_page() {
  auto rows = synthetic::study();
  rows.push_back(synthetic::bench("photon-large", "photon", "hiergen", "", "pf/8", 16, 321.25, 2.5e6));
  rows.back().set("prefill_serial_fraction", 1.25);
  rows.push_back(synthetic::eval("photon-large", "photon", 1, 1.95));
  return rows;
}

/// A page for all tests of a suite, each of which opens it anew.
struct Page : testing::Test {
  static inline const char* keep = std::getenv("PHOTON_TEST_KEEP");
  static inline std::vector<ResultRow> rows = rows_of_page();
  static inline fs::path folder, page;
  static inline std::unique_ptr<Browser> browser;

  static void SetUpTestSuite() { make(false); }
  static void TearDownTestSuite() {
    browser.reset();
    if (keep == nullptr) fs::remove_all(folder);
  }
  void SetUp() override {
    if (const std::string why = Browser::missing(); !why.empty()) GTEST_SKIP() << why;
  }

  /// The paper's figures and tables take a while.
  static void make(bool with_paper) {
    if (!Browser::missing().empty()) return;
    folder = keep ? fs::path(keep) : fs::temp_directory_path() / ("photon-page-" + std::to_string(getpid()));
    fs::create_directories(folder);
    ReportRequest request;
    request.results = {folder / "results.csv"};
    std::ofstream(request.results[0], std::ios::binary) << to_csv(rows);
    request.metrics = {metrics("vanilla-small-seed1", false), metrics("photon-small-seed1", true),
                       metrics("photon-small-seed2", true)};
    request.simulations = {fleets()};
    request.models = {share_folder() / "configs/models/photon-tiny.toml"};
    if (with_paper) {
      request.paper_models = share_folder() / "configs/models";
      request.paper_hardware = share_folder() / "configs/hardware/h200.toml";
    }
    request.out = folder / "report";
    page = write_report(request);
    browser = std::make_unique<Browser>(folder / "browser");
  }

  static fs::path metrics(const std::string& run, bool with_rec) {
    fs::create_directories(folder / run);
    std::ofstream out(folder / run / "metrics.csv");
    out << "step,tokens,token_loss,rec,gradient_norm\n";
    for (int step = 1; step <= 90; ++step) {
      out << step << ',' << step * 4096 << ',' << 3 + 4 * std::exp(-step / 20.0) << ','
          << (with_rec ? std::exp(-step / 30.0) : 0.0) << ',' << 1.0 + 3.0 / step << '\n';
    }
    return folder / run / "metrics.csv";
  }

  static fs::path fleets() {
    std::vector<simulation::Row> simulated(3);
    for (size_t i = 0; i < simulated.size(); ++i) {
      const double load = 10.0 * static_cast<double>(i + 1);
      simulated[i].model = "photon-small";
      simulated[i].architecture = "photon";
      simulated[i].generation = "recgen";
      simulated[i].hardware = "SYNTHETIC";
      simulated[i].band = "mid";
      simulated[i].arrivals = "poisson";
      simulated[i].offered_requests_per_s = load;
      simulated[i].throughput_tokens_per_s = 100.0 * load;
      simulated[i].ttft_p99_seconds = 0.01 * load;
    }
    std::ofstream(folder / "simulation.csv", std::ios::binary) << simulation::to_csv(simulated);
    return folder / "simulation.csv";
  }

  void picture(const std::string& name) {
    if (keep != nullptr) browser->screenshot(folder / (name + ".png"));
  }
  std::string style(const std::string& selector, const std::string& property) {
    return browser->evaluate(
        fmt::format("getComputedStyle(document.querySelector('{}'))['{}']", selector, property));
  }
  /// Of a colour as getComputedStyle gives it: WCAG 2, relative luminance.
  double luminance(const std::string& color) {
    const json parts = browser->evaluate(fmt::format("'{}'.match(/[0-9.]+/g).map(Number)", color));
    const auto linear = [&](size_t i) {
      const double c = double(parts.at(i)) / 255.0;
      return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(0) + 0.7152 * linear(1) + 0.0722 * linear(2);
  }
  double contrast(const std::string& a, const std::string& b) {
    const double x = luminance(a), y = luminance(b);
    return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
  }
};

struct WholePage : Page {
  static void SetUpTestSuite() { make(true); }
};

TEST_F(WholePage, KeepsToTheWindowAndComplainsOfNothing) {
  for (const int width : widths) {
    SCOPED_TRACE(width);
    browser->open(page, {.width = width});
    EXPECT_EQ(browser->evaluate("innerWidth"), width);
    EXPECT_EQ(browser->evaluate("document.documentElement.scrollWidth"), width) << "it scrolls sideways";
    // What is wider than the window must stand in something that scrolls by itself.
    const json wide = browser->evaluate(R"js(
      [...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 &&
        !e.closest('.wide, .panel.big, pre')).map((e) => e.outerHTML.slice(0, 200)))js");
    EXPECT_EQ(wide, json::array());
    const json cut = browser->evaluate(R"js(
      [...document.querySelectorAll('.panel svg')].flatMap((svg) => [...svg.querySelectorAll('text')].filter((t) => {
        const a = t.getBoundingClientRect(), b = svg.getBoundingClientRect();
        return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
      }).map((t) => svg.ariaLabel + ': ' + t.textContent)))js");
    EXPECT_EQ(cut, json::array()) << "text that is cut off";
    const std::vector<std::string> complaints = browser->complaints();
    EXPECT_TRUE(complaints.empty()) << complaints.front();
    picture(fmt::format("light-{}", width));
  }
}

TEST_F(Page, EveryDeclarationOfItsStyleIsUnderstood) {
  browser->open(page, {});
  const json refused = browser->evaluate(R"js(
    [...document.querySelector('style').textContent.replace(/\/\*[^]*?\*\//g, '').matchAll(/\{([^{}]*)\}/g)]
      .flatMap((block) => block[1].split(';')).map((line) => line.trim()).filter(Boolean)
      .filter((line) => {
        const [property, ...value] = line.split(':');
        return !property.startsWith('--') && property !== 'size' && !CSS.supports(property, value.join(':'));
      }))js");
  // Of two spellings of one property a browser knows one.
  std::set<std::string> left;
  for (const std::string line : refused) left.insert(line.substr(0, line.find(':')));
  left.erase("-webkit-text-size-adjust");
  left.erase("text-size-adjust");
  EXPECT_TRUE(left.empty()) << refused.dump(1);
}

TEST_F(Page, LooksAsItsStyleSays) {
  browser->open(page, {.width = 1280});
  EXPECT_EQ(style("body", "maxWidth"), "1280px");
  EXPECT_EQ(style("body", "boxSizing"), "border-box");
  EXPECT_EQ(style("nav", "columnCount"), "2");
  EXPECT_EQ(style("td", "whiteSpace"), "nowrap");
  EXPECT_EQ(style("td:not(.t)", "textAlign"), "right");
  EXPECT_EQ(style("td.t", "textAlign"), "left");
  EXPECT_EQ(style("table", "fontSize"), "12.8px");
  EXPECT_EQ(style("h2", "borderTopWidth"), "1px");
  EXPECT_EQ(style(".wide", "overflowX"), "auto");
  EXPECT_EQ(
      browser->evaluate("document.querySelector('main > section > p').getBoundingClientRect().width <= 704"),
      true)
      << "a line of text is no longer than 44 rem";
  EXPECT_NE(style(".panel svg text", "fontFamily").find("sans-serif"), std::string::npos);

  const auto tops = [&] {
    return browser->evaluate(
        "[...document.querySelectorAll('#pareto-tpm-pf-8 .panel')].map((p) => "
        "p.getBoundingClientRect().top)");
  };
  const json beside = tops();
  ASSERT_EQ(beside.size(), 2u);
  EXPECT_EQ(beside[0], beside[1]);
  browser->open(page, {.width = 390});
  EXPECT_EQ(style("nav", "columnCount"), "1");
  const json below = tops();
  EXPECT_GT(double(below[1]), double(below[0]) + 100.0) << "panels stand one under another on a phone";
}

TEST_F(WholePage, CanBeReadInLightAndInTheDark) {
  for (const char* scheme : {"light", "dark"}) {
    SCOPED_TRACE(scheme);
    browser->open(page, {.scheme = scheme});
    const std::string ground = style("html", "backgroundColor");
    EXPECT_EQ(luminance(ground) > 0.5, std::string(scheme) == "light") << ground;
    for (const char* text : {"body", "h2", "td", "caption", "figcaption", "main a", ".lead", "summary"})
      EXPECT_GE(contrast(style(text, "color"), ground), 4.5) << text;
    EXPECT_GE(contrast(style("nav a", "color"), style("nav", "backgroundColor")), 4.5);
    for (const int width : widths) {
      browser->open(page, {.width = width, .scheme = scheme});
      if (std::string(scheme) == "dark") picture(fmt::format("dark-{}", width));
    }
  }
}

TEST_F(WholePage, PrintsInBlackOnWhiteWithoutWhatOnlyAScreenCanDo) {
  constexpr int paper = 1016;  // A4 landscape without its margins
  browser->open(page, {.width = paper, .media = "print", .scheme = "dark"});
  for (const char* gone : {"nav", ".tools", ".files", ".permalink"})
    EXPECT_EQ(style(gone, "display"), "none");
  EXPECT_EQ(style("body", "color"), "rgb(28, 28, 28)");
  EXPECT_EQ(browser->evaluate("document.documentElement.scrollWidth"), paper);
  const json cut = browser->evaluate(R"js(
    [...document.querySelectorAll('table')].filter((t) => t.getBoundingClientRect().right > innerWidth + 1)
      .map((t) => t.caption?.textContent ?? t.outerHTML.slice(0, 200)))js");
  EXPECT_EQ(cut, json::array()) << "paper does not scroll";
  const std::string pdf = browser->pdf();
  EXPECT_TRUE(pdf.starts_with("%PDF"));
  if (keep != nullptr) std::ofstream(folder / "print.pdf", std::ios::binary) << pdf;
}

TEST_F(Page, PointsLieWhereGnuplotDrewThem) {
  browser->open(page, {});
  // Every mark of a curve or cloud in a panel has a point to hover over at its place, and the other way
  // round.
  const json off = browser->evaluate(R"js(
    [...document.querySelectorAll('#pareto-tpm-pf-8 .panel, #floor-1 .panel, #context-kv-bytes .panel, ' +
        '#simulated-load .panel')].flatMap((panel) => {
      const place = (e) => e.getAttribute('transform').match(/translate\(([^,]+),([^)]+)\)/).slice(1).map(Number);
      const marks = [...panel.querySelectorAll('[id*=gnuplot_plot] use[transform]')].map(place);
      const spots = [...panel.querySelectorAll('.spot circle')].map((c) => [c.cx.baseVal.value, c.cy.baseVal.value]);
      const alone = (from, among) =>
        from.filter(([x, y]) => !among.some(([u, v]) => Math.hypot(x - u, y - v) < 1));
      return spots.length ? [...alone(marks, spots), ...alone(spots, marks)] : ['no points'];
    }))js");
  EXPECT_EQ(off, json::array());
}

TEST_F(Page, PointsTellWhatTheyAreAndLeadToTheirRow) {
  browser->open(page, {});
  EXPECT_EQ(browser->evaluate("document.body.innerHTML.includes('using 1:2')"), false);
  EXPECT_EQ(browser->evaluate("document.querySelectorAll('svg title').length"), 0) << "shown twice";
  const json places = browser->evaluate(R"js(
    [...document.querySelectorAll('#floor-1 .panel:first-child a.spot')].map((a) => a.getAttribute('href')))js");
  std::set<std::string> links;
  for (const std::string link : places) links.insert(link);
  size_t told = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const ResultRow& row = rows[i];
    if (row.text("regime") != "pf/8") continue;
    SCOPED_TRACE(i);
    ++told;
    const std::string link = fmt::format("#row-{}", i);
    ASSERT_TRUE(links.contains(link));
    const std::string spot = fmt::format("document.querySelector('#floor-1 a[href=\"{}\"]')", link);
    browser->evaluate(spot + ".scrollIntoView({block: 'center'})");
    const json at = browser->evaluate(
        fmt::format("(({{left, top, width, height}}) => [left + width / 2, top + height / 2])"
                    "({}.getBoundingClientRect())",
                    spot));
    browser->move_mouse(1, 1);
    EXPECT_EQ(browser->evaluate("document.getElementById('tip').hidden"), true);
    browser->move_mouse(at[0], at[1]);
    const std::string tip = browser->evaluate("document.getElementById('tip').innerText");
    ASSERT_EQ(browser->evaluate("document.getElementById('tip').hidden"), false);
    for (const std::string& part :
         {row.text("model"), "batch " + row.text("batch"), std::string("PF/8"), std::string("measured")})
      EXPECT_NE(tip.find(part), std::string::npos) << part << " is not in: " << tip;
    const json box = browser->evaluate(
        "(({left, right}) => [left, right])(document.getElementById('tip').getBoundingClientRect())");
    EXPECT_GE(double(box[0]), 0.0);
    EXPECT_LE(double(box[1]), 1280.0);

    browser->click(at[0], at[1]);
    const std::string hash = browser->evaluate("location.hash");
    ASSERT_TRUE(links.contains(hash)) << hash;
    const ResultRow& led_to = rows.at(std::stoul(hash.substr(std::string("#row-").size())));
    EXPECT_NE(tip.find(led_to.text("model")), std::string::npos) << tip;
    const std::string target = browser->evaluate("document.querySelector('tr:target').textContent");
    EXPECT_NE(target.find(led_to.text("model")), std::string::npos) << target;
    EXPECT_NE(target.find(fmt::format(":{}", std::stoul(hash.substr(5)) + 2)), std::string::npos) << target;
  }
  EXPECT_GT(told, 5u);
}

TEST_F(Page, PointsCanBeReachedWithoutAMouse) {
  browser->open(page, {});
  browser->evaluate("document.querySelector('#floor-1 .spot[tabindex=\"0\"]').focus()");
  const std::string first = browser->evaluate("document.getElementById('tip').innerText");
  browser->press("ArrowRight");
  const std::string second = browser->evaluate("document.getElementById('tip').innerText");
  EXPECT_NE(first, second);
  const std::string focused = browser->evaluate("document.activeElement.getAttribute('aria-label')");
  EXPECT_TRUE(second.starts_with(focused)) << second;
  const std::string link = browser->evaluate("document.activeElement.getAttribute('href')");
  browser->press("Enter");
  EXPECT_EQ(browser->evaluate("location.hash"), link);
  // A panel is one stop of the Tab key.
  EXPECT_EQ(browser->evaluate(R"js(
    [...document.querySelectorAll('.panel')].filter((p) => p.querySelectorAll('.spot').length &&
      p.querySelectorAll('.spot[tabindex="0"]').length !== 1).length)js"),
            0);
  EXPECT_EQ(browser->evaluate(R"js(
    [...document.querySelectorAll('button, a, input, [role=img], [role=group], [role=region]')]
      .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.ariaLabel || e.closest('label')))
      .map((e) => e.outerHTML.slice(0, 200)))js"),
            json::array())
      << "without a name";
}

TEST_F(Page, AModelAndMethodLooksTheSameInAllFigures) {
  browser->open(page, {});
  const json legends = browser->evaluate(R"js(
    [...document.querySelectorAll('figure')].map((f) => [f.id, [...f.querySelectorAll('.legend li')].map((li) =>
      [li.textContent, li.querySelector('use') ? li.querySelector('use').getAttribute('href').replace(/.*-gp/, '') +
        li.querySelector('use').getAttribute('color') : null])]))js");
  std::map<std::string, std::string> looks;
  for (const json& figure : legends) {
    std::set<std::string> entries;
    for (const json& entry : figure[1]) {
      EXPECT_TRUE(entries.insert(entry[0]).second) << figure[0] << " names twice: " << entry[0];
      if (entry[1].is_null()) continue;
      const auto [known, fresh] = looks.try_emplace(entry[0], entry[1]);
      EXPECT_EQ(known->second, entry[1].get<std::string>()) << entry[0] << " in " << figure[0];
    }
  }
  EXPECT_TRUE(looks.contains("PHOTON HierGen, photon-large"));
  EXPECT_NE(looks["PHOTON HierGen, photon-large"], looks["PHOTON HierGen, photon-small"]);
  // Symbols are there to be drawn.
  EXPECT_EQ(browser->evaluate(R"js([...document.querySelectorAll('use')].filter((u) =>
    !document.querySelector(u.getAttribute('href') ?? u.getAttribute('xlink:href'))).length)js"),
            0);
}

TEST_F(Page, ALossThatDoesNotExistHasNoCurve) {
  browser->open(page, {});
  const auto told = [&](const std::string& panel) {
    return browser->evaluate(fmt::format(
        "[...document.querySelectorAll('#training-curves .panel')].filter((p) => "
        "p.textContent.includes('{}')).flatMap((p) => [...p.querySelectorAll('.spot')]).map((s) => "
        "s.getAttribute('aria-label').split('\\n')[0]).filter((t, i, all) => all.indexOf(t) === i)",
        panel));
  };
  EXPECT_EQ(told("Training loss"), json({"vanilla-small-seed1", "photon-small (2 seeds)"}));
  EXPECT_EQ(told("Reconstruction loss"), json({"photon-small (2 seeds)"}));
}

TEST_F(Page, AFractionAboveOneExplainsItselfWhereItStands) {
  browser->open(page, {});
  const json marked = browser->evaluate(R"js(
    [...document.querySelectorAll('td sup')].map((s) => [s.textContent, s.title.startsWith('Above 1'),
      s.closest('.wide').nextElementSibling.textContent.includes('Above 1')]))js");
  ASSERT_GT(marked.size(), 0u);
  for (const json& mark : marked) EXPECT_EQ(mark, json({"†", true, true}));
  EXPECT_EQ(
      browser->evaluate("document.querySelector('#floor-1 figcaption').textContent.includes('Above 1')"),
      true);
  EXPECT_EQ(
      browser->evaluate("document.querySelector('#floor-2 figcaption').textContent.includes('Above 1')"),
      false);
}

TEST_F(Page, TablesSortFilterShowOtherColumnsAndGoIntoFiles) {
  browser->open(page, {});
  browser->evaluate(R"js((() => {
    const box = document.getElementById('row-9').closest('.wide');
    window.table = box.querySelector('table');
    window.tools = box.previousElementSibling;
    window.column = (name) => [...table.tHead.rows[0].cells].findIndex((h) => h.firstChild.textContent === name);
    window.values = (name) => [...table.tBodies[0].rows].filter((r) => !r.hidden)
      .map((r) => r.cells[column(name)].dataset.value ?? r.cells[column(name)].textContent);
    window.blobs = [];
    URL.createObjectURL = (blob) => (blobs.push(blob), 'data:text/csv,');
  })())js");
  const auto values = [&](const std::string& column) {
    return browser->evaluate("values('" + column + "')");
  };
  const auto sort = [&](const std::string& column) {
    browser->evaluate(
        fmt::format("table.tHead.rows[0].cells[column('{}')].querySelector('button').click()", column));
  };
  std::vector<double> rates;
  std::vector<std::string> models;
  for (const ResultRow& row : rows) {
    if (row.text("kind") != "bench") continue;
    rates.push_back(*row.number("throughput_tokens_per_s"));
    models.push_back(row.text("model"));
  }
  const auto numbers = [&] {
    std::vector<double> out;
    for (const std::string text : values("throughput_tokens_per_s")) out.push_back(std::stod(text));
    return out;
  };
  EXPECT_EQ(numbers(), rates) << "every digit";
  sort("throughput_tokens_per_s");
  std::sort(rates.begin(), rates.end());
  EXPECT_EQ(numbers(), rates);
  sort("throughput_tokens_per_s");
  std::reverse(rates.begin(), rates.end());
  EXPECT_EQ(numbers(), rates);
  EXPECT_EQ(browser->evaluate("[...table.querySelectorAll('[aria-sort]')].map((h) => h.ariaSort)"),
            json({"descending"}));
  sort("model");
  std::sort(models.begin(), models.end());
  EXPECT_EQ(values("model"), json(models));

  EXPECT_EQ(browser->evaluate("table.tHead.rows[0].cells[column('argv')].hidden"), true);
  browser->evaluate(R"js([...tools.querySelectorAll('label')].find((l) => l.textContent.trim() === 'argv')
    .querySelector('input').click())js");
  EXPECT_EQ(browser->evaluate("getComputedStyle(table.tBodies[0].rows[0].cells[column('argv')]).display"),
            "table-cell");

  browser->evaluate(R"js((() => {
    const input = tools.querySelector('input[type=search]');
    input.value = 'Photon-LARGE hiergen';
    input.dispatchEvent(new Event('input'));
  })())js");
  EXPECT_EQ(values("model"), json({"photon-large"}));
  browser->evaluate("[...tools.querySelectorAll('button')].find((b) => b.textContent === 'CSV').click()");
  const std::string csv = browser->evaluate("blobs[0].text()");
  const size_t line = csv.find('\n');
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 2);
  EXPECT_NE(csv.substr(0, line).find("throughput_tokens_per_s tokens/s"), std::string::npos);
  EXPECT_NE(csv.substr(0, line).find(",argv"), std::string::npos);
  EXPECT_NE(csv.substr(line).find(",321.25,"), std::string::npos) << csv;
  EXPECT_NE(csv.substr(line).find(",photon SYNTHETIC"), std::string::npos) << csv;

  // A link to a row that the filter hides shows it.
  EXPECT_EQ(browser->evaluate("document.getElementById('row-9').hidden"), true);
  browser->evaluate(
      "new Promise((done) => { addEventListener('hashchange', () => setTimeout(done)); "
      "location.hash = '#row-9'; })");
  EXPECT_EQ(browser->evaluate("document.getElementById('row-9').hidden"), false);

  // The file as it was read comes back as it was read.
  browser->evaluate("document.querySelector('details.file[data-name=\"results.csv\"] button').click()");
  EXPECT_EQ(browser->evaluate("blobs[1].text()"), to_csv(rows));
  EXPECT_TRUE(browser->complaints().empty());

  // Whatever stands in a column of numbers can be put in order.
  const json words = browser->evaluate(R"js(
    [...document.querySelectorAll('td:not(.t)')].map((c) => c.dataset.value ?? c.textContent.trim())
      .filter((text) => text !== '–' && !Number.isFinite(Number(text.replaceAll(',', '').replace(/ %$/, '')))))js");
  EXPECT_EQ(words, json::array());
}

TEST_F(Page, FiguresHaveLinksOfTheirOwn) {
  browser->open(page, {});
  const json ids = browser->evaluate("[...document.querySelectorAll('figure')].map((f) => f.id)");
  ASSERT_GT(ids.size(), 6u);
  EXPECT_EQ(
      browser->evaluate(
          "[...document.querySelectorAll('figure a.permalink')].map((a) => a.getAttribute('href').slice(1))"),
      ids);
  browser->open(page, {}, "#training-curves");
  EXPECT_LT(double(browser->evaluate(
                "Math.abs(document.getElementById('training-curves').getBoundingClientRect().top)")),
            200.0);
}

}  // namespace
}  // namespace photon::analysis
