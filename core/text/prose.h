// SPDX-License-Identifier: Apache-2.0
// Prose out of HTML and wrapped lines: paragraphs, and which of them are running English.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace photon {

/// Text between block tags, other tags dropped, entities decoded, white space collapsed.
std::vector<std::string> html_paragraphs(std::string_view html);

/// Lines joined between empty ones.
std::vector<std::string> joined_paragraphs(std::span<const std::string> lines);

/// At least 120 characters and 20 words, 90 % letters and spaces, 25 % function words: no table, list of
/// links or bibliography.
bool is_english_prose(std::string_view paragraph);

}  // namespace photon
