// The student: its file, run by onnxruntime-web on one thread, in this page.
import * as ort from "../runtime/ort.js";

/** The bytes of a file of this folder; `note` hears how many have come. */
async function fetched(name, note) {
  const answer = await fetch(name);
  if (!answer.ok) throw new Error(`the server has no ${name} (${answer.status})`);
  const parts = [];
  let came = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    note((came += value.length));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Start the runtime and open the student; `note` hears how many bytes have come, of both. */
export async function open(note) {
  const came = { wasm: 0, student: 0 };
  const heard = (what) => (count) => {
    came[what] = count;
    note(came.wasm + came.student);
  };
  const files = [fetched("runtime/ort.wasm", heard("wasm")), fetched("student.onnx", heard("student"))];
  const [wasm, student] = await Promise.all(files);
  ort.env.wasm.wasmBinary = wasm; // fetched here, so that a server may call it what it likes
  ort.env.wasm.numThreads = 1; // more need headers that plain static servers do not send
  ort.env.logLevel = "error";
  return new Student(await ort.InferenceSession.create(student, { executionProviders: ["wasm"], logSeverityLevel: 3 }));
}

class Student {
  constructor(session) {
    this.session = session;
    this.running = Promise.resolve();
  }

  /** Run the graph on one input; all runs wait for each other. Returns its outputs by name. */
  async run(values, dims) {
    const [name] = this.session.inputNames;
    const type = values instanceof BigInt64Array ? "int64" : "float32";
    const turn = this.running.then(() => this.session.run({ [name]: new ort.Tensor(type, values, dims) }));
    this.running = turn.catch(() => {});
    const outputs = await turn;
    return Object.fromEntries(Object.entries(outputs).map(([key, tensor]) => [key, tensor.data]));
  }

  /** The median of the milliseconds that a run takes, over at least 20 runs or two seconds. */
  async latency(values, dims, wait) {
    const timed = async (count) => {
      const start = performance.now();
      for (let turn = 0; turn < count; turn++) await this.run(values, dims);
      return (performance.now() - start) / count;
    };
    await timed(5); // the first runs allocate, and are compiled anew
    let count = 1; // runs at a time, which take at least 5 ms: clocks of browsers are coarse
    while (count < 1024 && count * Math.min(await timed(count), await timed(count)) < 5) count *= 2;
    const found = [];
    for (const start = performance.now(); found.length < 20 && (found.length < 3 || performance.now() - start < 2000); ) {
      found.push(await timed(count));
      await wait(); // the page stays alive
    }
    found.sort((a, b) => a - b);
    return { milliseconds: found[found.length >> 1], runs: found.length * count };
  }
}
