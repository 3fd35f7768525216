// Tables: a slider and a number for each feature, or a whole row that is pasted.
import { brief, byId } from "./dom.js";
import { cells, lines, number, numbers } from "./numbers.js";

/** The way in. `change(values, dims)` hears every input, `change(null, why)` that there is none; returns `set`. */
export function table(page, { change, release }) {
  const { features, missing } = page.input;
  const values = new Float32Array(features.length).fill(NaN);
  const rows = [...document.querySelectorAll(".feature")];
  const parts = rows.map((row) => [row.querySelector(".number"), row.querySelector("[type=range]")]);
  const complaint = byId("complaint");

  const hand = () => {
    const first = values.findIndex(Number.isNaN);
    const none = first >= 0 && (!missing || values.every(Number.isNaN));
    if (none) change(null, missing ? "There is no value yet." : `“${features[first].name}” has no value yet.`);
    else change(values.slice(), [1, values.length]);
  };
  parts.forEach(([field, slider], place) => {
    slider.addEventListener("input", () => {
      release();
      values[place] = Number(slider.value);
      field.value = brief(values[place]);
      field.removeAttribute("aria-invalid");
      hand();
    });
    field.addEventListener("input", () => {
      release();
      const given = number(field.value);
      field.toggleAttribute("aria-invalid", given === undefined);
      values[place] = given ?? NaN;
      if (!Number.isNaN(values[place])) slider.value = values[place];
      hand();
    });
  });
  const set = (given) => {
    complaint.textContent = "";
    values.set(given);
    parts.forEach(([field, slider], place) => {
      field.value = brief(values[place]);
      field.removeAttribute("aria-invalid");
      if (!Number.isNaN(values[place])) slider.value = values[place];
    });
    hand();
  };
  byId("paste").addEventListener("input", (event) => {
    complaint.textContent = "";
    if (!event.target.value.trim()) return;
    try {
      const row = pasted(event.target.value, features, missing);
      release();
      set(row);
    } catch (error) {
      complaint.textContent = error.message;
    }
  });
  byId("find")?.addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    rows.forEach((row) => (row.hidden = !row.dataset.name.toLowerCase().includes(wanted)));
  });
  return set;
}

/** The numbers of a pasted row, in the student's order; a line of names above it says which is which. */
export function pasted(text, features, missing) {
  const given = lines(text).map(cells);
  const names = features.map((one) => one.name);
  const header = given.length > 1 && given[0].some((cell) => number(cell) === undefined) ? given.shift() : null;
  const row = header || given.length === 1 ? given[0] : given.flat(); // a column of numbers is a row, too
  if (header) {
    const lost = names.find((name) => !header.includes(name));
    if (lost !== undefined) throw new Error(`The line of names has no “${lost}”.`);
    return numbers(names.map((name) => row[header.indexOf(name)] ?? ""), missing);
  }
  if (row.length !== names.length) throw new Error(`These are ${row.length} values, and the student reads ${names.length}.`);
  return numbers(row, missing);
}
