// What every failure in photon is: an exception that says what was wrong, where, and what would be right.
// The command line turns Error into exit code 1 and UsageError into exit code 2.
#pragma once

#include <stdexcept>
#include <string>

namespace photon {

/// A job that could not be done: a bad file, a bad config, a request that does not fit.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A command line that cannot be understood: an unknown option, a value out of its range.
class UsageError : public Error {
 public:
  using Error::Error;
};

}  // namespace photon
