/** The common colour scale of both maps, drawn on the picture with its two ends in the data's unit. */
import { useEffect, useRef } from 'preact/hooks';
import { value } from '../../lib/format';
import { layer } from '../../lib/heat';

const WIDTH = 256;

export function Legend({ max, target, overlay }: { max: number; target: string; overlay: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const scale = Float32Array.from({ length: WIDTH }, (_, x) => x / (WIDTH - 1));
    context.putImageData(new ImageData(layer(scale, 1, overlay), WIDTH, 1), 0, 0);
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
