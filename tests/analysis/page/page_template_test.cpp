// SPDX-License-Identifier: Apache-2.0
// Pieces of a page: places are filled, text is escaped once, and words and code cannot grow apart unseen.
#include "analysis/page/page_template.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "tests/support.h"

namespace photon::analysis {
namespace {

using testing::holds;
using testing::message_of;

const PageTemplate sample(R"(Words for whoever reads the file.
<template id="one">{{a}} and {{b}}, {{a}}</template>
<template id="lines" title="Two &amp; more">
<h2>x</h2>
{{first}}
{{second|<p>Nothing.</p>}}
last {{third|none}}
</template>
)");

TEST(PageTemplate, TextIsEscapedAndMarkupIsNot) {
  EXPECT_EQ(sample.fill("one", {{"a", "<b> & \"c\""}, {"b", Html{"<i>d</i>"}}}).markup,
            "&lt;b&gt; &amp; &quot;c&quot; and <i>d</i>, &lt;b&gt; &amp; &quot;c&quot;");
}

TEST(PageTemplate, AValueIsNoTemplate) {
  EXPECT_EQ(sample.fill("one", {{"a", "{{b}}"}, {"b", Html{"{{a}}</template>"}}}).markup,
            "{{b}} and {{a}}</template>, {{b}}");
}

TEST(PageTemplate, APlaceAloneIsItsLineAndWordsStandInForNothing) {
  const Html table{"<table>\n</table>\n"};
  EXPECT_EQ(sample.fill("lines", {{"first", table}, {"second", table}, {"third", "3"}}).markup,
            "<h2>x</h2>\n<table>\n</table>\n<table>\n</table>\nlast 3\n");
  EXPECT_EQ(sample.fill("lines", {{"first", ""}, {"second", Html{}}, {"third", ""}}).markup,
            "<h2>x</h2>\n<p>Nothing.</p>\nlast none\n");
}

TEST(PageTemplate, ASectionHasATitle) {
  EXPECT_EQ(sample.piece("lines").title, "Two &amp; more");
  EXPECT_EQ(sample.piece("one").title, "");
}

TEST(PageTemplate, APlaceWithoutAValueAndAValueWithoutAPlaceAreErrors) {
  EXPECT_TRUE(holds(message_of<Error>([] { sample.fill("one", {{"a", "x"}}); }), {"one", "place b"}));
  EXPECT_TRUE(holds(message_of<Error>([] {
                      sample.fill("one", {{"a", "x"}, {"b", "y"}, {"c", "z"}});
                    }),
                    {"one", "no place is called c"}));
  EXPECT_TRUE(holds(message_of<Error>([] { sample.fill("two"); }), {"no piece is called two"}));
}

TEST(PageTemplate, AFileThatIsNotPiecesIsAnError) {
  const auto read = [](const char* file) { return [file] { PageTemplate{file}; }; };
  EXPECT_TRUE(holds(message_of<Error>(read("<template id=\"a\">x")), {"</template>"}));
  EXPECT_TRUE(holds(message_of<Error>(read("<template id=\"a\">x</template><template id=\"a\">y</template>")),
                    {"two pieces are called a"}));
  const PageTemplate open("<template id=\"a\">{{b</template>");
  EXPECT_TRUE(holds(message_of<Error>([&] { open.fill("a", {{"b", "x"}}); }), {"}}"}));
}

}  // namespace
}  // namespace photon::analysis
