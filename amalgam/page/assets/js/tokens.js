// Texts as words, and words as numbers: amalgam/tokens.py to the letter.

const WORD = /[\p{L}\p{N}]+(?:'[\p{L}\p{N}]+)*/gu; // what Python's [^\W_] means
const ENTITY = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;
const WINDOWS = // what HTML reads the code points from 128 to 159 as
  "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

/** `html.unescape` of Python: HTML's entities become the signs they stand for. */
export function unescaped(text, entities) {
  return text.replace(ENTITY, (whole, name) => (name[0] === "#" ? signOf(name) : named(name, entities)));
}

function signOf(name) {
  const hexadecimal = name[1] === "x" || name[1] === "X";
  const code = parseInt(name.slice(hexadecimal ? 2 : 1), hexadecimal ? 16 : 10);
  if (code === 0) return "\ufffd";
  if (code === 13) return "\r";
  if (code >= 128 && code < 160) return WINDOWS[code - 128];
  if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "\ufffd";
  const control = (code >= 1 && code <= 8) || code === 11 || (code >= 14 && code <= 31) || code === 127;
  const none = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return control || none ? "" : String.fromCodePoint(code);
}

function named(name, entities) {
  for (let end = name.length; end > 1; end--) {
    const start = name.slice(0, end);
    if (Object.hasOwn(entities, start)) return entities[start] + name.slice(end);
  }
  return Object.hasOwn(entities, name) ? entities[name] : `&${name}`;
}

/** The words of a text, in lower case. */
export function tokens(text, entities) {
  const plain = unescaped(unescaped(text, entities), entities).replaceAll("\u2019", "'").toLowerCase();
  return plain.match(WORD) ?? [];
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1;
  return rest;
});

/** A word's number: the CRC-32 of its UTF-8, modulo 2^24. */
export function numberOf(word) {
  let rest = 0xffffffff;
  for (const byte of new TextEncoder().encode(word)) rest = TABLE[(rest ^ byte) & 255] ^ (rest >>> 8);
  return ((rest ^ 0xffffffff) >>> 0) % 2 ** 24;
}
