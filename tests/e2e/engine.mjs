// The engine itself, without browser and page: what the page shows is held against it.
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { bestVariant } from '../../pkg/loader.js';

// Node 20 has relaxed SIMD behind a flag, Chromium has it at once. Both are to run the same build: a
// fused multiplication and addition rounds once, so full precision differs in its last bits.
setFlagsFromString('--experimental-wasm-relaxed-simd');

const samples = new URL('../../www/public/sample/', import.meta.url);

/** Longer than any job: one step does it all. */
const NO_LIMIT_MS = 1e9;

const loaded = new Map();

/** The classes of a build; each build has an instance of its own. */
const loadBuild = async (build) => {
  const file = (name) => new URL(`../../pkg/${build}/${name}`, import.meta.url);
  const glue = await import(file('bitlens.js'));
  await glue.default({ module_or_path: await readFile(file('bitlens_bg.wasm')) });
  return glue;
};

/**
 * A fresh engine: `ask` asks it one thing, `begin` and `step` do so by halves, `take` and `bytes`
 * fetch what an answer refers to.
 */
export const startEngine = async (build = bestVariant()) => {
  if (!loaded.has(build)) loaded.set(build, loadBuild(build));
  const { Engine } = await loaded.get(build);
  const engine = new Engine();
  const begin = (kind, args = {}, files = []) => engine.begin({ kind, ...args }, files);
  const step = (budgetMs) => engine.step(budgetMs);
  const ask = (kind, args, files) => {
    begin(kind, args, files);
    for (;;) {
      const { state, response } = step(NO_LIMIT_MS);
      if (state === 'done') return response;
    }
  };
  const take = (ref) => engine.takeBuffer(ref.id);
  return { ask, begin, step, take, bytes: (ref) => Buffer.from(take(ref)) };
};

/** A file of the bundled sample, in the form in which the helpers take files to drop. */
export const sampleFile = async (name) => ({
  name,
  buffer: await readFile(new URL(name, samples)),
});

/** The sample's pictures, in the page's order. */
export const samplePictures = async () => {
  const { buffer } = await sampleFile('pictures.json');
  return Promise.all(JSON.parse(buffer.toString()).map(({ file }) => sampleFile(file)));
};

/** Opens a network with the sample's pictures, as the page does, and quantizes it. */
export const quantizeWithSample = async ({ ask }, model, recipe) => {
  const pictures = await samplePictures();
  ask('loadModel', { name: model.name }, [model.buffer]);
  ask('readPreprocess', { name: 'preprocessor_config.json' }, [
    (await sampleFile('preprocessor_config.json')).buffer,
  ]);
  ask(
    'addPictures',
    { names: pictures.map(({ name }) => name) },
    pictures.map(({ buffer }) => buffer),
  );
  for (const name of ['labels.json', 'pictures.json'])
    ask('setLabels', { name }, [(await sampleFile(name)).buffer]);
  return ask('quantize', { recipe }).quantized;
};

/** Probabilities of the quantized network on all pictures that it is compared on, bit for bit. */
export const quantizedAnswers = ({ ask }) =>
  ask('compare').pictures.map(({ picture, quantized }) => [
    picture,
    quantized.map((one) => [one.class, one.probability]),
  ]);
