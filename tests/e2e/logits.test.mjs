// Logits in a worker of Chromium, with either build: those of real networks are onnxruntime's, from
// input tensors that are Pillow's and NumPy's bit for bit, and integer networks give the same bits
// everywhere. onnxruntime's side was written by tests/tools/measure_chromium.py; real networks and
// pictures are in the data folder (`BITLENS_DATA`, or `shared/data` beside the repository).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { quantizeWithSample, sampleFile, samplePictures, startEngine } from './engine.mjs';
import { BUILDS, openChromium } from './logits.mjs';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const data = process.env.BITLENS_DATA ?? join(repository, '../shared/data');
const skip = existsSync(join(data, 'models')) ? false : 'no data';
const golden = JSON.parse(await readFile(new URL('real_logits.json', import.meta.url), 'utf8'));
const networks = Object.entries(golden.networks);

/** Pictures that each float network sees. */
const PICTURES = 50;

/** Pictures on which the integer networks of both builds are compared. */
const INTEGER_PICTURES = 10;

const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };

let chromium;
let work;

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'bitlens-'));
  const sample = join(repository, 'www/public/sample');
  chromium = await openChromium({ '/data/': data, '/sample/': sample, '/made/': work });
});

after(async () => {
  await chromium?.close();
  await rm(work, { recursive: true });
});

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** Hashes of the integer network's logits on the first pictures of a task, of each build. */
const integers = async (task) => {
  const answers = await Promise.all(
    BUILDS.map((build) =>
      chromium.logits(build, { ...task, count: INTEGER_PICTURES, quantize: true }),
    ),
  );
  for (const { path } of answers) assert.equal(path, 'int8');
  return answers.map(({ pictures }) => pictures.map(({ quantized }) => quantized.sha256));
};

/** The pictures of a family as the golden file counts them: one data set, or files. */
const picturesOf = async (family, count) => {
  if (family === 'cifar10')
    return { pictures: ['/data/images/cifar10/test_jpeg_2000.bin'], pictureBytes: 3073 * count };
  if (family === 'mnist') return { pictures: ['/data/images/mnist/images-idx3-ubyte.gz'] };
  const listing = JSON.parse(await readFile(join(data, 'images/imagenet/labels.json'), 'utf8'));
  const chosen = listing.filter(({ role }) => role === 'eval').slice(0, count);
  return { pictures: chosen.map(({ file }) => `/data/images/imagenet/${file}`) };
};

const taskOf = async ({ model, preprocess, family }, count) => ({
  model: `/data/${model}`,
  preprocess: `/data/${preprocess}`,
  ...(await picturesOf(family, count)),
  count,
});

/**
 * Largest difference from onnxruntime's logits, which the file has to six digits, relative to the
 * largest of them.
 */
const difference = ({ logits }, { step, classes }, { logits: wanted, top, max, min }) => {
  assert.equal(logits.length, classes);
  assert.ok(logits.every(Number.isFinite));
  const differences = wanted.map((value, index) => Math.abs(logits[index * step] - value));
  // Of many classes the file has only some; the extremes speak for the others.
  differences.push(
    Math.abs(logits[top] - max),
    Math.max(...logits) - max,
    min - Math.min(...logits),
  );
  return Math.max(...differences) / Math.max(Math.abs(max), Math.abs(min));
};

for (const [name, network] of networks) {
  test(`${name} gives onnxruntime’s logits with both builds`, { skip }, async () => {
    const file = await readFile(join(data, network.model));
    assert.equal(sha256(file), network.sha256, 'the file that the logits were made with');
    const wanted = network.pictures;
    assert.equal(wanted.length, PICTURES);
    const task = await taskOf(network, PICTURES);
    for (const build of BUILDS) {
      const { isa, pictures } = await chromium.logits(build, task);
      assert.equal(isa, { simd128: 'simd128', relaxed: 'relaxed-simd' }[build]);
      assert.deepEqual(
        pictures.map(({ input }) => input.slice(0, 16)),
        wanted.map(({ input }) => input),
        `${build}: input tensors are Pillow's and NumPy's`,
      );
      const differences = pictures.map(({ full }, at) => difference(full, network, wanted[at]));
      const worst = Math.max(...differences);
      console.log(`${name}, ${build}: within ${worst.toExponential(1)} on ${PICTURES} pictures`);
      assert.ok(worst <= network.bound, `${build}: logits differ by ${worst} of the largest`);
    }
  });
}

test('every float network of the data folder is among them', { skip }, async () => {
  const files = await readdir(join(data, 'models'), { recursive: true });
  const expected = files.filter((file) => /^(?!quantized).*\.onnx$/.test(file)).sort();
  assert.deepEqual(networks.map(([, { model }]) => model.replace('models/', '')).sort(), expected);
});

for (const [file, like] of [
  ['resnet20_qdq', 'resnet20'],
  ['mobilenet_v1_0.25_224_qdq', 'mobilenet_v1_0.25_224'],
]) {
  test(`${file} gives the same integers with both builds`, { skip }, async () => {
    const task = await taskOf(golden.networks[like], INTEGER_PICTURES);
    const model = `/data/models/quantized/${file}.onnx`;
    const [first, second] = await integers({ ...task, model });
    assert.equal(new Set(first).size, INTEGER_PICTURES, 'every picture has its own');
    assert.deepEqual(second, first);
  });
}

for (const name of ['sample_resnet', 'sample_mobilenet']) {
  test(`${name}, quantized and exported in Node, gives the same integers in Chromium`, async () => {
    const engine = await startEngine();
    await quantizeWithSample(engine, await sampleFile(`${name}.onnx`), int8);
    const inNode = Array.from({ length: INTEGER_PICTURES }, (_, picture) => {
      const { quantized } = engine.ask('logits', { picture });
      return sha256(engine.take(quantized));
    });
    assert.equal(new Set(inNode).size, INTEGER_PICTURES, 'every picture has its own');
    await writeFile(join(work, `${name}.onnx`), engine.bytes(engine.ask('exportModel').onnx));
    const found = await integers({
      model: `/made/${name}.onnx`,
      preprocess: '/sample/preprocessor_config.json',
      pictures: (await samplePictures()).map((file) => `/sample/${file.name}`),
    });
    assert.deepEqual(found, [inNode, inNode]);
  });
}
