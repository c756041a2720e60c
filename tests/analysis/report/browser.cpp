// SPDX-License-Identifier: Apache-2.0
#include "tests/analysis/report/browser.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace photon::testing_browser {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

constexpr int patience_ms = 60'000;  // of a browser that does not answer

std::string found() {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path program = fs::path(folder) / "chromium";
    if (::access(program.c_str(), X_OK) == 0) return program.string();
  }
  return "";
}

/// Its commands come on descriptor 3, its answers leave on 4.
[[noreturn]] void become_chromium(const std::string& program, const fs::path& profile, int commands,
                                  int answers) {
  const int errors = ::open((profile / "stderr").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  commands = ::fcntl(commands, F_DUPFD_CLOEXEC, 10);  // out of the way of 3 and 4
  answers = ::fcntl(answers, F_DUPFD_CLOEXEC, 10);
  ::dup2(commands, 3);
  ::dup2(answers, 4);
  ::dup2(errors, STDERR_FILENO);
  ::dup2(errors, STDOUT_FILENO);
  ::setpgid(0, 0);
  const std::string data = "--user-data-dir=" + profile.string();
  std::vector<const char*> argv{
      program.c_str(),  "--headless",    "--remote-debugging-pipe", data.c_str(),
      "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"};
  if (::geteuid() == 0) argv.push_back("--no-sandbox");  // Chromium's own is not for root
  argv.push_back(nullptr);
  ::execv(program.c_str(), const_cast<char* const*>(argv.data()));
  ::_exit(127);
}

std::string decoded(const std::string& base64) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : base64) {
    const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

}  // namespace

std::string Browser::missing() {
  return found().empty() ? "there is no chromium in PATH (apt-get install chromium)" : "";
}

Browser::Browser(const fs::path& profile) : profile_(profile) {
  const std::string program = found();
  if (program.empty()) throw std::runtime_error(missing());
  fs::create_directories(profile_);
  std::array<int, 2> commands{}, answers{};
  if (::pipe2(commands.data(), O_CLOEXEC) != 0 || ::pipe2(answers.data(), O_CLOEXEC) != 0)
    throw std::runtime_error("no pipe to the browser");
  process_ = ::fork();
  if (process_ == 0) become_chromium(program, profile_, commands[0], answers[1]);
  ::close(commands[0]);
  ::close(answers[1]);
  to_ = commands[1];
  from_ = answers[0];
  if (process_ < 0) throw std::runtime_error("the browser cannot be started");
  std::signal(SIGPIPE, SIG_IGN);
  const json target = command("Target.createTarget", {{"url", "about:blank"}});
  session_ = command("Target.attachToTarget", {{"targetId", target.at("targetId")}, {"flatten", true}})
                 .at("sessionId");
  for (const char* domain : {"Page", "Runtime", "Log", "Network"}) command(std::string(domain) + ".enable");
}

Browser::~Browser() {
  if (process_ > 0) {
    ::kill(-process_, SIGKILL);
    ::kill(process_, SIGKILL);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  ::close(to_);
  ::close(from_);
}

std::string Browser::last_words() const {
  std::ostringstream text;
  text << std::ifstream(profile_ / "stderr").rdbuf();
  return text.str();
}

void Browser::send(json message) {
  std::string text = message.dump();
  text += '\0';
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::write(to_, text.data() + sent, text.size() - sent);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::runtime_error("the browser is gone:\n" + last_words());
    sent += static_cast<size_t>(n);
  }
}

json Browser::receive() {
  for (;;) {
    if (const size_t end = unread_.find('\0'); end != std::string::npos) {
      json message = json::parse(unread_.substr(0, end));
      unread_.erase(0, end + 1);
      return message;
    }
    pollfd ready{from_, POLLIN, 0};
    const int any = ::poll(&ready, 1, patience_ms);
    if (any < 0 && errno == EINTR) continue;
    if (any == 0) throw std::runtime_error("the browser does not answer:\n" + last_words());
    std::array<char, 65536> buffer;
    const ssize_t n = ::read(from_, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw std::runtime_error("the browser is gone:\n" + last_words());
    unread_.append(buffer.data(), static_cast<size_t>(n));
  }
}

void Browser::note(const json& event) {
  const std::string method = event.value("method", "");
  const json& p = event.value("params", json::object());
  if (method == "Page.loadEventFired") loaded_ = true;
  if (method == "Runtime.exceptionThrown")
    complaints_.push_back("thrown: " + p.at("exceptionDetails").dump());
  if (method == "Runtime.consoleAPICalled") complaints_.push_back("console: " + p.at("args").dump());
  if (method == "Log.entryAdded") complaints_.push_back("log: " + p.at("entry").dump());
  if (method == "Network.requestWillBeSent") {
    const std::string url = p.at("request").at("url");
    if (!url.starts_with("file:") && !url.starts_with("blob:") && !url.starts_with("data:"))
      complaints_.push_back("network: " + url);
  }
}

json Browser::command(const std::string& method, json parameters) {
  const int id = ++next_;
  json message{{"id", id}, {"method", method}, {"params", std::move(parameters)}};
  if (!session_.empty()) message["sessionId"] = session_;
  send(std::move(message));
  for (;;) {
    const json answer = receive();
    if (answer.value("id", 0) == id) {
      if (answer.contains("error"))
        throw std::runtime_error(fmt::format("{}: {}", method, answer.at("error").dump()));
      return answer.at("result");
    }
    note(answer);
  }
}

void Browser::open(const fs::path& file, const View& view, const std::string& fragment) {
  command("Emulation.setDeviceMetricsOverride",
          {{"width", view.width}, {"height", view.height}, {"deviceScaleFactor", 1}, {"mobile", false}});
  command("Emulation.setEmulatedMedia",
          {{"media", view.media},
           {"features", json::array({{{"name", "prefers-color-scheme"}, {"value", view.scheme}}})}});
  // From another page, for a fragment alone loads nothing.
  loaded_ = false;
  command("Page.navigate", {{"url", "about:blank"}});
  while (!loaded_) note(receive());
  loaded_ = false;
  const json answer = command("Page.navigate", {{"url", "file://" + fs::absolute(file).string() + fragment}});
  if (answer.contains("errorText"))
    throw std::runtime_error(file.string() + ": " + std::string(answer.at("errorText")));
  while (!loaded_) note(receive());
}

json Browser::evaluate(const std::string& expression) {
  const json answer = command("Runtime.evaluate",
                              {{"expression", expression}, {"returnByValue", true}, {"awaitPromise", true}});
  if (answer.contains("exceptionDetails"))
    throw std::runtime_error(fmt::format("{}\n{}", expression, answer.at("exceptionDetails").dump(1)));
  return answer.at("result").value("value", json());
}

void Browser::move_mouse(double x, double y) {
  command("Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", x}, {"y", y}});
}

void Browser::click(double x, double y) {
  for (const char* type : {"mousePressed", "mouseReleased"}) {
    command("Input.dispatchMouseEvent",
            {{"type", type}, {"x", x}, {"y", y}, {"button", "left"}, {"clickCount", 1}});
  }
}

void Browser::press(const std::string& key) {
  json event{{"key", key}, {"code", key}};
  if (key == "Enter") event["text"] = "\r";
  event["windowsVirtualKeyCode"] = key == "Enter" ? 13 : key == "ArrowRight" ? 39 : key == "Tab" ? 9 : 0;
  event["type"] = "keyDown";
  command("Input.dispatchKeyEvent", event);
  event["type"] = "keyUp";
  event.erase("text");
  command("Input.dispatchKeyEvent", event);
}

void Browser::screenshot(const fs::path& file) {
  const json size = command("Page.getLayoutMetrics").at("cssContentSize");
  const json all{
      {"x", 0}, {"y", 0}, {"width", size.at("width")}, {"height", size.at("height")}, {"scale", 1}};
  const json answer = command("Page.captureScreenshot", {{"captureBeyondViewport", true}, {"clip", all}});
  std::ofstream(file, std::ios::binary) << decoded(answer.at("data"));
}

std::string Browser::pdf() {
  return decoded(command("Page.printToPDF", {{"preferCSSPageSize", true}}).at("data"));
}

std::vector<std::string> Browser::complaints() {
  command("Runtime.evaluate", {{"expression", "0"}});  // what came before its answer is here now
  return std::exchange(complaints_, {});
}

}  // namespace photon::testing_browser
