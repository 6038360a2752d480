// A worker with the engine: one network, and how large the engine's memory is after each thing done with it.

/** Longer than any job: one step does it all. */
const NO_LIMIT_MS = 1e9;
const int8 = { schema: 1, preset: 'int8', weightBits: 8, activationBits: 8 };

const start = async (build) => {
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

/** Opens a network and runs it on one picture; on integers, where its file is quantized. */
const run = async ({ ask, taken }, { file, pictures }) => {
  const { model } = await ask('loadModel', { name: 'net.onnx' }, [file]);
  const opened = taken();
  await ask('addPictures', { names: ['a.png'] }, pictures.slice(0, 1));
  if (model.quantized) await ask('quantize', { recipe: int8 });
  await ask('logits', { picture: 0 });
  const ran = taken();
  for (let time = 0; time < 30; time++) await ask('logits', { picture: 0 });
  return { opened, ran, again: taken(), size: [model.channels, ...(model.inputSize ?? [224, 224])] };
};

/** All that the page does: quantizes, compares, looks, tries other recipes, takes the file home. */
const visit = async ({ ask, engine, taken }, { file, pictures }) => {
  const { model } = await ask('loadModel', { name: 'net.onnx' }, [file]);
  const opened = taken();
  await ask('addPictures', { names: pictures.map((_, at) => `${at}.png`) }, pictures);
  await ask('quantize', { recipe: int8 });
  const quantized = taken();
  await ask('compare');
  await ask('lens', { picture: 0, target: null });
  const compared = taken();
  const { latency } = await ask('measureLatency', { runs: 9 });
  for (const weightBits of [6, 5, 4, 8]) {
    await ask('quantize', { recipe: { ...int8, weightBits } });
    await ask('lens', { picture: 0, target: null });
  }
  const { onnx } = await ask('exportModel');
  const steps = { opened, quantized, compared, exported: taken(), estimate: model.memoryBytes };
  const times = { full: latency.full.medianMs, quantized: latency.quantized.medianMs };
  return { ...steps, times, int8: new Blob([engine.takeBuffer(onnx.id)]), size: [model.channels, ...(model.inputSize ?? [224, 224])] };
};

self.onmessage = async ({ data }) => {
  try {
    const engine = await start(data.build);
    self.postMessage({ result: await (data.task === 'run' ? run : visit)(engine, data) });
  } catch (error) {
    self.postMessage({ error: error?.message ?? String(error) });
  }
};
