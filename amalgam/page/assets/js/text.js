// Texts: words that are typed, and how the student reads them.
import { byId, element } from "./dom.js";
import { numberOf, tokens } from "./tokens.js";

/** The way in. `change(values, dims)` hears every input, `change(null, why)` that there is none; returns `set`. */
export function text(page, { change, release, entities }) {
  const { longest, steps } = page.input;
  const field = byId("words");
  const read = () => {
    const words = tokens(field.value, entities);
    const some = words.slice(0, longest);
    byId("tokens").replaceChildren(
      ...some.map((word) => element("span", { class: "token" }, word)),
      ...(words.length > longest ? [element("span", { class: "cut" }, `and ${words.length - longest} more, not read`)] : []),
    );
    if (!some.length) return change(null, "There are no words yet.");
    const values = new Float32Array(steps ?? some.length).fill(NaN);
    values.set(some.map(numberOf));
    change(values, [1, values.length, 1]);
  };
  field.addEventListener("input", () => {
    release();
    read();
  });
  return (_, place) => {
    field.value = page.examples[place].text ?? "";
    read();
  };
}
