// Series: numbers that are pasted, and a chart of what was read.
import { brief, byId, element, shape } from "./dom.js";
import { cells, lines, numbers } from "./numbers.js";

const [WIDE, TALL, LEFT, EDGE] = [640, 240, 52, 16];

/** The way in. `change(values, dims)` hears every input, `change(null, why)` that there is none; returns `set`. */
export function series(page, { change, release, examples }) {
  const { channels, flat } = page.input;
  const [field, complaint] = [byId("paste"), byId("complaint")];
  const show = (values) => {
    const count = own(values, channels);
    chart(values.slice(0, count * channels), channels);
    const dims = flat ? [1, values.length] : [1, values.length / channels, channels];
    change(values, dims);
  };
  field.addEventListener("input", () => {
    release();
    complaint.textContent = "";
    try {
      show(read(field.value, page.input));
    } catch (error) {
      if (field.value.trim()) complaint.textContent = error.message;
      chart(new Float32Array(0), channels);
      change(null, "There is no series yet.");
    }
  });
  if (channels > 1)
    for (let channel = 0; channel < channels; channel++)
      byId("legend").append(element("span", { class: `key line-${channel % 8}` }, `channel ${channel + 1}`));
  document.querySelectorAll(".example .spark").forEach((svg, place) => spark(svg, examples[place], channels));
  return (values) => {
    const count = own(values, channels);
    const rows = Array.from({ length: count }, (_, step) =>
      Array.from(values.subarray(step * channels, (step + 1) * channels), (one) => brief(one) || "?"),
    );
    field.value = rows.map((row) => row.join(", ")).join(channels > 1 ? "\n" : ", ");
    complaint.textContent = "";
    show(values);
  };
}

/** How many steps of a series are its own: up to the last with a value. */
function own(values, channels) {
  let last = values.length - 1;
  while (last >= 0 && Number.isNaN(values[last])) last--;
  return Math.floor(last / channels) + 1;
}

/** A pasted series as the student reads it, (steps × channels); filled up with NaN where the file has a fixed length. */
export function read(text, { steps, channels, missing }) {
  const given = lines(text).map(cells);
  const rows = channels === 1 ? given.flat().map((cell) => [cell]) : oriented(given, channels);
  if (steps && rows.length > steps) throw new Error(`These are ${rows.length} steps, and the student reads ${steps}.`);
  if (steps && !missing && rows.length < steps) throw new Error(`These are ${rows.length} steps, and the student needs ${steps}.`);
  const found = numbers(rows.flat(), missing);
  if (found.every(Number.isNaN)) throw new Error("There is no value among these.");
  const values = new Float32Array((steps ?? rows.length) * channels).fill(NaN);
  values.set(found);
  return values;
}

/** Lines as steps: each has a number for every channel, or else each is a channel. */
function oriented(given, channels) {
  const wide = new Set(given.map((line) => line.length));
  if (wide.size === 1 && wide.has(channels)) return given;
  if (given.length === channels && wide.size === 1) return given[0].map((_, step) => given.map((line) => line[step]));
  const odd = given.findIndex((line) => line.length !== channels);
  throw new Error(`Line ${odd + 1} has ${given[odd]?.length ?? 0} values, and each step has ${channels}, one for each channel.`);
}

/** The lines of a series in a box, one for each channel, broken where values are missing. */
function paths(values, channels, [left, top, right, bottom]) {
  const there = values.filter((one) => !Number.isNaN(one));
  const low = there.reduce((a, b) => Math.min(a, b), Infinity);
  const high = there.reduce((a, b) => Math.max(a, b), -Infinity);
  const count = values.length / channels;
  const x = (step) => left + (count > 1 ? (step / (count - 1)) * (right - left) : (right - left) / 2);
  const y = (value) => (high > low ? bottom - ((value - low) / (high - low)) * (bottom - top) : (top + bottom) / 2);
  const every = [];
  for (let channel = 0; channel < channels; channel++) {
    let [line, broken] = ["", true];
    for (let step = 0; step < count; step++) {
      const value = values[step * channels + channel];
      const here = Number.isNaN(value) ? "" : `${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
      if (here) line += broken ? `M${here}h.01` : `L${here}`;
      broken = !here;
    }
    every.push(shape("path", { d: line, class: `line-${channel % 8}` }));
  }
  return { every, low, high, count };
}

function chart(values, channels) {
  const svg = byId("chart");
  svg.replaceChildren();
  const box = [LEFT, EDGE, WIDE - EDGE, TALL - 32];
  const { every, low, high, count } = paths(values, channels, box);
  for (const at of [box[1], (box[1] + box[3]) / 2, box[3]]) svg.append(shape("line", { class: "grid", x1: LEFT, x2: box[2], y1: at, y2: at }));
  if (!count) return;
  const text = (x, y, anchor, said) => svg.append(shape("text", { x, y, "text-anchor": anchor }, said));
  if (high > low) {
    text(LEFT - 8, box[1] + 4, "end", short(high));
    text(LEFT - 8, box[3] + 4, "end", short(low));
  } else text(LEFT - 8, (box[1] + box[3]) / 2 + 4, "end", short(low));
  text(LEFT, TALL - 10, "start", "1");
  if (count > 1) text(box[2], TALL - 10, "end", `${count} steps`);
  svg.append(...every);
}

const short = (value) => String(Number(value.toPrecision(3)));

function spark(svg, values, channels) {
  svg.append(...paths(values.slice(0, own(values, channels) * channels), channels, [3, 4, 97, 36]).every);
}
