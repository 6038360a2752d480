import { expect, test } from 'vitest';
import { zipSync } from 'fflate';
import { classify } from '../src/lib/classify';
import { unzip } from '../src/lib/gather';
import { changedOptions, commandLine, parseRecipe, presetRecipe, PRESETS, recipeJson } from '../src/state/recipe';
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
  [{ ...DEFAULT_RECIPE, activationBits: 12 }, /activationBits is 12; it must be a whole number from 2 to 8, or 16, or 32/],
  [{ ...DEFAULT_RECIPE, weightGrid: 'round' }, /weightGrid is "round"; it must be one of symmetric, asymmetric/],
  [{ ...DEFAULT_RECIPE, weightFullRange: 1 }, /weightFullRange is 1; it must be true or false/],
  [{ ...DEFAULT_RECIPE, layers: 'all' }, /layers must be a list/],
  [{ ...DEFAULT_RECIPE, schema: 3 }, /schema 3; this version reads schema 1 and 2/],
  [{ ...DEFAULT_RECIPE, magic: 'adaptive' }, /magic/],
  [null, /schema/],
])('recipe %j is refused with the reason', (value, reason) => {
  expect(() => parseRecipe(value)).toThrow(reason);
});

test('a recipe of the first version is read', () => {
  expect(parseRecipe({ schema: 1, preset: 'int8', weightBits: 4, activationBits: 6 })).toEqual({ ...DEFAULT_RECIPE, weightBits: 4, activationBits: 6 });
});

test('what a preset stands for and what was changed are told apart', () => {
  expect(PRESETS.every(({ recipe }) => changedOptions(recipe).length === 0)).toBe(true);
  const changed = { ...presetRecipe('w4a4'), weightBits: 3, weightFullRange: true };
  expect(changedOptions(changed).map(({ key }) => key)).toEqual(['weightBits', 'weightFullRange']);
});

test('the command line quotes what a shell would split', () => {
  expect(commandLine('net.onnx', DEFAULT_RECIPE)).toBe('bitlens quantize net.onnx --data pictures/ --preset int8 -o quantized.onnx');
  expect(commandLine("my net's.onnx", { ...DEFAULT_RECIPE, weightBits: 4 })).toBe("bitlens quantize 'my net'\\''s.onnx' --data pictures/ --preset int8 --weight-bits 4 -o quantized.onnx");
});

test('the command line says what differs from the preset, or takes the file', () => {
  const recipe = { ...presetRecipe('w4a8'), activationBits: 16, weightGrid: 'asymmetric' as const };
  expect(commandLine('net.onnx', recipe)).toBe('bitlens quantize net.onnx --data pictures/ --preset w4a8 --set weightGrid=asymmetric --activation-bits 16 -o quantized.onnx');
  expect(commandLine('net.onnx', { ...recipe, layers: [{ name: 'conv*', weightBits: 3 }] })).toBe('bitlens quantize net.onnx --data pictures/ --recipe recipe.json -o quantized.onnx');
});
