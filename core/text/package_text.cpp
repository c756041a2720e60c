// SPDX-License-Identifier: Apache-2.0
#include "core/text/package_text.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>

#include "core/base/error.h"
#include "core/base/read_file.h"
#include "core/base/utf8.h"
#include "core/text/prose.h"

namespace photon {
namespace {

namespace fs = std::filesystem;

constexpr size_t piece_bytes = size_t{64} << 10;
constexpr size_t largest_text = size_t{256} << 20;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Without paragraphs in other encodings.
std::vector<std::string> paragraphs_of(std::string_view text) {
  std::vector<std::string> paragraphs = joined_paragraphs(lines_of(text));
  std::erase_if(paragraphs, [](const std::string& p) { return !is_utf8(p); });
  return paragraphs;
}

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Elements <note>..</note> go with what is in them.
std::string without_notes(std::string_view text) {
  std::string out;
  while (true) {
    const size_t open = text.find("<note");
    out += text.substr(0, open);
    if (open == std::string_view::npos) return out;
    const size_t close = text.find("</note>", open);
    if (close == std::string_view::npos) return out;
    text.remove_prefix(close + std::string_view("</note>").size());
  }
}

/// One testament: `index` has an offset, a packed and an unpacked size for each block of `packed`.
void add_blocks(const fs::path& index, const fs::path& packed, std::vector<PackageText>& out) {
  constexpr size_t entry = 12;
  const std::string entries = read_file(index);
  const std::string data = read_file(packed);
  if (entries.size() % entry != 0) throw Error(fmt::format("{}: breaks off", index.string()));
  for (size_t at = 0; at < entries.size(); at += entry) {
    const auto number = [&](size_t i) { return little_endian(std::string_view(entries).substr(at + 4 * i)); };
    const size_t begin = number(0);
    const size_t size = number(1);
    uLongf made = number(2);
    std::string text(made, '\0');
    if (made > largest_text || begin > data.size() || size > data.size() - begin ||
        ::uncompress(reinterpret_cast<Bytef*>(text.data()), &made,
                     reinterpret_cast<const Bytef*>(data.data() + begin), size) != Z_OK ||
        made != text.size()) {
      throw Error(fmt::format("{}: block {} cannot be unpacked", packed.string(), at / entry));
    }
    if (!is_utf8(text)) throw Error(fmt::format("{}: block {} is no UTF-8", packed.string(), at / entry));
    out.push_back(
        {fmt::format("{}/{}", packed.stem().string(), at / entry), html_paragraphs(without_notes(text))});
  }
}

}  // namespace

std::vector<PackageText> pieces(std::string_view text) {
  std::vector<PackageText> out;
  while (!text.empty()) {
    size_t end = text.find("\n\n", std::min(piece_bytes, text.size()));
    end = std::min(end, text.size());
    out.push_back({fmt::format("{}", out.size()), paragraphs_of(text.substr(0, end))});
    text.remove_prefix(end);
  }
  return out;
}

std::string gunzipped_file(const fs::path& file) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> in(::gzopen(file.c_str(), "rb"), &::gzclose);
  if (in == nullptr) throw Error(fmt::format("{}: cannot be read", file.string()));
  std::string text;
  std::vector<char> part(size_t{1} << 20);
  while (true) {
    const int got = ::gzread(in.get(), part.data(), static_cast<unsigned>(part.size()));
    if (got < 0 || ::gzdirect(in.get()) != 0) throw Error(fmt::format("{}: no gzip file", file.string()));
    text.append(part.data(), static_cast<size_t>(got));
    if (text.size() > largest_text) throw Error(fmt::format("{}: unpacks to too much", file.string()));
    if (got == 0) break;
  }
  int fault = Z_OK;
  ::gzerror(in.get(), &fault);
  if (fault != Z_OK) throw Error(fmt::format("{}: breaks off", file.string()));
  return text;
}

std::vector<PackageText> fortune_texts(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.is_symlink() && !entry.path().has_extension())
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<PackageText> out;
  for (const fs::path& file : files) {
    std::string text;
    for (const std::string& line : lines_of(read_file(file))) (text += line == "%" ? "" : line) += '\n';
    out.push_back({file.filename().string(), paragraphs_of(text)});
  }
  return out;
}

std::vector<PackageText> sword_texts(const fs::path& folder) {
  std::vector<fs::path> indexes;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension().string().ends_with("zs")) indexes.push_back(entry.path());
  }
  std::sort(indexes.begin(), indexes.end());
  if (indexes.empty()) throw Error(fmt::format("{}: no SWORD module", folder.string()));
  std::vector<PackageText> out;
  for (const fs::path& index : indexes) {
    fs::path packed = index;
    packed.replace_extension(index.extension().string().substr(0, 2) + "zz");  // .bzs to .bzz
    add_blocks(index, packed, out);
  }
  return out;
}

}  // namespace photon
