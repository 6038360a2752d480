import { expect, test } from 'vitest';
import { greyed, isSame, keptColour, layer, ramp, upscale } from '../src/lib/heat';

test('upscaling keeps the values at the centres of the cells', () => {
  const values = Float32Array.from([0, 1, 2, 1, 3, 0, 0, 1, 0]);
  const large = upscale({ width: 3, height: 3, values, max: 3 }, 9, 9);
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      expect(large[(row * 3 + 1) * 9 + column * 3 + 1]).toBeCloseTo(values[row * 3 + column] ?? NaN, 5);
    }
  }
});

test('a flat map stays flat, and splines never leave the scale', () => {
  const flat = upscale({ width: 2, height: 2, values: new Float32Array(4).fill(0.7), max: 1 }, 8, 6);
  expect([...flat].every((value) => Math.abs(value - 0.7) < 1e-6)).toBe(true);
  const steep = upscale({ width: 4, height: 1, values: Float32Array.from([0, 1, 1, 0]), max: 1 }, 64, 4);
  expect(Math.max(...steep)).toBeLessThanOrEqual(1);
  expect(Math.min(...steep)).toBeGreaterThanOrEqual(0);
});

test('the ramp grows steadily lighter', () => {
  const light = Array.from({ length: 256 }, (_, step) => 0.2126 * (ramp[step * 3] ?? 0) + 0.7152 * (ramp[step * 3 + 1] ?? 0) + 0.0722 * (ramp[step * 3 + 2] ?? 0));
  for (let step = 8; step < 256; step += 8) expect(light[step]).toBeGreaterThan(light[step - 8] as number);
});

test('hot places are covered by the colour of the ramp, cold ones hardly', () => {
  const [cold, hot] = [layer(Float32Array.from([0, 5]), 5, 1).slice(0, 4), layer(Float32Array.from([0, 5]), 5, 1).slice(4)];
  expect([...hot]).toEqual([...ramp.slice(255 * 3), 255]);
  expect(cold[3]).toBeLessThan(0.11 * 255);
});

test('with the map at nothing the picture shows through and keeps its colours; fully shown, it is grey', () => {
  expect(layer(Float32Array.from([1]), 1, 0)[3]).toBe(0);
  expect([keptColour(0), keptColour(1)]).toEqual([1, 0]);
});

test('a map of nothing is cold everywhere', () => {
  expect([...layer(new Float32Array(2), 0, 1)]).toEqual([...layer(new Float32Array(2), 1, 1)]);
});

test('grey has the luminance of the colour', () => {
  expect([...greyed(Uint8ClampedArray.from([200, 0, 0, 255, 0, 255, 0, 128]))]).toEqual([43, 43, 43, 255, 182, 182, 182, 128]);
});

test('maps are the same where they show the same, whoever sent them', () => {
  const map = { width: 2, height: 1, values: Float32Array.from([0.5, 1]), max: 1 };
  expect(isSame(map, { ...map, values: Float32Array.from([0.5, 1]) })).toBe(true);
  for (const other of [{ ...map, values: Float32Array.from([0.5, 0.9]) }, { ...map, max: 2 }, { ...map, width: 1, height: 2 }]) {
    expect(isSame(map, other)).toBe(false);
  }
});
