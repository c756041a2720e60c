// SPDX-License-Identifier: Apache-2.0
// A real browser for tests of pages: headless Chromium, told what to do over its DevTools protocol on a pipe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace photon::testing_browser {

class Browser {
 public:
  /// Why there is none; "" if there is one.
  static std::string missing();

  /// `profile` is a folder for what the browser writes. Throws std::runtime_error with its words if it does
  /// not start.
  explicit Browser(const std::filesystem::path& profile);
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  struct View {
    int width = 1280;
    int height = 900;
    std::string media = "screen";  ///< or "print"
    std::string scheme = "light";  ///< or "dark"
  };
  /// Loads a file, with "#fragment" if need be, and waits for it.
  void open(const std::filesystem::path& file, const View& view, const std::string& fragment = "");

  /// The value of a JavaScript expression; throws std::runtime_error with what it threw.
  nlohmann::json evaluate(const std::string& expression);
  nlohmann::json command(const std::string& method, nlohmann::json parameters = nlohmann::json::object());

  void move_mouse(double x, double y);
  void click(double x, double y);
  void press(const std::string& key);                  ///< "ArrowRight", "Enter"
  void screenshot(const std::filesystem::path& file);  ///< PNG of the whole page
  std::string pdf();

  /// What pages wrote as errors or warnings, threw, or asked of the network since the last call.
  std::vector<std::string> complaints();

 private:
  void send(nlohmann::json message);
  nlohmann::json receive();
  void note(const nlohmann::json& event);
  std::string last_words() const;

  std::filesystem::path profile_;
  pid_t process_ = -1;
  int to_ = -1, from_ = -1;
  int next_ = 0;
  bool loaded_ = false;
  std::string session_, unread_;
  std::vector<std::string> complaints_;
};

}  // namespace photon::testing_browser
