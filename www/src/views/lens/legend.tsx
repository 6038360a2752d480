/** The common colour scale of both maps, drawn on the picture with its two ends in the data's unit. */
import { useEffect, useRef } from 'preact/hooks';
import { value } from '../../lib/format';
import { blend } from '../../lib/heat';

const WIDTH = 256;
/** The grey that the ramp is blended with where it is cold: that of an average picture. */
const GROUND = 110;

export function Legend({ max, target, overlay }: { max: number; target: string; overlay: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const pixels = new ImageData(new Uint8ClampedArray(WIDTH * 4).fill(GROUND), WIDTH, 1);
    for (let x = 0; x < WIDTH; x++) pixels.data[x * 4 + 3] = 255;
    blend(pixels.data, Float32Array.from({ length: WIDTH }, (_, x) => x / (WIDTH - 1)), 1, overlay);
    context.putImageData(pixels, 0, 0);
  }, [overlay]);
  return (
    <div class="legend">
      <canvas ref={canvas} width={WIDTH} height={1} aria-hidden="true" />
      <span>0</span>
      <span>
        Grad-CAM for <q>{target}</q>
        <span class="more">, one scale for both</span>
      </span>
      <span class="hot">{value(max)}</span>
    </div>
  );
}
