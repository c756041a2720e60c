// SPDX-License-Identifier: Apache-2.0
#include "cuda_impl/emulation/kernel_name.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <vector>

namespace photon::emulation {
namespace {

/// Address of every function in this program's own symbol table (dladdr knows exported ones only) -> its
/// name.
std::map<uintptr_t, std::string> read_symbols() {
  std::map<uintptr_t, std::string> functions;
  std::ifstream file("/proc/self/exe", std::ios::binary);
  const auto read = [&file](uint64_t offset, void* to, size_t bytes) {
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
    return file.good();
  };
  ElfW(Ehdr) header;
  if (!read(0, &header, sizeof(header)) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
    return functions;
  std::vector<ElfW(Shdr)> sections(header.e_shnum);
  if (!read(header.e_shoff, sections.data(), sections.size() * sizeof(ElfW(Shdr)))) return functions;
  uintptr_t base = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        *static_cast<uintptr_t*>(out) = info->dlpi_addr;
        return 1;
      },
      &base);
  for (const auto& section : sections) {
    if (section.sh_type != SHT_SYMTAB || section.sh_link >= sections.size()) continue;
    std::vector<ElfW(Sym)> symbols(section.sh_size / sizeof(ElfW(Sym)));
    std::vector<char> names(sections[section.sh_link].sh_size + 1);
    if (!read(section.sh_offset, symbols.data(), symbols.size() * sizeof(ElfW(Sym)))) continue;
    if (!read(sections[section.sh_link].sh_offset, names.data(), names.size() - 1)) continue;
    for (const auto& symbol : symbols) {
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_name >= names.size()) continue;
      functions.emplace(base + symbol.st_value, &names[symbol.st_name]);
    }
  }
  return functions;
}

}  // namespace

std::string kernel_name(const void* function) {
  static const std::map<uintptr_t, std::string> symbols = read_symbols();
  const auto found = symbols.find(reinterpret_cast<uintptr_t>(function));
  if (found == symbols.end()) {
    char text[32];
    std::snprintf(text, sizeof(text), "at %p", function);
    return text;
  }
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(found->second.c_str(), nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? readable.get() : found->second;
  if (name.starts_with("void ")) name.erase(0, 5);
  // Without the parameters, whose parenthesis is the last one that opens at depth 0.
  int depth = 0;
  for (size_t i = name.size(); i-- > 0;) {
    depth += name[i] == ')';
    depth -= name[i] == '(';
    if (name[i] == '(' && depth == 0) {
      name.erase(i);
      break;
    }
  }
  return name;
}

}  // namespace photon::emulation
