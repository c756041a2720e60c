// SPDX-License-Identifier: Apache-2.0
#include "core/text/checkpoint_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/model/parameters.h"

namespace photon {

Tokenizer checkpoint_tokenizer(const std::filesystem::path& folder, const Checkpoint& checkpoint) {
  const auto path = folder / "tokenizer.model";
  if (!std::filesystem::exists(path))
    throw Error(fmt::format("{}: no tokenizer.model in it, which text needs", folder.string()));
  Tokenizer tokenizer(path);
  if (checkpoint.tokenizer_hash != 0 && checkpoint.tokenizer_hash != tokenizer.hash()) {
    throw Error(fmt::format(
        "{}: another tokenizer (hash {:016x}) than the one that the weights beside it were stored "
        "with (hash {:016x})",
        path.string(), tokenizer.hash(), checkpoint.tokenizer_hash));
  }
  const ModelSpec& spec = checkpoint.spec;
  if (tokenizer.vocab() > spec.vocab) {
    throw Error(fmt::format("{}: {} pieces, the model has rows for {}", path.string(), tokenizer.vocab(),
                            spec.vocab));
  }
  if (spec.begin_of_text && *spec.begin_of_text >= tokenizer.vocab()) {
    throw Error(fmt::format("{}: {} pieces, of which begin_of_text = {} of config.toml is none",
                            path.string(), tokenizer.vocab(), *spec.begin_of_text));
  }
  return tokenizer;
}

EncodedText encode_text(const ModelSpec& spec, const Tokenizer& tokenizer, std::string_view text) {
  EncodedText encoded = tokenizer.encode_with_bytes(text);
  if (spec.begin_of_text) {
    encoded.ids.insert(encoded.ids.begin(), static_cast<int32_t>(*spec.begin_of_text));
    encoded.bytes.insert(encoded.bytes.begin(), 0);
  }
  return encoded;
}

Checkpoint without_padding(Checkpoint checkpoint, int64_t pieces) {
  const auto from = parameter_list(checkpoint.spec);
  checkpoint.spec.vocab = pieces;
  checkpoint.spec.validate();
  const auto to = parameter_list(checkpoint.spec);
  auto& values = checkpoint.parameters;
  for (size_t i = 0; i < to.size(); ++i) {
    // Rows of the vocabulary are the first dimension of every tensor that has them, and no tensor moves back.
    if (to[i].offset == from[i].offset) continue;
    std::copy_n(values.begin() + from[i].offset, to[i].size(), values.begin() + to[i].offset);
  }
  values.resize(parameter_elements(checkpoint.spec));
  return checkpoint;
}

}  // namespace photon
