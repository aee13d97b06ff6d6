"use strict";
const rowsOf = (table) => [...table.tBodies[0].rows];
const textOf = (cell) => (cell ? cell.textContent.trim() : "");

function sort(table, column, head) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  const rows = rowsOf(table);
  const numeric = rows.some((row) => row.cells[column]?.dataset.s !== undefined);
  const key = (row) => {
    const cell = row.cells[column];
    if (!numeric) return textOf(cell);
    const value = cell?.dataset.s;
    return value ? Number(value) : NaN;
  };
  const keyed = rows.map((row) => [key(row), row]);
  const compare = numeric
    ? (a, b) => (a < b ? -1 : a > b ? 1 : 0)
    : (a, b) => a.localeCompare(b, undefined, { numeric: true });
  keyed.sort(([a], [b]) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return descending ? compare(b, a) : compare(a, b);
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  table.tBodies[0].append(...keyed.map(([, row]) => row));
}

function makeSortable(table) {
  if (rowsOf(table).length < 2) return;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, column, head));
  });
}

function makeFilterable(box) {
  const table = box.querySelector("table");
  const rows = rowsOf(table).map((row) => [row, row.textContent.toLowerCase()]);
  const label = document.createElement("label");
  const input = document.createElement("input");
  const count = document.createElement("output");
  input.type = "search";
  input.setAttribute("aria-label", `Filter: ${table.getAttribute("aria-label")}`);
  label.append("Filter ", input);
  label.className = "filter";
  label.append(count);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) shown += 1;
    }
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
  });
  box.querySelector(".scroll").before(label);
}

for (const table of document.querySelectorAll(".table table")) makeSortable(table);
for (const box of document.querySelectorAll(".table.long")) makeFilterable(box);

// A box is a stop of the tab key while there is something to scroll in it.
const stops = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
    if (scrolls) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const box of document.querySelectorAll(".scroll")) stops.observe(box);

function unfold() {
  let folded = document.querySelector(location.hash ? `[id="${CSS.escape(location.hash.slice(1))}"]` : ":root");
  folded = folded?.querySelector(":scope > details");
  if (folded) folded.open = true;
}
addEventListener("hashchange", unfold);
if (location.hash) unfold();

const folds = [];
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("section > details:not([open])")) {
    fold.open = true;
    folds.push(fold);
  }
});
addEventListener("afterprint", () => {
  while (folds.length) folds.pop().open = false;
});
