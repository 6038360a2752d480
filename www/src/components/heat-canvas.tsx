/** A picture with a heat map on it, drawn smoothly at the size of the screen. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { blend, upscale, type HeatMap } from '../lib/heat';
import type { Preview } from '../state/state';

interface Props {
  picture: Preview;
  map: HeatMap | null;
  /** How much the map covers the picture, 0..=1. */
  overlay: number;
  label: string;
  testid: string;
  class?: string;
}

/** Device pixels along the longer side: sharp at the largest size that the layout gives. */
const RESOLUTION = 640;

export function HeatCanvas({ picture, map, overlay, label, testid, ...rest }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scale = RESOLUTION / Math.max(picture.width, picture.height);
  const width = Math.round(picture.width * scale);
  const height = Math.round(picture.height * scale);
  const base = useMemo(() => enlarge(picture, width, height), [picture, width, height]);
  const heat = useMemo(() => map && upscale(map, width, height), [map, width, height]);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    const pixels = new ImageData(new Uint8ClampedArray(base.data), width, height);
    blend(pixels.data, heat, map?.max ?? 0, overlay);
    context.putImageData(pixels, 0, 0);
  }, [base, heat, map, overlay, width, height]);
  return <canvas ref={canvas} width={width} height={height} role="img" aria-label={label} data-testid={testid} class={rest.class} />;
}

/** The browser's own high-quality scaling. */
function enlarge(picture: Preview, width: number, height: number): ImageData {
  const source = new OffscreenCanvas(picture.width, picture.height);
  source.getContext('2d')?.putImageData(new ImageData(picture.rgba, picture.width, picture.height), 0, 0);
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) return new ImageData(width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}
