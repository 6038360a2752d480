// In a worker: one build of the engine, asked as the page asks it, and how large its memory is.

/** Longer than any job: one step does it all. */
const NO_LIMIT_MS = 1e9;

/** What the page asks for first. */
export const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };

export const start = async (build) => {
  const { default: initialize, Engine } = await import(`/pkg/${build}/bitlens.js`);
  const { memory } = await initialize({ module_or_path: `/pkg/${build}/bitlens_bg.wasm` });
  const engine = new Engine();
  const ask = async (kind, args = {}, files = []) => {
    const uploads = [];
    for (const file of files) uploads.push(await upload(engine, file));
    engine.begin({ kind, ...args }, uploads);
    for (;;) {
      const step = engine.step(NO_LIMIT_MS);
      if (step.state === 'done') return step.response;
    }
  };
  return { ask, engine, taken: () => memory.buffer.byteLength };
};

/** As the page does it (www/src/engine/serve.ts). */
const upload = async (engine, file) => {
  const id = engine.reserveUpload(file.size);
  const reader = file.stream().getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) engine.writeUpload(id, chunk.value);
  return id;
};

/** Answers each message with what `task` makes of it and of an engine of its own. */
export const serveTasks = (task) => {
  self.onmessage = async ({ data }) => {
    try {
      self.postMessage({ result: await task(data) });
    } catch (error) {
      self.postMessage({ error: error?.message ?? String(error) });
    }
  };
};
