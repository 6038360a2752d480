/** The known object of a sample picture: its outline, and how much of the attention lies on it. */
import { contours } from 'd3-contour';
import { upscale, type HeatMap } from './heat';

/** Which pixels show the object, row-major: 0 outside to 255 inside. */
export interface ObjectMask {
  width: number;
  height: number;
  inside: Uint8Array;
}

const HALF = 127.5;

/** The outline as an SVG path in the mask's own pixels. */
export function outline({ width, height, inside }: ObjectMask): string {
  const shape = contours().size([width, height]).contour([...inside], HALF);
  const point = ([x, y]: number[]): string => `${(x ?? 0).toFixed(2)},${(y ?? 0).toFixed(2)}`;
  return shape.coordinates.flat().map((ring) => `M${ring.map(point).join('L')}Z`).join('');
}

/** Share of the object in the picture; of an even map, this share lies on it. */
export function coverage({ inside }: ObjectMask): number {
  return inside.reduce((sum, value) => sum + Number(value > HALF), 0) / inside.length;
}

/**
 * Share of a map's heat that lies on the object; null for a map without heat.
 * The energy-based pointing game of H. Wang et al., Score-CAM (CVPR Workshops 2020).
 */
export function onObject(map: HeatMap, mask: ObjectMask): number | null {
  const heat = upscale(map, mask.width, mask.height);
  let all = 0;
  let on = 0;
  for (const [pixel, value] of heat.entries()) {
    all += value;
    if ((mask.inside[pixel] ?? 0) > HALF) on += value;
  }
  return all > 0 ? on / all : null;
}
