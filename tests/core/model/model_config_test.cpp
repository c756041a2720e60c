// SPDX-License-Identifier: Apache-2.0
#include "core/model/model_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

#include "core/base/error.h"
#include "core/base/paths.h"
#include "core/model/parameters.h"
#include "tests/core/base/temp_folder.h"
#include "tests/support.h"

namespace photon {
namespace {

const std::filesystem::path models = share_folder() / "configs" / "models";

std::vector<std::filesystem::path> model_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(models)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

const std::string head = "name = \"m\"\nvocab = 50\nwidth = 24\nffn = 40\nheads = 4\n";  // lines 1 to 5
const std::string level =
    "[[level]]\nchunk = 4\nprefix = 2\nencoder_layers = 1\ndecoder_layers = 1\n";  // 5 lines

std::string fault(const std::string& toml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_model_spec(toml, "m.toml", overrides);
  } catch (const Error& e) {
    return e.what();
  }
  ADD_FAILURE() << "accepted:\n" << toml;
  return "";
}

TEST(ModelConfig, FillsInWhatIsUnset) {
  const ModelSpec spec = parse_model_spec(head + level + level, "m.toml");
  EXPECT_EQ(spec.base, (StackShape{.width = 24, .ffn = 40, .heads = 4, .kv_heads = 4}));
  EXPECT_EQ(spec.reading, Reading::causal);
  EXPECT_EQ(spec.rope_theta, 10000.0);
  EXPECT_EQ(spec.norm_eps, 1e-5);
  ASSERT_EQ(spec.depth(), 2);
  for (const LevelSpec& l : spec.levels) {
    EXPECT_EQ(l.shape, spec.base);
    EXPECT_EQ(l.encoder_window, EncoderWindow{});
    EXPECT_EQ(l.converter_context, 1);
  }
}

TEST(ModelConfig, LevelsTakeTheirOwnShapeOrLevelZeros) {
  const auto shapes = [](const std::string& base, const std::string& own) {
    return parse_model_spec(head + base + level + own, "m.toml").level(1).shape;
  };
  EXPECT_EQ(shapes("kv_heads = 2\n", ""), (StackShape{24, 40, 4, 2}));
  EXPECT_EQ(shapes("kv_heads = 2\n", "width = 48\n"), (StackShape{48, 40, 4, 2}));
  EXPECT_EQ(shapes("kv_heads = 2\n", "heads = 6\n"), (StackShape{24, 40, 6, 6})) << "own heads, own default";
  EXPECT_EQ(shapes("kv_heads = 2\n", "heads = 6\nkv_heads = 3\n"), (StackShape{24, 40, 6, 3}));
  EXPECT_EQ(shapes("", "ffn = 7\n"), (StackShape{24, 7, 4, 4}));
}

TEST(ModelConfig, EncoderWindowIsANumberOrBlock) {
  const auto window = [](const std::string& value) {
    return parse_model_spec(head + level + "encoder_window = " + value + "\n" + level, "m.toml")
        .level(1)
        .encoder_window;
  };
  EXPECT_EQ(window("0"), EncoderWindow{});
  EXPECT_EQ(window("7"), (EncoderWindow{.kind = EncoderWindow::Kind::units, .units = 7}));
  EXPECT_EQ(window("\"block\""), (EncoderWindow{.kind = EncoderWindow::Kind::block}));
  EXPECT_NE(fault(head + level + "encoder_window = -1\n" + level).find("m.toml:11: level.1.encoder_window"),
            std::string::npos);
  EXPECT_EQ(fault(head + level + "encoder_window = 1.5\n" + level),
            "m.toml:11: level.1.encoder_window: 0 (unbounded), a number of units or \"block\" is wanted");
  EXPECT_NE(fault(head + level + "encoder_window = \"blok\"\n" + level).find("did you mean \"block\"?"),
            std::string::npos);
  EXPECT_EQ(fault(head + level + level + "encoder_window = 3\n"),
            "m.toml:16: level.2.encoder_window: a window is refused at the top level, whose encoder carries "
            "the past");
}

TEST(ModelConfig, EveryBrokenRuleNamesItsLineAndNumbers) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = head + level + level;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_EQ(fault(with("vocab = 50", "vocab = 0")),
            "m.toml:2: vocab: vocab = 0 is out of range, 1 to 16777216 is allowed");
  EXPECT_EQ(fault(with("vocab = 50", "vocab = 9223372036854775807")).substr(0, 16), "m.toml:2: vocab:");
  EXPECT_EQ(fault(with("width = 24", "width = 26")),
            "m.toml:5: heads: width 26 does not divide into 4 heads");
  EXPECT_EQ(fault(with("width = 24", "width = 12")),
            "m.toml:5: heads: head size 3 (width 12 / heads 4) is odd, the rotation needs an even one");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nkv_heads = 3")),
            "m.toml:6: kv_heads: 4 heads do not divide among 3 kv_heads");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nkv_heads = 5")),
            "m.toml:6: kv_heads: kv_heads = 5 is out of range, 1 to 4 is allowed");
  EXPECT_EQ(fault(with("chunk = 4", "chunk = 0")),
            "m.toml:7: level.1.chunk: chunk = 0 is out of range, 1 to 65536 is allowed");
  EXPECT_EQ(fault(with("chunk = 4", "chunk = 5")),
            "m.toml:7: level.1.chunk: width 24 does not divide into 5 token embeddings (chunk)");
  EXPECT_EQ(fault(with("prefix = 2", "prefix = 0")).substr(0, 24), "m.toml:8: level.1.prefix");
  EXPECT_EQ(fault(with("encoder_layers = 1", "encoder_layers = 0")).substr(0, 32),
            "m.toml:9: level.1.encoder_layers");
  EXPECT_EQ(fault(with("decoder_layers = 1", "decoder_layers = -1")).substr(0, 33),
            "m.toml:10: level.1.decoder_layers");
  EXPECT_EQ(fault(with("decoder_layers = 1", "decoder_layers = 1\nheads = 5")),
            "m.toml:11: level.1.heads: width 24 does not divide into 5 heads");
  EXPECT_EQ(fault(with("chunk = 4", "chunk = 1048576")).substr(0, 23), "m.toml:7: level.1.chunk");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nlayers = 2")),
            "m.toml:6: layers: layers are given beside 2 levels; a hierarchy gives its layers a level");
  EXPECT_EQ(
      fault(with("heads = 4", "heads = 4\nreading = \"casual\"")),
      "m.toml:6: reading is \"casual\", one of \"causal\", \"parallel\", \"literal\", \"hatted\" is wanted; "
      "did you mean \"causal\"?");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nrope_theta = 1")),
            "m.toml:6: rope_theta: rope_theta = 1 must be above 1");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nrope_theta = inf")).substr(0, 20), "m.toml:6: rope_theta");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nbegin_of_text = -1")).substr(0, 23),
            "m.toml:6: begin_of_text");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nbegin_of_text = 16777216")).substr(0, 23),
            "m.toml:6: begin_of_text");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\ntrained_context = -1")).substr(0, 25),
            "m.toml:6: trained_context");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nnorm_eps = 0")).substr(0, 18), "m.toml:6: norm_eps");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\nnorm_eps = nan")).substr(0, 18), "m.toml:6: norm_eps");
  EXPECT_EQ(fault(with("\"m\"", "\"../m\"")).substr(0, 14), "m.toml:1: name");
  EXPECT_EQ(fault(with("decoder_layers = 1\n[", "[")),
            "m.toml:6: level.1.decoder_layers is missing, an integer is wanted");
  EXPECT_EQ(fault(with("prefix = 2", "prefxi = 2")),
            "m.toml:6: level.1.prefix is missing, an integer is wanted; there is 'prefxi' (m.toml:8)");
  EXPECT_EQ(fault(with("heads = 4", "heads = 4\ntheta = 1e4")).substr(0, 28), "m.toml:6: theta: unknown key");
  EXPECT_EQ(fault(with("decoder_layers = 1\n[", "decoder_layers = 1\nnorm_eps = 1e-6\n[")),
            "m.toml:11: level.1.norm_eps: unknown key; 'norm_eps' belongs to the top level, before the first "
            "[table]");
  EXPECT_EQ(fault(head), "m.toml: layers is missing, an integer is wanted");
  std::string nine = head;
  for (int i = 0; i < 9; ++i) nine += level;
  EXPECT_NE(fault(nine).find("9 levels, 0 to 8 are allowed"), std::string::npos);
}

TEST(ModelConfig, OverridesReachEveryKey) {
  const std::string text = head + level + level;
  const ModelSpec spec =
      parse_model_spec(text, "m.toml", {"level.2.chunk=3", "reading=hatted", "level.1.encoder_window=block"});
  EXPECT_EQ(spec.level(1).chunk, 4);
  EXPECT_EQ(spec.level(2).chunk, 3);
  EXPECT_EQ(spec.reading, Reading::hatted);
  EXPECT_EQ(spec.level(1).encoder_window.kind, EncoderWindow::Kind::block);
  EXPECT_EQ(parse_model_spec(text, "m.toml", {"level=[]", "layers=3"}).layers, 3);
  EXPECT_THROW(parse_model_spec(text, "m.toml", {"heads=5"}), UsageError);
  EXPECT_EQ(fault(text, {"heads=5"}),
            "--set heads=5: heads: width 24 does not divide into 5 heads (with --set heads=5)");
  EXPECT_EQ(fault(text, {"width=26"}),
            "m.toml:5: heads: width 26 does not divide into 4 heads (with --set width=26)");
}

TEST(ModelConfig, ShippedModelsRoundTrip) {
  ASSERT_GE(model_files().size(), 19u);
  for (const auto& file : model_files()) {
    SCOPED_TRACE(file.string());
    const ModelSpec spec = load_model_spec(file);
    EXPECT_EQ(spec.name, file.stem().string());
    EXPECT_EQ(spec.name.substr(0, spec.name.find('-')), spec.architecture());
    EXPECT_EQ(parse_model_spec(to_toml(spec), "again"), spec);
    EXPECT_EQ(testing::read_text(file).front(), '#') << "a line on top says what the model is";
  }
}

TEST(ModelConfig, FamiliesAreMatched) {
  for (const std::string size : {"tiny", "small", "base", "600m", "900m", "1.2b"}) {
    SCOPED_TRACE(size);
    const ModelSpec vanilla = load_model_spec(models / ("vanilla-" + size + ".toml"));
    for (const std::string architecture : {"block", "photon"}) {
      const ModelSpec spec = load_model_spec(models / (architecture + "-" + size + ".toml"));
      EXPECT_EQ(spec.base, vanilla.base);
      EXPECT_EQ(spec.vocab, vanilla.vocab);
      int64_t layers = 0;
      for (const LevelSpec& l : spec.levels) {
        layers += l.encoder_layers + l.decoder_layers;
        EXPECT_EQ(l.shape, spec.base);
        EXPECT_EQ(l.chunk, 4);
        EXPECT_EQ(l.prefix, 2);
      }
      EXPECT_EQ(layers, vanilla.layers);
    }
  }
  EXPECT_GE(parameters_total(load_model_spec(models / "photon-base.toml")), 100'000'000);
  const ModelSpec ablation = load_model_spec(models / "photon-600m-2x2.toml");
  EXPECT_EQ(ablation.meta_context(), 4);
  EXPECT_EQ(ablation.embedding_width(), ablation.base.width / 2);
}

TEST(ModelConfig, RandomSpecsRoundTripExactly) {
  const uint64_t seed = testing::test_seed();
  SCOPED_TRACE("PHOTON_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  const auto shape = [&](int64_t divisor) {
    StackShape s;
    s.ffn = pick(1, 99);
    s.kv_heads = pick(1, 3);
    s.heads = s.kv_heads * pick(1, 3);
    s.width = s.heads * 2 * divisor * pick(1, 4);
    return s;
  };
  for (int i = 0; i < 300; ++i) {
    ModelSpec spec;
    spec.name = "r-" + std::to_string(i);
    spec.vocab = pick(1, 99);
    spec.base = shape(1);
    spec.reading = static_cast<Reading>(pick(0, 3));
    spec.rope_theta = std::uniform_real_distribution<>(1.1, 1e6)(random);
    spec.norm_eps = std::exp(std::uniform_real_distribution<>(-30.0, -1.0)(random));
    const int64_t depth = pick(0, 3);
    if (depth == 0) spec.layers = pick(1, 9);
    if (pick(0, 1) == 1) spec.begin_of_text = pick(0, spec.vocab - 1);
    spec.trained_context = pick(0, 1) * pick(1, 99);
    for (int64_t l = 0; l < depth; ++l) {
      LevelSpec s;
      s.chunk = pick(1, 5);
      s.prefix = pick(1, 4);
      s.encoder_layers = pick(1, 9);
      s.decoder_layers = pick(1, 9);
      s.converter_context = pick(1, 4);
      s.shape = shape(s.chunk);
      if (l + 1 < depth && pick(0, 1) == 1)
        s.encoder_window = {.kind = EncoderWindow::Kind::units, .units = pick(1, 99)};
      if (l + 1 < depth && pick(0, 2) == 1) s.encoder_window = {.kind = EncoderWindow::Kind::block};
      spec.levels.push_back(s);
    }
    const std::string text = to_toml(spec);
    ASSERT_EQ(parse_model_spec(text, "random"), spec) << text;
  }
}

// Whatever bytes a file holds, the reader answers with a spec or an Error.
TEST(ModelConfig, MutatedFilesNeverCrash) {
  const uint64_t seed = testing::test_seed();
  SCOPED_TRACE("PHOTON_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  std::vector<std::string> originals;
  for (const auto& file : model_files()) originals.push_back(testing::read_text(file));
  originals.push_back(
      "a.b.c = [1, {x = \"\\u00e9\", y = '''z'''}, 1979-05-27T07:32:00Z, 0x1F, 1e-5, nan]\n[[level]]\n");
  const std::vector<std::string> pieces{"[[level]]\n",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "=",
                                        "\"",
                                        "'''",
                                        "\"\"\"",
                                        "\n",
                                        "\\",
                                        "#",
                                        "1e999",
                                        "-",
                                        ".",
                                        "nan",
                                        "\xff",
                                        "\xf0\x9f",
                                        "99999999999999999999",
                                        "width = 2\n"};
  int accepted = 0;
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = originals[below(originals.size())];
    for (size_t k = 1 + below(4); k > 0; --k) {
      const size_t at = below(text.size() + 1);
      switch (below(5)) {
        case 0:
          text.resize(at);
          break;
        case 1:
          text.insert(at, pieces[below(pieces.size())]);
          break;
        case 2:
          text.erase(at, below(20));
          break;
        case 3:
          text.insert(at, text.substr(below(text.size() + 1), below(40)));
          break;
        default:
          if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
      }
    }
    try {
      const ModelSpec spec = parse_model_spec(text, "mutated");
      EXPECT_EQ(parse_model_spec(to_toml(spec), "again"), spec) << text;
      ++accepted;
    } catch (const Error& e) {
      ASSERT_TRUE(std::string(e.what()).starts_with("mutated:")) << e.what();
      ++refused;
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace photon
