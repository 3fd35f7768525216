// Numbers that people paste: cells between commas, semicolons, tabs or blanks.

const MISSING = new Set(["?", "nan", "na", ""]);

/** A number, NaN for a cell that says it is missing, undefined for anything else. */
export function number(cell) {
  const text = cell.trim();
  if (MISSING.has(text.toLowerCase())) return NaN;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

/** The cells of a line. A comma, semicolon or tab ends a cell, so that one may be empty; else blanks do. */
export function cells(line) {
  const own = line.replace(/[[\]()]/g, ""); // as Python prints lists
  const sign = [",", ";", "\t"].find((one) => own.includes(one));
  if (!sign) return own.trim().split(/\s+/);
  const found = own.split(sign).map((cell) => cell.trim());
  return found.at(-1) === "" ? found.slice(0, -1) : found;
}

/** The lines of a text that hold anything. */
export const lines = (text) => text.split(/\r\n|\n|\r/).filter((line) => line.trim());

/** The numbers of cells, or a sentence that names the first one that is none. */
export function numbers(some, missing) {
  const found = [];
  for (const [place, cell] of some.entries()) {
    const value = number(cell);
    if (value === undefined) throw new Error(`“${cell.slice(0, 20)}” (value ${place + 1}) is no number.`);
    if (Number.isNaN(value) && !missing) throw new Error(`Value ${place + 1} is missing, and this student needs all.`);
    found.push(value);
  }
  return found;
}
