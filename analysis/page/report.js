// SPDX-License-Identifier: Apache-2.0
// What a page can do beyond being read: points tell what they are, tables sort and filter, show other columns
// and go into CSV files. Everything stands on the page without it.
"use strict";

(() => {
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  const save = (name, text) => {
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  // ---- figures

  const tip = make("div", { id: "tip", role: "tooltip", hidden: true });
  document.body.append(tip);
  let told = null;

  const silence = () => {
    if (told) told.classList.remove("told");
    told = null;
    tip.hidden = true;
  };

  // Of points that lie on one another each is told, the one that a click follows first.
  const wordsAt = (spot) => {
    const place = (one) => one.querySelector("circle");
    const near = (other) =>
      Math.hypot(place(spot).cx.baseVal.value - place(other).cx.baseVal.value,
                 place(spot).cy.baseVal.value - place(other).cy.baseVal.value) < 6;
    const others = [...spot.parentNode.children].filter((other) => other !== spot && near(other));
    const told = [spot, ...others.slice(0, 3)].map((one) => one.getAttribute("aria-label"));
    if (others.length > 3) told.push(`and ${others.length - 3} more`);
    return told.join("\n\n");
  };

  const tell = (spot) => {
    silence();
    told = spot;
    spot.classList.add("told");
    tip.textContent = wordsAt(spot);
    tip.hidden = false;
    const at = spot.getBoundingClientRect();
    const view = document.documentElement;
    const left = Math.min(at.left + at.width / 2 - tip.offsetWidth / 2, view.clientWidth - tip.offsetWidth - 8);
    const above = at.top - tip.offsetHeight - 6;
    tip.style.left = `${Math.max(8, left) + scrollX}px`;
    tip.style.top = `${(above > 4 ? above : at.bottom + 6) + scrollY}px`;
  };

  // A panel is one stop of the Tab key; arrows go from point to point.
  const walk = (spots) => (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") silence();
    if (!step) return;
    event.preventDefault();
    const from = spots.indexOf(event.currentTarget);
    const to = spots[(from + step + spots.length) % spots.length];
    spots[from].setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
  };

  for (const group of document.querySelectorAll(".spots")) {
    const spots = [...group.querySelectorAll(".spot")];
    spots.forEach((spot, i) => {
      const title = spot.querySelector("title");
      spot.setAttribute("aria-label", title.textContent);
      title.remove(); // the browser would show it too
      spot.setAttribute("tabindex", i === 0 ? "0" : "-1");
      spot.addEventListener("pointerenter", () => tell(spot));
      spot.addEventListener("pointerleave", silence);
      spot.addEventListener("focus", () => spot.matches(":focus-visible") && tell(spot));
      spot.addEventListener("blur", silence);
      spot.addEventListener("keydown", walk(spots));
    });
  }

  // ---- tables

  const shownValue = (cell) => cell.dataset.value ?? cell.textContent.trim().replace(/^–$/, ""); // nothing there
  const words = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // Empty cells come last in either direction.
  const compare = (isText, direction) => (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    if (isText) return direction * words.compare(a, b);
    return direction * (parseFloat(a.replaceAll(",", "")) - parseFloat(b.replaceAll(",", "")));
  };

  const sortBy = (table, column) => {
    const heads = [...table.tHead.rows[0].cells];
    const head = heads[column];
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const order = compare(head.classList.contains("t"), falling ? -1 : 1);
    const rows = [...table.tBodies[0].rows].map((row) => [shownValue(row.cells[column]), row]);
    rows.sort((a, b) => order(a[0], b[0]));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };

  const titleOf = (head) => [...head.querySelectorAll("button, small")].map((e) => e.textContent.trim()).join(" ");

  const csvCell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  const csvOf = (table) => {
    const visible = (cells) => [...cells].filter((cell) => !cell.hidden);
    const lines = [visible(table.tHead.rows[0].cells).map(titleOf)];
    for (const row of table.tBodies[0].rows) if (!row.hidden) lines.push(visible(row.cells).map(shownValue));
    return lines.map((line) => line.map(csvCell).join(",") + "\n").join("");
  };

  const filterOf = (table, count) => {
    const rows = [...table.tBodies[0].rows];
    const input = make("input", { type: "search", placeholder: "filter rows", ariaLabel: "Show rows with these words" });
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !wanted.every((word) => text.includes(word));
        left += !row.hidden;
      }
      count.textContent = wanted.length ? `${left} of ${rows.length} rows` : "";
    });
    return input;
  };

  const chooserOf = (table) => {
    const choice = make("fieldset", { className: "choice" });
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const box = make("input", { type: "checkbox", checked: !head.hidden });
      box.addEventListener("change", () => {
        for (const row of table.rows) row.cells[column].hidden = !box.checked;
      });
      choice.append(make("label", { title: head.title }, box, " ", titleOf(head)));
    });
    return make("details", {}, make("summary", { textContent: "columns" }), choice);
  };

  const fileName = (table) => {
    const text = table.caption ? table.caption.textContent : table.closest("section")?.querySelector("h2").id ?? "table";
    return `${text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40)}.csv`;
  };

  for (const box of document.querySelectorAll(".wide")) {
    const table = box.querySelector("table");
    const heads = [...table.tHead.rows[0].cells];
    box.tabIndex = 0; // wide tables scroll, by keyboard too
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", table.caption ? table.caption.textContent : "table");
    if (table.tBodies[0].rows.length < 2) continue;
    heads.forEach((head, column) => {
      const unit = head.querySelector("small");
      if (unit) unit.remove();
      const button = make("button", { type: "button", textContent: head.textContent.trim() });
      button.addEventListener("click", () => sortBy(table, column));
      head.replaceChildren(button, ...(unit ? [unit] : []));
    });
    const count = make("span", { role: "status" });
    const download = make("button", { type: "button", className: "plain", textContent: "CSV", title: "These rows and columns, every digit" });
    download.addEventListener("click", () => save(fileName(table), csvOf(table)));
    const tools = make("div", { className: "tools" });
    if (table.tBodies[0].rows.length > 5) tools.append(filterOf(table, count));
    if (heads.length > 5) tools.append(chooserOf(table));
    tools.append(download, count);
    box.before(tools);
  }

  for (const file of document.querySelectorAll("details.file")) {
    const button = make("button", { type: "button", className: "plain", textContent: "Download" });
    button.addEventListener("click", () => save(file.dataset.name, file.querySelector("pre").textContent));
    file.querySelector("pre").before(button);
  }

  // A link to a row that a filter hides shows it.
  const reveal = () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!row || !row.hidden) return;
    const input = row.closest(".wide").previousElementSibling.querySelector("input[type=search]");
    input.value = "";
    input.dispatchEvent(new Event("input"));
    row.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
})();
