// Small helpers for elements. Text is set as text, never as HTML: labels may hold anything.

export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; texts become text nodes. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** An element of SVG. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A name that may be broken after its underscores, as nodes. */
export function breakable(name) {
  return name.split("_").flatMap((part, place) => (place ? ["_", document.createElement("wbr"), part] : [part]));
}

/** A probability as people read it: 97 %, 0.4 %, under 0.1 %. */
export function percent(chance) {
  const hundred = 100 * chance;
  if (hundred > 0 && hundred < 0.1) return "<0.1\u202f%";
  if (hundred > 99.9 && hundred < 100) return ">99.9\u202f%";
  return `${hundred < 10 || hundred > 99 ? hundred.toFixed(1) : hundred.toFixed(0)}\u202f%`;
}

/** The transform of a bar that is filled from 0 to 1: moved, not squeezed, so that its end stays round. */
export const full = (share) => `translateX(${100 * (share - 1)}%)`;

/** A float32 in few digits, for a field that people edit; a missing value is "". */
export function brief(value) {
  return Number.isNaN(value) ? "" : String(Number(value.toPrecision(6)));
}
