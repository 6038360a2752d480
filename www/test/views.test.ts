import { expect, test } from 'vitest';
import { soFar, wilson } from '../src/lib/stats';
import { rows, sortRows } from '../src/views/layers/order';
import { arrange, held } from '../src/views/strip/order';
import { fromForm, toForm } from '../src/views/preprocess/form';
import { comparison, picture, preprocess, quantized } from './fixtures';

test("Wilson's interval, against published values", () => {
  const { low, high } = wilson(15, 20);
  expect(low).toBeCloseTo(0.5313, 4);
  expect(high).toBeCloseTo(0.8881, 4);
  expect(wilson(20, 20)).toMatchObject({ value: 1, high: 1 });
  expect(wilson(0, 0)).toEqual({ value: 0, low: 0, high: 1 });
});

test('pictures without a map do not count into the mean attention', () => {
  expect(soFar([comparison(0, true, 0.5), comparison(1, false, null), comparison(2, false, 0.7)])).toMatchObject({ images: 3, spearmanMean: 0.6, agreement: { value: 2 / 3 } });
  expect(soFar([]).spearmanMean).toBeNull();
});

test('the strip follows the ranking, unranked pictures come last in file order', () => {
  const pictures = [0, 1, 2, 3, 4].map((index) => picture(index));
  const indices = (flippedOnly: boolean, order: 'changed' | 'file') =>
    arrange(pictures, { 3: comparison(3, true) }, { ranking: [3, 1], order, flippedOnly }).map(({ index }) => index);
  expect(indices(false, 'changed')).toEqual([3, 1, 0, 2, 4]);
  expect(indices(false, 'file')).toEqual([0, 1, 2, 3, 4]);
  expect(indices(true, 'changed')).toEqual([3]);
});

test('the strip holds what is in view and what is near it', () => {
  expect(held(40, 3)).toEqual([0, 40]);
  expect(held(5000, 0)).toEqual([0, 600]);
  expect(held(0, 0)).toEqual([0, 0]);
  for (let place = 0; place < 5000; place += 37) {
    const [start, end] = held(5000, place);
    expect(start).toBeLessThanOrEqual(Math.max(0, place - 150));
    expect(end).toBeGreaterThanOrEqual(Math.min(5000, place + 150));
    expect(end - start).toBeLessThanOrEqual(600);
  }
  expect(held(100, 4000)).toEqual([99, 100]);
});

test('layers sort by every column; unknown signal goes last, none lost counts as most', () => {
  const list = rows(quantized.layers, [{ layer: 'conv10', sqnrDb: 12 }, { layer: 'conv1', sqnrDb: null }]);
  const names = (column: Parameters<typeof sortRows>[1], descending = false) => sortRows(list, column, descending).map(({ layer }) => layer.name);
  expect(names('order')).toEqual(['conv1', 'conv10', 'conv2']);
  expect(names('name')).toEqual(['conv1', 'conv2', 'conv10']);
  expect(names('bytes', true)).toEqual(['conv1', 'conv2', 'conv10']);
  expect(names('bits')).toEqual(['conv10', 'conv1', 'conv2']);
  expect(names('sqnr')).toEqual(['conv10', 'conv1', 'conv2']);
});

test('the form gives back the preprocessing it was filled from', () => {
  expect(fromForm(toForm(preprocess.preprocess), preprocess.preprocess, 3)).toEqual(preprocess.preprocess);
});

test('one number serves all channels, and nothing to subtract is no normalization', () => {
  const form = { ...toForm(preprocess.preprocess), mean: '0', std: '1', scale: 'raw' as const, resize: 'none' as const };
  expect(fromForm(form, preprocess.preprocess, 3)).toMatchObject({ image_mean: [0, 0, 0], do_normalize: false, do_rescale: false, size: null, do_resize: false });
});

test.each([
  [{ mean: '0.5, 0.5' }, /needs one number, or 3/],
  [{ std: '0' }, /above 0/],
  [{ mean: 'a, b, c' }, /must be numbers/],
  [{ cropWidth: '2.5' }, /Crop width/],
  [{ shortestEdge: '' }, /short side/],
])('the form refuses %j in words', (change, words) => {
  expect(fromForm({ ...toForm(preprocess.preprocess), ...change }, preprocess.preprocess, 3)).toMatch(words);
});
