// The page: what it knows, the student, a way in, and what the student says.
import { steps } from "./answers.js";
import { bars, drawPath, keepRoom } from "./bars.js";
import { byId } from "./dom.js";
import { buttons, examples } from "./examples.js";
import { heat } from "./heat.js";
import { pixels } from "./pixels.js";
import { series } from "./series.js";
import { open } from "./student.js";
import { table } from "./table.js";
import { text } from "./text.js";
import { words } from "./words.js";

const WAYS = { pixels, series, table, text };
const paused = () => new Promise((go) => setTimeout(go));

async function start() {
  heat();
  const page = await (await fetch("page.json")).json();
  if (page.nodes.length) keepRoom(page.longest);
  const all = page.runtime.bytes + page.bytes;
  const student = await open((came) => say(`Loading the student… ${Math.min(100, Math.round((100 * came) / all))} %`));
  let asked = null; // the input that is shown; null for none

  measures(student, () => asked);
  if (page.input.kind === "words") {
    await words(page, {
      student,
      change: (values, dims, word) => {
        asked = { values, dims };
        say(`Nearest to “${word}”`);
        byId("measure").disabled = false;
        document.body.dataset.idle = true;
      },
    });
    return ready(page);
  }

  const show = bars(page);
  const answer = (outputs) => {
    const names = show(outputs && outputs.logits);
    if (page.nodes.length) drawPath(outputs ? steps(outputs.path, outputs.steps, page.nodes) : []);
    if (outputs) say(names.length ? `It decides: ${names.join(", ")}.` : "It decides for no label.");
  };
  let said = "";
  let waiting = null; // the latest input that nobody has answered; those before it are skipped
  let busy = false;
  const change = async (values, dims) => {
    document.body.dataset.idle = false;
    byId("measure").disabled = !values;
    byId("annotated").hidden = !said;
    byId("annotated").textContent = said && `Annotated: ${said}`;
    asked = values && { values, dims };
    waiting = { values, dims };
    if (busy) return;
    busy = true;
    while (waiting) {
      const one = waiting;
      waiting = null;
      const outputs = one.values && (await student.run(one.values, one.dims));
      if (waiting) continue;
      answer(outputs);
      if (!outputs) say(one.dims);
    }
    busy = false;
    document.body.dataset.idle = true;
  };
  const own = await examples(page);
  const entities = page.input.kind === "text" ? await (await fetch("entities.json")).json() : null;
  const choice = buttons((place) => {
    said = page.examples[place].said;
    set(own[place], place);
  });
  const release = () => {
    said = "";
    choice.release();
  };
  const set = WAYS[page.input.kind](page, { change, release, examples: own, entities });
  ready(page);
  choice.first();
}

function ready(page) {
  briefly();
  document.body.dataset.ready = page.input.kind;
}

function say(line) {
  byId("status").textContent = byId("brief").textContent = line;
}

/** Show the line of what the student says at the foot of the screen while its place is out of sight, as on phones. */
function briefly() {
  const seen = new IntersectionObserver(([one]) => (byId("brief").hidden = one.isIntersecting), { rootMargin: "0px 0px -90px" });
  seen.observe(byId("answer"));
}

/** Let the button measure how long the student takes for the input that is shown. */
function measures(student, input) {
  const [button, told] = [byId("measure"), byId("latency")];
  button.addEventListener("click", async () => {
    const { values, dims } = input();
    button.disabled = true;
    told.textContent = "measuring…";
    const { milliseconds, runs } = await student.latency(values, dims, paused);
    const digits = milliseconds < 1 ? 3 : milliseconds < 10 ? 2 : 1;
    told.textContent = `${milliseconds.toFixed(digits)} ms, the median of ${runs} runs`;
    told.dataset.milliseconds = milliseconds;
    button.disabled = false;
  });
}

start().catch((error) => {
  byId("warning").textContent = `The student cannot run here: ${error.message}`;
  byId("warning").hidden = false;
  say("Nothing can run here.");
  throw error;
});
