/**
 * Heat maps as pixels: smooth upscaling and a perceptual ramp, laid over a greyed picture so that cold
 * places stay visible. The legend is made of the same layer, so it shows what is seen.
 */
import { interpolateMagma } from 'd3-scale-chromatic';

export interface HeatMap {
  width: number;
  height: number;
  /** Row-major, `height × width`, not negative. */
  values: Float32Array;
  /** The value at the ramp's hot end, the same for both maps. */
  max: number;
}

/** Whether two maps show the same. */
export function isSame(one: HeatMap, other: HeatMap): boolean {
  const hasSameFrame = one.width === other.width && one.height === other.height && one.max === other.max;
  return hasSameFrame && one.values.every((value, at) => value === other.values[at]);
}

const STEPS = 256;

/** Magma, dark to light, as STEPS × RGB. Lightness rises evenly, so it reads without colour vision. */
export const ramp: Uint8Array = (() => {
  const table = new Uint8Array(STEPS * 3);
  for (let step = 0; step < STEPS; step++) {
    const channels = interpolateMagma(step / (STEPS - 1)).match(/[\da-f]{2}/gi) ?? [];
    for (const [channel, hex] of channels.entries()) table[step * 3 + channel] = parseInt(hex, 16);
  }
  return table;
})();

/** Resamples a map with Catmull-Rom splines through the cells' centres, clamped to 0..=max. */
export function upscale(map: HeatMap, width: number, height: number): Float32Array {
  const { values, max } = map;
  const wide = new Float32Array(map.height * width);
  along(map.width, width, (target, cells, weights) => {
    for (let row = 0; row < map.height; row++) {
      let sum = 0;
      for (let tap = 0; tap < 4; tap++) sum += (values[row * map.width + (cells[tap] ?? 0)] ?? 0) * (weights[tap] ?? 0);
      wide[row * width + target] = sum;
    }
  });
  const result = new Float32Array(width * height);
  along(map.height, height, (target, cells, weights) => {
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let tap = 0; tap < 4; tap++) sum += (wide[(cells[tap] ?? 0) * width + column] ?? 0) * (weights[tap] ?? 0);
      result[target * width + column] = Math.min(max, Math.max(0, sum));
    }
  });
  return result;
}

/** For each target position: the four source cells around it (edges repeat) and their weights. */
function along(from: number, to: number, visit: (target: number, cells: number[], weights: number[]) => void): void {
  for (let target = 0; target < to; target++) {
    const position = ((target + 0.5) * from) / to - 0.5;
    const base = Math.floor(position);
    const t = position - base;
    const cells = [-1, 0, 1, 2].map((offset) => Math.min(from - 1, Math.max(0, base + offset)));
    const weights = [
      ((2 - t) * t - 1) * t / 2,
      ((3 * t - 5) * t * t + 2) / 2,
      ((4 - 3 * t) * t + 1) * t / 2,
      ((t - 1) * t * t) / 2,
    ];
    visit(target, cells, weights);
  }
}

/** How much of the ramp covers the picture at a share of the maximum: cold shines through, hot covers. */
const cover = (share: number, overlay: number): number => overlay * (0.1 + 0.9 * Math.min(1, share * 1.8));

/** A picture without its colours, by their luminance (Rec. 709). */
export function greyed(rgba: Uint8ClampedArray): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(rgba);
  for (let at = 0; at < pixels.length; at += 4) {
    const grey = 0.2126 * (rgba[at] ?? 0) + 0.7152 * (rgba[at + 1] ?? 0) + 0.0722 * (rgba[at + 2] ?? 0);
    pixels.fill(grey, at, at + 3);
  }
  return pixels;
}

/** How much of its colours the picture keeps under a map: it loses them only as far as it is covered. */
export const keptColour = (overlay: number): number => 1 - Math.min(1, overlay * 1.4);

/** A map as what is laid over the picture: RGBA, the colours of the ramp, the more opaque the hotter. */
export function layer(heat: Float32Array, max: number, overlay: number): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(heat.length * 4);
  for (let pixel = 0; pixel < heat.length; pixel++) {
    const share = max > 0 ? (heat[pixel] ?? 0) / max : 0;
    const step = Math.round(share * (STEPS - 1)) * 3;
    const at = pixel * 4;
    pixels[at] = ramp[step] ?? 0;
    pixels[at + 1] = ramp[step + 1] ?? 0;
    pixels[at + 2] = ramp[step + 2] ?? 0;
    pixels[at + 3] = cover(share, overlay) * 255;
  }
  return pixels;
}
