// Words: the nearest ones of an embedding, by their cosines.
import { byId, element, full } from "./dom.js";

const [BATCH, COUNT, OFFERED] = [16384, 10, 20];

/** The way in. `change(ids, dims)` hears the word that is asked for. */
export async function words(page, { student, change }) {
  const { count, width } = page.input;
  const every = (await (await fetch("words.txt")).text()).split("\n").slice(0, count);
  const places = new Map(every.map((word, place) => [word, place]));
  const vectors = await unit(student, count, width);
  const [field, complaint] = [byId("word"), byId("complaint")];

  const look = () => {
    const asked = field.value.trim();
    const place = places.get(asked) ?? places.get(asked.toLowerCase());
    complaint.textContent = asked && place === undefined ? `“${asked}” is none of the ${count} words.` : "";
    if (asked) byId("known").replaceChildren(...beginning(every, asked).map((value) => element("option", { value })));
    if (place === undefined) return;
    list(nearest(vectors, width, place), every, (word) => {
      field.value = word;
      look();
    });
    change(BigInt64Array.of(BigInt(place)), [1], every[place]);
  };
  field.addEventListener("input", look);
  field.value = every.find((word) => /^\p{L}{4,}$/u.test(word)) ?? every[0];
  look();
}

/** All vectors of an embedding, each of length 1 (or 0). */
async function unit(student, count, width) {
  const found = new Float32Array(count * width);
  for (let start = 0; start < count; start += BATCH) {
    const ids = BigInt64Array.from({ length: Math.min(BATCH, count - start) }, (_, place) => BigInt(start + place));
    found.set((await student.run(ids, [ids.length])).vectors, start * width);
  }
  for (let at = 0; at < found.length; at += width) {
    let square = 0;
    for (let k = at; k < at + width; k++) square += found[k] ** 2;
    if (square) for (let k = at, length = Math.sqrt(square); k < at + width; k++) found[k] /= length;
  }
  return found;
}

/** The places of the words nearest to one, and their cosines; itself is not among them. */
function nearest(vectors, width, place) {
  const cosines = new Float32Array(vectors.length / width);
  for (let word = 0; word < cosines.length; word++)
    for (let k = 0; k < width; k++) cosines[word] += vectors[word * width + k] * vectors[place * width + k];
  cosines[place] = -Infinity;
  const best = [];
  cosines.forEach((cosine, word) => {
    if (word === place || (best.length === COUNT && cosine <= best[COUNT - 1][1])) return;
    const turn = best.findIndex((one) => cosine > one[1]);
    best.splice(turn < 0 ? best.length : turn, 0, [word, cosine]);
    best.length = Math.min(best.length, COUNT);
  });
  return best;
}

const beginning = (every, asked) => {
  const found = [];
  for (let at = 0; at < every.length && found.length < OFFERED; at++) if (every[at].startsWith(asked)) found.push(every[at]);
  return found;
};

function list(best, every, walk) {
  byId("neighbours").replaceChildren(
    ...best.map(([place, cosine]) => {
      const fill = element("span", { class: "fill" });
      fill.style.transform = full(Math.max(0, cosine));
      const word = element("button", { type: "button", class: "name" }, every[place]);
      word.addEventListener("click", () => walk(every[place]));
      const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
      const share = element("span", { class: "share" }, cosine.toFixed(2));
      return element("li", { class: "bar", "data-label": every[place], "data-cosine": cosine }, word, element("span"), track, share);
    }),
  );
}
