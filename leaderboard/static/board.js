"use strict";
// Sorting, filtering and copying. Without it the pages are whole: sorted, and everything on them shown.
const FIRST = 100;

for (const box of document.querySelectorAll(".boardbox")) {
  const body = box.querySelector("tbody.rows");
  const heads = [...box.querySelectorAll("thead th[data-key]")];
  const filter = box.querySelector("input[type=search]");
  const status = box.querySelector(".count");
  const all = box.querySelector(".all");
  const lines = [...body.rows].map((row, place) => (
    { row, place, cells: [...row.cells], text: row.textContent.toLowerCase() }));
  let shown = lines;
  let limit = FIRST;

  const show = () => {
    body.replaceChildren(...shown.slice(0, limit).map((line) => line.row));
    all.hidden = shown.length <= limit;
    all.firstElementChild.textContent = `Show all ${shown.length}`;
  };

  const select = () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    shown = lines.filter((line) => words.every((word) => line.text.includes(word)));
    show();
    status.textContent = shown.length === lines.length
      ? `${lines.length} methods` : `${shown.length} of ${lines.length} methods`;
  };

  const key = (line, column, kind) => {
    const cell = line.cells[column];
    if (!cell || cell.classList.contains("why")) return null;
    if (kind === "text") return cell.textContent.trim().toLowerCase();
    const gap = kind === "score" && box.querySelector(".view-gap").checked;
    const value = parseFloat(gap ? cell.dataset.g : cell.dataset.v);
    return Number.isNaN(value) ? null : value;
  };

  const sort = (head) => {
    const column = heads.indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const line of lines) line.key = key(line, column, head.dataset.key);
    lines.sort((a, b) => {
      if (a.key === b.key) return a.place - b.place;
      if (a.key === null || b.key === null) return a.key === null ? 1 : -1;
      return (a.key < b.key ? -1 : 1) * (down ? -1 : 1);
    });
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    select();
    status.textContent += `, by ${head.querySelector("button").textContent} ${down ? "descending" : "ascending"}`;
  };

  for (const head of heads) {
    const label = head.querySelector("span");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label.textContent;
    button.addEventListener("click", () => sort(head));
    label.replaceWith(button);
  }
  filter.parentElement.hidden = false;
  filter.addEventListener("input", select);
  all.firstElementChild.addEventListener("click", () => { limit = Infinity; show(); });
  show();
}

for (const button of document.querySelectorAll("button.copy")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = "Copied";
  });
}
