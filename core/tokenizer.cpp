#include "core/tokenizer.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <fstream>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/random.h"

namespace photon {
namespace {

constexpr std::string_view space_mark = "\xe2\x96\x81";  // U+2581, SentencePiece's space

/// Length of a character at the end whose last bytes are still missing; 0 if there is none.
size_t incomplete_tail(std::string_view text) {
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // inside a character
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

std::string with_spaces(const std::string& piece) {
  std::string out;
  for (size_t at = 0; at < piece.size();) {
    const bool mark = piece.compare(at, space_mark.size(), space_mark) == 0;
    out.push_back(mark ? ' ' : piece[at]);
    at += mark ? space_mark.size() : 1;
  }
  return out;
}

/// Iterates over a LineSource for SentencePiece's trainer.
class Lines final : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(const LineSource& source) : source_(source) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    do {
      done_ = !source_(line_);
    } while (!done_ && line_.empty());
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const LineSource& source_;
  std::string line_;
  bool done_ = false;
};

}  // namespace

struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> pieces;  // bytes of text of every id
  uint64_t hash = 0;
};

Tokenizer::Tokenizer(const std::filesystem::path& model) : impl_(std::make_unique<Impl>()) {
  std::ifstream in(model, std::ios::binary);
  const std::string blob{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) throw Error(fmt::format("{}: cannot be read", model.string()));
  auto& p = impl_->processor;
  if (const auto status = p.LoadFromSerializedProto(blob); blob.empty() || !status.ok()) {
    throw Error(fmt::format("{}: no SentencePiece model: {}", model.string(),
                            blob.empty() ? "empty" : status.ToString()));
  }
  if (p.eos_id() < 0) throw Error(fmt::format("{}: the model has no end-of-sentence piece", model.string()));
  impl_->hash = stable_hash(blob);
  for (int id = 0; id < p.GetPieceSize(); ++id) {
    std::string bytes;
    if (p.IsByte(id)) {
      bytes.push_back(static_cast<char>(std::stoi(p.IdToPiece(id).substr(3, 2), nullptr, 16)));  // "<0x0A>"
    } else if (!p.IsControl(id) && !p.IsUnknown(id)) {
      bytes = with_spaces(p.IdToPiece(id));
    }
    impl_->pieces.push_back(std::move(bytes));
  }
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int> ids;
  if (const auto status = impl_->processor.Encode({text.data(), text.size()}, &ids); !status.ok()) {
    throw Error(fmt::format("text cannot be tokenised: {}", status.ToString()));
  }
  return {ids.begin(), ids.end()};
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  StreamDecoder decoder(*this);
  std::string text = decoder.append(ids);
  text.append(decoder.finish());
  return text;
}

int64_t Tokenizer::vocab() const {
  return impl_->processor.GetPieceSize();
}
int32_t Tokenizer::end_of_text() const {
  return impl_->processor.eos_id();
}
uint64_t Tokenizer::hash() const {
  return impl_->hash;
}

int64_t Tokenizer::bytes(int32_t id) const {
  return static_cast<int64_t>(piece_bytes(id).size());
}

std::string Tokenizer::piece_bytes(int32_t id) const {
  if (id < 0 || id >= vocab())
    throw Error(fmt::format("token {} is not in the tokenizer's 0 to {}", id, vocab() - 1));
  return impl_->pieces[static_cast<size_t>(id)];
}

std::string StreamDecoder::append(std::span<const int32_t> ids) {
  for (const int32_t id : ids) pending_ += tokenizer_.piece_bytes(id);
  const size_t whole = pending_.size() - incomplete_tail(pending_);
  std::string text = pending_.substr(0, whole);
  pending_.erase(0, whole);
  return text;
}

std::string StreamDecoder::finish() {
  return std::exchange(pending_, {});
}

void train_tokenizer(const LineSource& lines, int64_t vocab, const std::filesystem::path& out) {
  Lines iterator(lines);
  std::string model;
  // Byte pieces and the control pieces are part of the vocabulary.
  const std::unordered_map<std::string, std::string> options = {{"model_type", "bpe"},
                                                                {"vocab_size", std::to_string(vocab)},
                                                                {"byte_fallback", "true"},
                                                                {"normalization_rule_name", "identity"},
                                                                {"remove_extra_whitespaces", "false"},
                                                                {"add_dummy_prefix", "false"},
                                                                {"max_sentence_length", "1000000"},
                                                                {"character_coverage", "0.9995"},
                                                                {"num_threads", "1"},
                                                                {"minloglevel", "2"},
                                                                {"hard_vocab_limit", "true"}};
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &iterator, &model);
  if (!status.ok()) {
    throw Error(fmt::format("no tokenizer of {} pieces from this text: {}", vocab, status.ToString()));
  }
  AtomicFile file(out);
  file.write(std::as_bytes(std::span(model)));
  file.commit();
}

}  // namespace photon
