// How much memory the engine takes for a network: what the page's estimate rests on (www/src/lib/memory.ts).
//
//   node tests/bench/memory.mjs [MODEL.onnx ...]
//
// Each network has a fresh engine, since a wasm memory only grows: it is opened, quantized, compared on
// two pictures, looked at and exported, as on the page. Without arguments: the networks of the data folder
// and dense ones made here, which have hardly anything but weights. Figures are bytes of wasm memory.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import initialize, { Engine } from '../../pkg/simd128/bitlens.js';

const here = fileURLToPath(import.meta.url);
const MB = 1e6;

/** Protobuf: a varint, and a field with bytes, text, a number or a message inside. */
const varint = (value) => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]);
const field = (number, value) => {
  if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)]);
  const bytes = Array.isArray(value) ? Buffer.concat(value) : Buffer.from(value);
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
};

const WIDTH = 2048;

/** A picture of 8 × 8, that many dense layers of 2048 × 2048 weights, ten classes. */
const dense = (layers) => {
  const type = (dims) => field(2, [field(1, [field(1, 1), field(2, dims.map((dim) => field(1, [field(1, dim)])))])]);
  const value = (name, dims) => [field(1, name), type(dims)];
  const node = (op, from, to) => field(1, [...from.map((name) => field(1, name)), field(2, to), field(3, to), field(4, op)]);
  const tensor = (name, dims) => {
    const numbers = Float32Array.from({ length: dims[0] * dims[1] }, (_, index) => Math.sin(index * 12.9898) / 64);
    return field(5, [...dims.map((dim) => field(1, dim)), field(2, 1), field(8, name), field(9, Buffer.from(numbers.buffer))]);
  };
  const sizes = [3 * 8 * 8, ...Array.from({ length: layers + 1 }, () => WIDTH), 10];
  const weights = sizes.slice(1).map((size, at) => tensor(`w${at}`, [sizes[at], size]));
  const products = weights.flatMap((_, at) => [node('MatMul', [`x${at}`, `w${at}`], `y${at}`), node('Relu', [`y${at}`], `x${at + 1}`)]);
  const last = `x${weights.length}`;
  const ends = [field(11, value('x', [1, 3, 8, 8])), field(12, value(last, [1, 10]))];
  const graph = [node('Flatten', ['x'], 'x0'), ...products, field(2, 'dense'), ...weights, ...ends];
  return Buffer.concat([field(1, 8), field(7, graph), field(8, [field(2, 17)])]);
};

/** A grey ramp as BMP, 24 bits. */
const picture = (side, seed) => {
  const row = Math.ceil((side * 3) / 4) * 4;
  const file = Buffer.alloc(54 + row * side);
  file.write('BM');
  for (const [at, number] of [[2, file.length], [10, 54], [14, 40], [18, side], [22, side], [34, row * side]]) file.writeUInt32LE(number, at);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let at = 54; at < file.length; at++) file[at] = (at * seed) >> 3;
  return file;
};

const measure = async (bytes) => {
  const wasm = readFileSync(new URL('../../pkg/simd128/bitlens_bg.wasm', import.meta.url));
  const { memory } = await initialize({ module_or_path: wasm });
  const engine = new Engine();
  const ask = (request, files = []) => {
    engine.begin(request, files);
    for (;;) {
      const step = engine.step(1e9);
      if (step.state === 'done') return step.response;
    }
  };
  const taken = { empty: memory.buffer.byteLength };
  ask({ kind: 'loadModel', name: 'm.onnx' }, [bytes]);
  taken.opened = memory.buffer.byteLength;
  ask({ kind: 'addPictures', names: ['a.bmp', 'b.bmp'] }, [picture(64, 3), picture(64, 5)]);
  ask({ kind: 'quantize', recipe: { schema: 1, preset: 'int8', weightBits: 8, activationBits: 8 } });
  taken.quantized = memory.buffer.byteLength;
  ask({ kind: 'compare' });
  ask({ kind: 'lens', picture: 0, target: null });
  taken.compared = memory.buffer.byteLength;
  for (const weightBits of [6, 5, 4]) {
    ask({ kind: 'quantize', recipe: { schema: 1, preset: 'int8', weightBits, activationBits: 8 } });
    ask({ kind: 'lens', picture: 0, target: null });
  }
  ask({ kind: 'exportModel' });
  taken.exported = memory.buffer.byteLength;
  return taken;
};

const [first, ...more] = process.argv.slice(2);
if (first === '--one') {
  const bytes = /^\d+$/.test(more[0]) ? dense(Number(more[0])) : readFileSync(more[0]);
  console.log(JSON.stringify({ file: bytes.length, ...(await measure(bytes)) }));
} else {
  const data = process.env.BITLENS_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));
  const folders = ['cifar10', 'mnist', 'vww', 'imagenet'].map((folder) => join(data, 'models', folder));
  const known = folders.filter(existsSync).flatMap((folder) => readdirSync(folder).filter((name) => name.endsWith('.onnx')).map((name) => join(folder, name)));
  const models = first ? [first, ...more] : [...known, '1', '6', '12', '24'];
  console.log('file, then wasm memory: empty, opened, quantized, compared, exported; MB');
  for (const model of models) {
    const { file, ...taken } = JSON.parse(execFileSync(process.execPath, [here, '--one', model], { encoding: 'utf8' }));
    const name = /^\d+$/.test(model) ? `dense, ${model} layers of ${WIDTH}²` : model.slice(model.lastIndexOf('/') + 1);
    console.log([name.padEnd(36), file, ...Object.values(taken)].map((one) => (typeof one === 'number' ? (one / MB).toFixed(1).padStart(8) : one)).join(''));
  }
}
