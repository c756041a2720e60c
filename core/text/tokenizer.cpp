// SPDX-License-Identifier: Apache-2.0
#include "core/text/tokenizer.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/read_file.h"
#include "core/base/utf8.h"
#include "core/text/tokenizer_model.h"

namespace photon {
namespace {

constexpr std::string_view space_mark = "\xe2\x96\x81";  // U+2581, SentencePiece's space

/// SentencePiece's memory is a hundred times the text it is given: a longer run without a place to cut is
/// cut.
constexpr size_t max_run_bytes = 1 << 20;

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

/// The ids of words met before, up to a bounded number of them.
class WordMemory {
 public:
  /// Appends the word's ids if they are known.
  bool recall(std::string_view word, std::vector<int32_t>& ids) const {
    const auto found = places_.find(word);
    if (found == places_.end()) return false;
    const auto [begin, count] = found->second;
    ids.insert(ids.end(), ids_.begin() + begin, ids_.begin() + begin + count);
    return true;
  }

  void remember(std::string_view word, std::span<const int32_t> ids) {
    if (word.size() > max_word_bytes || places_.size() >= max_words) return;
    places_.emplace(word, std::pair(static_cast<uint32_t>(ids_.size()), static_cast<uint32_t>(ids.size())));
    ids_.insert(ids_.end(), ids.begin(), ids.end());
  }

 private:
  static constexpr size_t max_word_bytes = 48;
  static constexpr size_t max_words = 1 << 18;  // 30 MB at most

  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_map<std::string, std::pair<uint32_t, uint32_t>, Hash, std::equal_to<>> places_;
  std::vector<int32_t> ids_;
};

}  // namespace

/// Encodes with the model itself or, where that gives the same ids, word by word with a memory of earlier
/// words: text repeats its words, and SentencePiece's BPE is slow on long text.
struct Tokenizer::Impl {
  sentencepiece::SentencePieceProcessor processor;
  std::vector<std::string> pieces;  // bytes of text of every id
  std::array<int32_t, 256> byte_ids{};
  uint64_t hash = 0;
  bool exact = false;         // bytes that SentencePiece would change can go in as byte pieces
  bool space_piece = true;    // U+2581 is in the vocabulary
  bool dummy_prefix = false;  // of an exact model: put before the text here, not by SentencePiece
  bool strip_space = false;
  bool cut_words = false;  // no piece crosses from a word into the space after it
  bool cut_lines = false;  // no piece has a newline and anything else

  mutable std::mutex mutex;
  mutable WordMemory memory;

  const std::string& piece(int32_t id) const;
  void find_cuts();
  void append_raw(std::string_view text, std::vector<int32_t>& ids) const;
  void respell_spaces(std::vector<int32_t>& ids, size_t from) const;
  void append_bytes(std::string_view bytes, std::vector<int32_t>& ids) const;
  void append_exact(std::string_view text, std::vector<int32_t>& ids) const;
  void append_words(std::string_view text, WordMemory& words, std::vector<int32_t>& ids) const;
};

const std::string& Tokenizer::Impl::piece(int32_t id) const {
  if (id < 0 || id >= std::ssize(pieces))
    throw Error(fmt::format("token {} is not in the tokenizer's 0 to {}", id, std::ssize(pieces) - 1));
  return pieces[id];
}

void Tokenizer::Impl::find_cuts() {
  cut_words = cut_lines = true;
  for (const auto& piece : pieces) {
    const size_t word = piece.find_first_not_of(' ');
    if (word != std::string::npos && piece.find(' ', word) != std::string::npos) cut_words = false;
    if (piece.size() > 1 && piece.find('\n') != std::string::npos) cut_lines = false;
  }
}

void Tokenizer::Impl::append_raw(std::string_view text, std::vector<int32_t>& ids) const {
  std::vector<int> part;
  if (!processor.Encode({text.data(), text.size()}, &part).ok())
    throw Error("SentencePiece cannot tokenise this text with this model");
  ids.insert(ids.end(), part.begin(), part.end());
  if (exact && !space_piece) respell_spaces(ids, ids.size() - part.size());
}

/// Without a piece for U+2581 the library spells a space as that character's bytes, which would come back as
/// the character. Where the text has no such character these three are a space, and never parts of others.
void Tokenizer::Impl::respell_spaces(std::vector<int32_t>& ids, size_t from) const {
  std::array<int32_t, 3> mark{};
  for (size_t i = 0; i < mark.size(); ++i) mark[i] = byte_ids[static_cast<unsigned char>(space_mark[i])];
  const auto end = ids.end();
  auto to = ids.begin() + static_cast<ptrdiff_t>(from);
  for (auto at = to; at != end;) {
    const bool space = end - at >= std::ssize(mark) && std::equal(mark.begin(), mark.end(), at);
    *to++ = space ? byte_ids[' '] : *at;
    at += space ? std::ssize(mark) : 1;
  }
  ids.erase(to, end);
}

void Tokenizer::Impl::append_bytes(std::string_view bytes, std::vector<int32_t>& ids) const {
  for (const char byte : bytes) ids.push_back(byte_ids[static_cast<unsigned char>(byte)]);
}

void Tokenizer::Impl::append_exact(std::string_view text, std::vector<int32_t>& ids) const {
  while (!text.empty()) {
    std::string_view valid = text.substr(0, find_invalid_utf8(text));
    text.remove_prefix(valid.size());
    while (!valid.empty()) {
      const std::string_view plain = valid.substr(0, valid.find(space_mark));
      if (!plain.empty()) append_raw(plain, ids);
      valid.remove_prefix(plain.size());
      if (valid.empty()) break;
      append_bytes(space_mark, ids);
      valid.remove_prefix(space_mark.size());
    }
    if (text.empty()) break;
    append_bytes(text.substr(0, 1), ids);
    text.remove_prefix(1);
  }
}

void Tokenizer::Impl::append_words(std::string_view text, WordMemory& words,
                                   std::vector<int32_t>& ids) const {
  const auto cut_before = [&](size_t at) {
    if (text[at] == ' ') return cut_words && text[at - 1] != ' ';
    return cut_lines && (text[at] == '\n' || text[at - 1] == '\n');
  };
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin + 1;
    while (end < text.size() && !cut_before(end)) {
      if (end - begin >= max_run_bytes && (text[end] & 0xC0) != 0x80) break;
      ++end;
    }
    const std::string_view word = text.substr(begin, end - begin);
    begin = end;
    if (words.recall(word, ids)) continue;
    const size_t before = ids.size();
    append_exact(word, ids);
    words.remember(word, std::span(ids).subspan(before));
  }
}

Tokenizer::Tokenizer(const std::filesystem::path& model) : impl_(std::make_unique<Impl>()) {
  const std::string blob = read_file(model);
  auto& p = impl_->processor;
  if (blob.empty() || !p.LoadFromSerializedProto(blob).ok()) {
    throw Error(fmt::format("{}: {}, no SentencePiece model", model.string(),
                            blob.empty() ? "an empty file" : "broken off, damaged or something else"));
  }
  if (p.eos_id() < 0) throw Error(fmt::format("{}: the model has no end-of-sentence piece", model.string()));
  impl_->hash = stable_hash(blob);
  int byte_pieces = 0;
  for (int id = 0; id < p.GetPieceSize(); ++id) {
    std::string bytes;
    if (p.IsByte(id)) {
      bytes.push_back(static_cast<char>(std::stoi(p.IdToPiece(id).substr(3, 2), nullptr, 16)));  // "<0x0A>"
      impl_->byte_ids[static_cast<unsigned char>(bytes[0])] = id;
      ++byte_pieces;
    } else if (!p.IsControl(id) && !p.IsUnknown(id)) {
      bytes = with_spaces(p.IdToPiece(id));
    }
    impl_->pieces.push_back(std::move(bytes));
  }

  const auto settings = read_tokenizer_settings(blob);
  impl_->strip_space = settings.dummy_prefix || settings.remove_extra_whitespaces;
  impl_->exact = byte_pieces == 256 && settings.model_type == 2 && settings.escape_whitespaces &&
                 !settings.remove_extra_whitespaces && !settings.character_map && !settings.whitespace_suffix;
  if (!impl_->exact) return;
  impl_->find_cuts();
  impl_->space_piece = !p.IsUnknown(p.PieceToId(std::string(space_mark)));
  impl_->dummy_prefix = settings.dummy_prefix;
  if (settings.dummy_prefix && !p.LoadFromSerializedProto(without_dummy_prefix(blob)).ok()) {
    throw Error(fmt::format("{}: the model does not load a second time", model.string()));
  }
}

Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  if (!impl_->exact) {
    impl_->append_raw(text, ids);
    return ids;
  }
  std::string prefixed;
  if (impl_->dummy_prefix && !text.empty()) text = prefixed.append(" ").append(text);
  if (const std::unique_lock lock(impl_->mutex, std::try_to_lock); lock.owns_lock()) {
    impl_->append_words(text, impl_->memory, ids);
  } else {
    WordMemory own;
    impl_->append_words(text, own, ids);
  }
  return ids;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  StreamDecoder decoder(*this);
  std::string text = decoder.append(ids);
  text.append(decoder.finish());
  if (impl_->strip_space && text.starts_with(' ')) text.erase(0, 1);
  return text;
}

int64_t Tokenizer::vocab() const {
  return impl_->processor.GetPieceSize();
}
std::string Tokenizer::piece_name(int32_t id) const {
  piece_bytes(id);  // the range
  return impl_->processor.IdToPiece(id);
}
std::optional<int32_t> Tokenizer::find_piece(std::string_view name) const {
  const int32_t id = impl_->processor.PieceToId({name.data(), name.size()});
  if (impl_->processor.IdToPiece(id) != name) return {};  // what is not found is the unknown piece
  return id;
}
int32_t Tokenizer::unknown() const {
  return impl_->processor.unk_id();
}
int32_t Tokenizer::end_of_text() const {
  return impl_->processor.eos_id();
}
uint64_t Tokenizer::hash() const {
  return impl_->hash;
}

bool Tokenizer::spells_text() const {
  return impl_->exact;
}

EncodedText Tokenizer::encode_with_bytes(std::string_view text) const {
  EncodedText out;
  if (impl_->exact) {
    out.ids = encode(text);
    out.bytes = bytes_of(out.ids);
    return out;
  }
  const auto pieces = impl_->processor.EncodeAsImmutableProto({text.data(), text.size()});
  if (pieces.pieces_size() == 0) {  // nothing to tell, or a failure of which this call says nothing
    out.ids = encode(text);
    return out;
  }
  size_t begin = 0;  // white space that was removed goes to the first and last piece
  for (size_t i = 0; i < pieces.pieces_size(); ++i) {
    const auto piece = pieces.pieces(static_cast<int>(i));
    const bool last = i + 1 == pieces.pieces_size();
    const size_t end = last ? text.size() : piece.end();
    const auto id = static_cast<int32_t>(piece.id());
    out.ids.push_back(id);
    out.bytes.push_back(impl_->processor.IsUnknown(id) ? unknown_bytes : static_cast<int32_t>(end - begin));
    begin = end;
  }
  return out;
}

std::vector<int32_t> Tokenizer::bytes_of(std::span<const int32_t> ids) const {
  std::vector<int32_t> bytes;
  if (!impl_->exact) return bytes;
  bool begins = true;  // nothing of this text so far
  for (const int32_t id : ids) {
    const std::string& piece = impl_->piece(id);
    const bool put_before = begins && impl_->dummy_prefix && piece.starts_with(' ');
    bytes.push_back(static_cast<int32_t>(piece.size()) - (put_before ? 1 : 0));
    begins = piece.empty() && (begins || id == end_of_text());
  }
  return bytes;
}

std::string Tokenizer::piece_bytes(int32_t id) const {
  return impl_->piece(id);
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

}  // namespace photon
