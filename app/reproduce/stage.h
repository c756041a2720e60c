// SPDX-License-Identifier: Apache-2.0
// A stage of a longer run: work that ends in one file, and is not done again while that file is there and was
// made from the same inputs. What it was made from, and how long that took, stands in a file beside it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace photon::app {

class Stages {
 public:
  /// Runs `work`, which must leave `output`, unless it is current. `inputs` is any text that changes when the
  /// output would. Throws Error if `work` leaves no output.
  void run(const std::string& name, const std::filesystem::path& output, const std::string& inputs,
           const std::function<void()>& work);

  /// A line each: name, seconds, whether it was done now.
  std::string table() const;

 private:
  struct Done {
    std::string name;
    double seconds = 0.0;
    bool now = false;
  };
  std::vector<Done> done_;
};

/// A short digest of a file's content for `inputs`; "absent" if it is not there.
std::string file_digest(const std::filesystem::path& file);

}  // namespace photon::app
