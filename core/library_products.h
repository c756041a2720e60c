// A back end whose matrix products a library computes, by algorithms of the library's own choice.
#pragma once

#include <string>
#include <vector>

namespace photon {

class LibraryProducts {
 public:
  virtual ~LibraryProducts() = default;
  /// How it multiplied for this process so far: its version, the shape, the algorithm and into how many parts
  /// it splits the sums, a line each.
  virtual std::vector<std::string> products_made() const = 0;
};

}  // namespace photon
