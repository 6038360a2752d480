// A worker with the engine: one network, and how large the engine's memory is after each thing done with it.
import { int8, serveTasks, start } from './worker_engine.mjs';

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

serveTasks(async (data) => (data.task === 'run' ? run : visit)(await start(data.build), data));
