import { expect, test } from 'vitest';
import { coverage, onObject, outline } from '../src/lib/object';

/** A square object in the upper left quarter of a 20 × 20 picture. */
const mask = { width: 20, height: 20, inside: Uint8Array.from({ length: 400 }, (_, pixel) => (pixel % 20 < 10 && pixel < 200 ? 255 : 0)) };

test('the object covers a quarter', () => {
  expect(coverage(mask)).toBe(0.25);
});

test('a map that is hot on the object lies on it, one that is hot elsewhere does not', () => {
  const map = (hot: number) => ({ width: 2, height: 2, max: 1, values: Float32Array.from([0, 0, 0, 0].map((_, cell) => Number(cell === hot))) });
  expect(onObject(map(0), mask)).toBeGreaterThan(0.7);
  expect(onObject(map(3), mask)).toBeLessThan(0.05);
});

test('an even map lies on the object by its size, and one without heat nowhere', () => {
  const even = { width: 2, height: 2, max: 1, values: new Float32Array(4).fill(1) };
  expect(onObject(even, mask)).toBeCloseTo(coverage(mask), 6);
  expect(onObject({ ...even, values: new Float32Array(4) }, mask)).toBeNull();
});

test('the outline runs along the edge of the object', () => {
  const points = outline(mask).match(/[\d.]+,[\d.]+/g)?.map((pair) => pair.split(',').map(Number)) ?? [];
  expect(points.length).toBeGreaterThan(8);
  expect(Math.max(...points.flat())).toBeCloseTo(10, 0);
});
