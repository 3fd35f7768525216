// The picture of how labels go together: the table that the page was written with, coloured.
import { byId } from "./dom.js";

export function heat() {
  for (const cell of byId("together")?.querySelectorAll("td[data-value]") ?? []) {
    const value = Number(cell.dataset.value);
    cell.classList.add(value < 0 ? "apart" : "along");
    cell.style.setProperty("--strength", `${Math.round(100 * Math.abs(value))}%`);
    cell.classList.toggle("strong", Math.abs(value) > 0.8); // where light colours need dark ink, and dark ones light
    cell.classList.toggle("middling", Math.abs(value) > 0.5);
  }
}
