// SPDX-License-Identifier: Apache-2.0
// The first Ctrl-C asks, the second one ends the process.
#include "core/base/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "core/base/progress.h"

namespace photon {
namespace {

TEST(Interrupt, TheFirstSignalAsksAndInnerGuardsHearIt) {
  const InterruptGuard outer;
  EXPECT_FALSE(outer.requested());
  {
    const InterruptGuard inner;
    raise(SIGTERM);
    EXPECT_TRUE(inner.requested());
  }
  EXPECT_TRUE(outer.requested());
}

TEST(Interrupt, AnotherGuardStartsAnewAndTheOldHandlerComesBack) {
  struct sigaction before {};
  sigaction(SIGINT, nullptr, &before);
  {
    const InterruptGuard guard;
    EXPECT_FALSE(guard.requested());
  }
  struct sigaction after {};
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(InterruptDeathTest, TheSecondSignalEndsTheProcess) {
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        raise(SIGINT);
        raise(SIGINT);
      },
      testing::ExitedWithCode(128 + SIGINT), "");
}

TEST(Progress, TimesAreReadable) {
  EXPECT_EQ(duration_text(0.4), "0 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

TEST(Progress, OffATerminalItIsPlainLines) {
  testing::internal::CaptureStderr();
  {
    Progress progress("train", 40, "steps", 10);
    progress.update(20, "loss 2.5");
    progress.message("warning: x");
    progress.update(40);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("warning: x\n"), std::string::npos);
  EXPECT_NE(text.find("train: 40 of 40 steps (100 %), took"), std::string::npos) << text;
}

}  // namespace
}  // namespace photon
