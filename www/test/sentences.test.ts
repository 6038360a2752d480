import { expect, test } from 'vitest';
import { DEFAULT_RECIPE } from '../src/state/state';
import { bitsOf, formWords, oneMoreBit, quantizedLabel, rangeSentence, roundingSentence, storageSentence, steepestDrop, truth, whatHappened } from '../src/lib/sentences';
import { lens, quantized } from './fixtures';

const plain = (text: string | null): string | null => text && text.replaceAll('\u00a0', ' ');
const cock = { class: 1, name: 'cock, hen', probability: 0.8 };

test('a kept answer and kept attention', () => {
  expect(plain(whatHappened(lens, true))).toBe('The answer stayed, as sure as before. Attention stayed: rank correlation 0.91; the hottest tenths overlap by 70 %.');
});

test('a flipped answer says so, whatever the probabilities', () => {
  expect(whatHappened({ ...lens, flipped: true, quantizedTop: cock }, true)).toMatch(/^The answer flipped\. Attention stayed/);
});

test('a shaken answer says by how much', () => {
  const shaken = { ...lens, quantizedTop: { ...lens.quantizedTop, probability: 0.4 } };
  expect(plain(whatHappened(shaken, true))).toMatch(/^The answer stayed, less sure than before: 90 % became 40 %\./);
});

test.each([[0.85, 'Attention stayed:'], [0.7, 'Attention moved a little:'], [-0.2, 'Attention moved:']])('a rank correlation of %d: %s', (spearman, words) => {
  expect(whatHappened({ ...lens, spearman }, true)).toContain(words);
});

test('a network without places and a flat map are not called moved', () => {
  expect(whatHappened({ ...lens, spearman: null }, false)).toContain('cannot be drawn');
  expect(whatHappened({ ...lens, spearman: null }, true)).toContain('cannot be compared');
});

test.each([
  [0, 0, 'Both are right.'],
  [0, 1, 'Only full precision is right.'],
  [1, 0, 'Only the quantized network is right.'],
  [1, 1, 'Both are wrong.'],
])('full precision says %d, quantized %d, and 0 is true: %s', (full, quantized, words) => {
  const told = { ...lens, expected: 0, fullTop: { ...cock, class: full }, quantizedTop: { ...cock, class: quantized } };
  expect(truth(told, ['swan', 'cock'])).toBe(`True class: swan. ${words}`);
});

test('a file that is quantized already has no full precision', () => {
  const told = { ...lens, expected: 0, fullTop: { ...cock, class: 0 }, quantizedTop: { ...cock, class: 1 } };
  expect(truth(told, ['swan'], true)).toBe('True class: swan. Only the definition in float is right.');
  const other = { ...told, expected: 1 };
  expect(truth(other, ['swan', 'cock'], true)).toBe('True class: cock. Only the integers are right.');
});

test('without a label nothing is said to be right', () => {
  expect(truth({ ...lens, expected: null }, ['swan'])).toBeNull();
});

test('a true class that neither network names is named all the same', () => {
  expect(truth({ ...lens, expected: 2 }, ['swan', 'cock', 'goose, Anser'])).toContain('True class: goose.');
  expect(truth({ ...lens, expected: 5 }, [])).toContain('True class: class 5.');
});

test('the label names only what has fewer bits', () => {
  const label = (weightBits: number, activationBits: number): string => quantizedLabel({ ...DEFAULT_RECIPE, weightBits, activationBits });
  expect([label(8, 8), label(4, 8), label(8, 3), label(4, 3)]).toEqual(['8-bit', '4-bit weights', '3-bit activations', '4-bit weights, 3-bit activations']);
});

test('the steepest loss is found, small steps and gaps are not pointed at', () => {
  const along = [40, 39.5, null, 30, 22, 21.2].map((sqnrDb, index) => ({ layer: `l${index}`, sqnrDb }));
  expect(steepestDrop(along)).toEqual({ layer: 'l4', from: 30, to: 22 });
  expect(steepestDrop(along.slice(0, 2))).toBeNull();
  expect(steepestDrop([])).toBeNull();
  const drowned = [6, 2, -1, -30].map((sqnrDb, index) => ({ layer: `l${index}`, sqnrDb }));
  expect(steepestDrop(drowned)?.layer).toBe('l1');
});

test('the remedy gives a bit to whoever has fewer, and ends at eight', () => {
  const remedy = (weightBits: number, activationBits: number) => oneMoreBit({ ...DEFAULT_RECIPE, weightBits, activationBits });
  expect(remedy(4, 8)?.recipe.weightBits).toBe(5);
  expect(remedy(8, 3)?.recipe.activationBits).toBe(4);
  expect(remedy(8, 8)).toBeNull();
});

test('the file is not called smaller than it is', () => {
  const layer = (weightBits: number, bytes: number) => ({ ...quantized.layers[0]!, weightBits, weights: 100, sizeBytes: { full: 400, quantized: bytes } });
  expect(storageSentence([layer(32, 480)])).toBe('Its weights are not quantized.');
  expect(storageSentence([layer(32, 480), layer(8, 120)])).toContain('8-bit integers');
  expect(storageSentence([layer(8, 120)])).toContain('8-bit integers');
  expect(storageSentence([layer(4, 120)])).toContain('each stored in a whole byte');
  expect(storageSentence([layer(4, 60), layer(6, 80)])).toContain('packed integers of 4 to 6 bits');
});

test('what stands for layers in the file is said by its name', () => {
  expect(formWords({ activationRange: 'dynamic', activationBits: 8 })).toContain('behind DynamicQuantizeLinear');
  expect(formWords({ activationRange: 'dynamic', activationBits: 32 })).toContain('as QuantizeLinear');
  expect(formWords({ activationRange: 'max', activationBits: 8 })).toContain('as QuantizeLinear');
});

test('the bits of a file are said as its layers have them', () => {
  const layer = (weightBits: number) => ({ ...quantized.layers[0]!, weightBits });
  expect(bitsOf([layer(8), layer(8)], 'weightBits')).toBe('8 bits');
  expect(bitsOf([layer(4), layer(8), layer(32)], 'weightBits')).toBe('4 to 8 bits, 1 layer in float');
  expect(bitsOf([layer(32)], 'weightBits')).toBe('float');
});

test('rounding is told by the error that is left, and by the layers without a choice', () => {
  const layer = (nearest: number | null, accepted: number | null, note: string | null = null) => ({ layer: 'conv', rounding: 'gptq' as const, nearest, accepted, note });
  expect(roundingSentence([])).toBeNull();
  expect(plain(roundingSentence([layer(0.3, 0.1), layer(0.1, 0.1)]))).toBe('What was chosen for the weights leaves 50 % of the error of nearest codes.');
  expect(plain(roundingSentence([layer(0.4, 0.1), layer(null, null, 'too large')]))).toBe('What was chosen for the weights leaves 25 % of the error of nearest codes. 1 layer kept the nearest codes.');
  expect(plain(roundingSentence([layer(null, null, 'a'), layer(null, null, 'b')]))).toBe('Nothing could be chosen for the weights. 2 layers kept the nearest codes.');
});

test('the rule for ranges that was found is held beside the extremes', () => {
  const titles: Record<string, string> = { max: 'Extremes', mse: 'Least squared error' };
  const tried = [
    { rule: 'max' as const, kl: 0.0391 },
    { rule: 'mse' as const, kl: 0.02604 },
  ];
  const said = (rule: 'max' | 'mse', pictures: number, allSeen: boolean): string | null => plain(rangeSentence({ rule, tried, pictures, allSeen }, (name) => titles[name] ?? name));
  expect(said('mse', 10, false)).toBe('Of 2 rules for ranges, “Least squared error” keeps answers nearest to full precision on 10 pictures held out, KL 0.0260; with “Extremes” 0.0391.');
  expect(said('max', 3, true)).toBe('Of 2 rules for ranges, “Extremes” keeps answers nearest to full precision on your 3 pictures, too few to hold any out.');
});
