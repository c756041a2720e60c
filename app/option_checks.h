// Values of options that are checked while the command line is read: wrong use is refused before a file is
// opened.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "core/base/error.h"

namespace photon {

/// Takes what `parse` takes; its UsageError is the refusal.
template <class Parse>
CLI::Validator parsed_by(Parse parse) {
  return {[parse](std::string& text) -> std::string {
            try {
              parse(text);
            } catch (const UsageError& e) {
              return e.what();
            }
            return "";
          },
          "", ""};
}

/// The name of a back end of this build.
CLI::Validator known_device();

}  // namespace photon
