// Images brought to a size as amalgam's reader does, which is as Pillow does: bilinear, with a support that grows with the
// reduction, first along lines, then along columns, rounded to bytes after each (Pillow's Resample.c).

const BITS = 22; // of a weight, as an integer

/** The box (left, top, right, bottom) of an image that is kept: its middle, in the proportions of the result. */
export function middle(width, height, toWidth, toHeight) {
  const scale = Math.min(width / toWidth, height / toHeight);
  const left = Math.max(0, (width - toWidth * scale) / 2);
  const top = Math.max(0, (height - toHeight * scale) / 2);
  return [left, top, width - left, height - top].map(Math.fround);
}

/** For each pixel of the result, where its weights begin and what they are. */
function weights(size, low, high, count) {
  const scale = Math.fround(high - low) / count;
  const support = Math.max(scale, 1);
  return Array.from({ length: count }, (_, place) => {
    const centre = low + (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(size, Math.trunc(centre + support + 0.5));
    const own = [];
    for (let x = first; x < last; x++) own.push(Math.max(0, 1 - Math.abs((x - centre + 0.5) / support)));
    const sum = own.reduce((a, b) => a + b, 0);
    return { first, own: own.map((one) => Math.trunc(0.5 + (one / sum) * 2 ** BITS)) };
  });
}

function along(pixels, width, height, table, stepOut, stepAcross, across) {
  const count = table.length;
  const found = new Uint8ClampedArray(count * across);
  for (let line = 0; line < across; line++)
    for (let place = 0; place < count; place++) {
      const { first, own } = table[place];
      let sum = 2 ** (BITS - 1);
      for (let k = 0; k < own.length; k++) sum += own[k] * pixels[line * stepAcross + (first + k) * stepOut];
      found[stepOut === 1 ? line * count + place : place * across + line] = sum >> BITS;
    }
  return found;
}

/** One channel of an image (bytes, line by line) brought to a size. */
export function resized(pixels, width, height, toWidth, toHeight, box) {
  let [found, wide] = [pixels, width];
  if (toWidth !== width || box[0] || box[2] !== width) {
    found = along(found, width, height, weights(width, box[0], box[2], toWidth), 1, width, height);
    wide = toWidth;
  }
  if (toHeight !== height || box[1] || box[3] !== height)
    found = along(found, wide, height, weights(height, box[1], box[3], toHeight), wide, 1, wide);
  return found;
}

/** The channels of RGBA bytes: red, green and blue, or their grey, as Pillow's `convert("L")` has it. */
export function channelsOf(rgba, channels) {
  const count = rgba.length / 4;
  if (channels === 3) return [0, 1, 2].map((one) => Uint8ClampedArray.from({ length: count }, (_, at) => rgba[4 * at + one]));
  const grey = (at) => (19595 * rgba[at] + 38470 * rgba[at + 1] + 7471 * rgba[at + 2] + 0x8000) >> 16;
  return [Uint8ClampedArray.from({ length: count }, (_, at) => grey(4 * at))];
}

/** RGBA bytes as the student's images are: channel after channel, from 0 to 1. */
export function asStudentReads(rgba, width, height, { channels, width: toWidth, height: toHeight }) {
  const box = toWidth === width && toHeight === height ? [0, 0, width, height] : middle(width, height, toWidth, toHeight);
  const planes = channelsOf(rgba, channels).map((one) => resized(one, width, height, toWidth, toHeight, box));
  return Float32Array.from(planes.flatMap((plane) => Array.from(plane, (one) => one / 255)));
}
