// Images: a pad to draw on, a file to choose or drop.
import { byId } from "./dom.js";
import { asStudentReads } from "./resize.js";

const PAD = 320; // pixels of the pad's longer side, at least

/** The way in. `change(values, dims)` hears every input, `change(null, why)` that there is none; returns `set`. */
export function pixels(page, { change, release, examples }) {
  const { channels, height, width, columns, low, high, dark } = page.input;
  const [pad, seen] = [byId("pad"), byId("seen")];
  const fine = Math.max(1, Math.ceil(PAD / Math.max(height, width))); // pixels of the pad to one of the student's
  [pad.width, pad.height] = [fine * width, fine * height];
  const ink = pad.getContext("2d", { willReadFrequently: true });
  const paper = dark ? "#000" : "#fff";
  let last = null; // image that was chosen, to be swapped dark for light

  const shown = (image) => painted(seen, image, page.input);
  /** Hand an image (C × H × W, from 0 to 1) on, as the student reads it. */
  const hand = (image) => {
    shown(image);
    if (!columns) return change(image, [1, channels, height, width]);
    const row = new Float32Array(columns.length);
    columns.forEach((column, pixel) => (row[column] = low + image[pixel] * (high - low)));
    change(row, [1, columns.length]);
  };
  const clear = () => {
    ink.fillStyle = paper;
    ink.fillRect(0, 0, pad.width, pad.height);
  };
  /** Lay an image on the pad, to be drawn over. */
  const lay = (image) => {
    ink.putImageData(enlarged(painted(seen, image, page.input), fine), 0, 0);
  };
  const drawn = () => hand(averaged(ink.getImageData(0, 0, pad.width, pad.height).data, fine, page.input));

  draws(pad, ink, dark, () => {
    release();
    last = null;
    drawn();
  });
  byId("clear").addEventListener("click", () => {
    release();
    last = null;
    clear();
    shown(averaged(ink.getImageData(0, 0, pad.width, pad.height).data, fine, page.input));
    change(null, "Nothing is drawn yet.");
  });

  const laid = () => {
    const image = byId("invert").checked ? last.map((one) => 1 - one) : last;
    lay(image);
    hand(image);
  };
  const choose = async (file) => {
    if (!file) return;
    try {
      const { data, width: wide, height: tall } = await decoded(file);
      last = asStudentReads(data, wide, tall, page.input);
    } catch {
      return change(null, `“${file.name}” is no image that this browser can read.`);
    }
    release();
    laid();
  };
  byId("file").addEventListener("change", (event) => {
    choose(event.target.files[0]);
    event.target.value = ""; // the same file may be chosen again
  });
  byId("invert").addEventListener("change", () => last && laid());
  pad.addEventListener("dragover", (event) => event.preventDefault());
  pad.addEventListener("drop", (event) => {
    event.preventDefault();
    choose(event.dataTransfer.files[0]);
  });

  const imageOf = (values) =>
    columns ? Float32Array.from(columns, (column) => (values[column] - low) / (high - low)) : values;
  document.querySelectorAll(".example canvas").forEach((canvas, place) => painted(canvas, imageOf(examples[place]), page.input));
  clear();
  return (values) => {
    last = null;
    lay(imageOf(values));
    change(values, [1, ...page.shape]);
  };
}

/** Paint an image (C × H × W, from 0 to 1) on a canvas of its size; returns what was painted. */
function painted(canvas, image, { channels, height, width }) {
  const to = canvas.getContext("2d");
  const data = to.createImageData(width, height);
  const size = height * width;
  for (let pixel = 0; pixel < size; pixel++) {
    for (let channel = 0; channel < 3; channel++)
      data.data[4 * pixel + channel] = 255 * image[(channels === 3 ? channel * size : 0) + pixel];
    data.data[4 * pixel + 3] = 255;
  }
  to.putImageData(data, 0, 0);
  return data;
}

/** An image with squares of so many pixels for each of its own. */
function enlarged({ data, width, height }, fine) {
  const found = new ImageData(width * fine, height * fine);
  const [from, to] = [new Uint32Array(data.buffer), new Uint32Array(found.data.buffer)];
  for (let at = 0; at < to.length; at++) {
    const [x, y] = [at % found.width, Math.floor(at / found.width)];
    to[at] = from[Math.floor(y / fine) * width + Math.floor(x / fine)];
  }
  return found;
}

/** RGBA bytes of the pad as an image (C × H × W, from 0 to 1): each pixel the mean of those that it stands for. */
export function averaged(data, fine, { channels, height, width }) {
  const found = new Float32Array(channels * height * width);
  const share = 1 / (255 * fine * fine);
  for (let y = 0; y < height * fine; y++)
    for (let x = 0; x < width * fine; x++) {
      const pixel = Math.floor(y / fine) * width + Math.floor(x / fine);
      for (let channel = 0; channel < channels; channel++)
        found[channel * height * width + pixel] += data[4 * (y * width * fine + x) + channel] * share;
    }
  return found;
}

/** A file's picture as RGBA bytes, upright, transparent parts white, its colours as they are in the file. */
async function decoded(file) {
  const picture = await createImageBitmap(file, { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const to = canvas.getContext("2d");
  to.fillStyle = "#fff";
  to.fillRect(0, 0, canvas.width, canvas.height);
  to.drawImage(picture, 0, 0);
  return to.getImageData(0, 0, canvas.width, canvas.height);
}

/** Let fingers, pens and mice draw on a pad; `changed` hears of every stroke, once a frame. */
function draws(pad, ink, dark, changed) {
  let at = null;
  let waiting = false;
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * pad.width, ((event.clientY - box.top) / box.height) * pad.height];
  };
  const stroke = (to) => {
    ink.strokeStyle = byId("colour")?.value ?? (dark ? "#fff" : "#000");
    ink.lineWidth = (Number(byId("pen").value) / 100) * Math.max(pad.width, pad.height);
    ink.lineCap = ink.lineJoin = "round";
    ink.beginPath();
    ink.moveTo(...at);
    ink.lineTo(...to);
    ink.stroke();
    at = to;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      changed();
    });
  };
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    at = place(event);
    stroke(at);
  });
  pad.addEventListener("pointermove", (event) => {
    if (at) for (const one of event.getCoalescedEvents?.() ?? [event]) stroke(place(one));
  });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => (at = null));
}
