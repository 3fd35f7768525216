// The rows that the page came with, as the numbers that the student reads.

/** The examples' numbers: one Float32Array each. */
export async function examples(page) {
  if (!page.examples.length) return [];
  const bytes = await (await fetch("examples.bin")).arrayBuffer();
  const size = page.packed.shape.reduce((a, b) => a * b, 1);
  const every =
    page.packed.dtype === "uint8"
      ? Float32Array.from(new Uint8Array(bytes), (one) => one / 255)
      : new Float32Array(bytes); // little-endian, as every device with a browser is
  return page.examples.map((_, place) => every.slice(place * size, (place + 1) * size));
}

/** Let the buttons of the examples choose; returns `release()`, which presses none. */
export function buttons(choose) {
  const every = [...document.querySelectorAll(".example")];
  const press = (chosen) => every.forEach((one) => one.setAttribute("aria-pressed", one === chosen));
  for (const one of every)
    one.addEventListener("click", () => {
      press(one);
      choose(Number(one.dataset.example));
    });
  return { release: () => press(null), first: () => every[0]?.click() };
}
