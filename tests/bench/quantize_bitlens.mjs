// A worker with the engine: what it takes to quantize one network, from its bytes and the pictures' files to
// the bytes of the file that is taken home.
import { int8, serveTasks, start } from './worker_engine.mjs';

serveTasks(async ({ build, network, pictures }) => {
  const { ask, engine, taken } = await start(build);
  const times = {};
  let last = performance.now();
  const begin = last;
  const lap = (what) => {
    const now = performance.now();
    times[what] = now - last;
    last = now;
  };
  await ask('loadModel', { name: 'net.onnx' }, [network]);
  lap('opened');
  await ask('addPictures', { names: pictures.map((_, at) => `${at}.png`) }, pictures);
  lap('decoded');
  const before = taken();
  const { quantized } = await ask('quantize', { recipe: int8 });
  lap('quantized');
  const { onnx } = await ask('exportModel');
  const file = engine.takeBuffer(onnx.id).length;
  lap('written');
  return { total: last - begin, times, pictures: quantized.calibrationPictures, file, before, peak: taken() };
});
