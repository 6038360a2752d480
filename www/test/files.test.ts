import { expect, test } from 'vitest';
import { zipSync } from 'fflate';
import { classify } from '../src/lib/classify';
import { unzip } from '../src/lib/gather';
import { commandLine, parseRecipe, recipeJson } from '../src/state/recipe';
import { DEFAULT_RECIPE } from '../src/state/state';

const roleOf = async (name: string, text = ''): Promise<string> => (await classify(name, () => Promise.resolve(text))).role;

test.each([
  ['net.onnx', 'model'], ['a/b/NET.ONNX', 'model'], ['x.JPEG', 'picture'], ['x.webp', 'picture'], ['data_batch_1.bin', 'picture'],
  ['t10k-images-idx3-ubyte.gz', 'picture'], ['t10k-labels-idx1-ubyte.gz', 'pictureLabels'], ['train-labels.idx1-ubyte', 'pictureLabels'], ['labels/t10k-images-idx3-ubyte', 'picture'], ['labels.txt', 'labels'], ['synset.txt', 'labels'], ['names.csv', 'labels'],
  ['all.zip', 'archive'], ['.DS_Store', 'ignored'], ['__MACOSX/._x.png', 'ignored'], ['set/README.md', 'ignored'], ['net.onnx.data', 'weights'], ['model_data', 'weights'], ['net.tflite', 'unknown'],
])('%s is taken for: %s', async (name, role) => {
  expect(await roleOf(name)).toBe(role);
});

test.each([
  ['{"do_normalize": true, "image_mean": [0]}', 'preprocess'],
  ['{"id2label": {"0": "cat"}, "image_size": 224}', 'labels'],
  ['["cat", "dog"]', 'labels'],
  ['[{"file": "a.png", "label": 3}]', 'labels'],
  ['{"schema": 1, "preset": "int8"}', 'recipe'],
  ['{"schema": 1,', 'unknown'],
])('JSON is told by its keys, whatever its name: %s', async (text, role) => {
  expect(await roleOf('renamed.json', text)).toBe(role);
});

test('a picture is never read just to be sorted', async () => {
  await expect(classify('x.png', () => Promise.reject(new Error('read')))).resolves.toEqual({ role: 'picture' });
});

test('an archive gives its files with their folders', async () => {
  const bytes = zipSync({ 'set/a.png': new Uint8Array([1, 2]), 'set/': new Uint8Array(), 'net.onnx': new Uint8Array([3]) });
  const files = await unzip({ name: 'x.zip', blob: new Blob([bytes as Uint8Array<ArrayBuffer>]) });
  expect(files.map(({ name, blob }) => [name, blob.size, blob.type])).toEqual([['set/a.png', 2, 'image/png'], ['net.onnx', 1, '']]);
});

test('a recipe survives its file', () => {
  const recipe = { ...DEFAULT_RECIPE, weightBits: 3 };
  expect(parseRecipe(JSON.parse(recipeJson(recipe)))).toEqual(recipe);
});

test.each([
  [{ ...DEFAULT_RECIPE, weightBits: 1 }, /weightBits is 1/],
  [{ ...DEFAULT_RECIPE, activationBits: '8' }, /activationBits is "8"/],
  [{ ...DEFAULT_RECIPE, preset: 'w4' }, /preset “w4”/],
  [{ ...DEFAULT_RECIPE, schema: 2 }, /schema 2/],
  [{ ...DEFAULT_RECIPE, rounding: 'adaptive' }, /rounding/],
  [null, /schema/],
])('recipe %j is refused with the reason', (value, reason) => {
  expect(() => parseRecipe(value)).toThrow(reason);
});

test('the command line quotes what a shell would split', () => {
  expect(commandLine('net.onnx', DEFAULT_RECIPE)).toBe('bitlens quantize net.onnx --data pictures/ --preset int8 -o quantized.onnx');
  expect(commandLine("my net's.onnx", { ...DEFAULT_RECIPE, weightBits: 4 })).toBe("bitlens quantize 'my net'\\''s.onnx' --data pictures/ --preset int8 --weight-bits 4 --activation-bits 8 -o quantized.onnx");
});
