// What the student says, as bars: the likeliest first in each group, the decided ones marked.
import { breakable, byId, element, full, percent } from "./dom.js";
import { decided, probabilities } from "./answers.js";

const FEW = 10; // bars that a group of many shows unasked

/** Prepare the bars that the page was written with; returns `show(logits)`, which also takes null. */
export function bars(page) {
  const lists = [...document.querySelectorAll("ul.bars")];
  const rows = lists.flatMap((list) => [...list.querySelectorAll(".bar")]);
  lists.filter((list) => "many" in list.dataset).forEach(foldable);
  return (logits) => {
    const chances = logits && probabilities(logits, page.groups);
    const marked = logits && decided(logits, page.groups);
    rows.forEach((row, place) => set(row, chances && chances[place], Boolean(marked && marked[place])));
    if (!logits) return [];
    for (const list of lists) {
      const { first, last } = page.groups[list.dataset.group];
      const order = Array.from({ length: last - first }, (_, place) => first + place);
      order.sort((a, b) => chances[b] - chances[a]);
      order.forEach((place, turn) => {
        rows[place].classList.toggle("further", "many" in list.dataset && turn >= FEW);
        if (list.children[turn] !== rows[place]) list.insertBefore(rows[place], list.children[turn]);
      });
    }
    return page.labels.filter((_, place) => marked[place]);
  };
}

function set(row, chance, marked) {
  row.classList.toggle("decided", marked);
  row.querySelector(".fill").style.transform = full(chance ?? 0);
  row.querySelector(".share").textContent = chance === null ? "–" : percent(chance);
  row.querySelector(".mark").textContent = marked ? "✓" : "";
  if (chance === null) delete row.dataset.probability;
  else row.dataset.probability = chance;
  row.dataset.decided = marked;
}

function foldable(list) {
  const rows = [...list.querySelectorAll(".bar")];
  rows.forEach((row, turn) => row.classList.toggle("further", turn >= FEW));
  const button = element("button", { type: "button", class: "more", "aria-expanded": "false" });
  const label = (open) => (button.textContent = open ? `Show the first ${FEW}` : `Show all ${rows.length}`);
  label(false);
  button.addEventListener("click", () => {
    const open = list.classList.toggle("open");
    button.setAttribute("aria-expanded", open);
    label(open);
  });
  list.after(button);
}

/** Keep the room of the longest path, so that nothing moves when a shorter one is drawn. */
export function keepRoom(steps) {
  byId("path").style.minHeight = `${2.3 * (steps + 1)}rem`;
}

/** Draw a path down a label graph: the root, then every step with its probability. */
export function drawPath(walked) {
  const list = byId("path");
  while (list.children.length > 1) list.lastElementChild.remove();
  for (const { name, chance } of walked) {
    const fill = element("span", { class: "fill" });
    fill.style.transform = full(chance);
    list.append(
      element(
        "li",
        { "data-node": name, "data-probability": chance },
        element("span", { class: "name" }, ...breakable(name)),
        element("span", { class: "track", "aria-hidden": "true" }, fill),
        element("span", { class: "share" }, percent(chance)),
      ),
    );
  }
}
