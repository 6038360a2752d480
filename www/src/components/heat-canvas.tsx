/** A picture with a heat map on it, drawn smoothly at the size of the screen. */
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { greyed, isSame, keptColour, layer, upscale, type HeatMap } from '../lib/heat';
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

/** Pixels along the longer side of a map. It is smooth, so the browser enlarges it further without loss. */
const MAP_RESOLUTION = 160;
/** Where a map has many cells, each still has so many pixels across. */
const PIXELS_A_CELL = 3;

export function HeatCanvas({ picture, map, overlay, label, testid, ...rest }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scale = RESOLUTION / Math.max(picture.width, picture.height);
  const width = Math.round(picture.width * scale);
  const height = Math.round(picture.height * scale);
  const seen = useMemo(() => ({ coloured: onCanvas(picture), grey: onCanvas({ ...picture, rgba: greyed(picture.rgba) }) }), [picture]);
  const kept = map ? keptColour(overlay) : 1;
  const base = useMemo(() => {
    const large = new OffscreenCanvas(width, height);
    draw(large.getContext('2d'), seen.coloured, { quality: 'high' });
    if (kept < 1) draw(large.getContext('2d'), seen.grey, { quality: 'high', alpha: 1 - kept });
    return large;
  }, [seen, kept, width, height]);
  const same = useSame(map);
  const heat = useMemo(() => same && enlarged(same, width / height), [same, width, height]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d') ?? null;
    draw(context, base);
    // It is smooth before it is drawn.
    if (heat) draw(context, onCanvas({ ...heat, rgba: layer(heat.values, heat.max, overlay) }), { quality: 'low' });
  }, [base, heat, overlay]);
  return <canvas ref={canvas} width={width} height={height} role="img" aria-label={label} data-testid={testid} class={rest.class} />;
}

interface Drawing {
  quality?: ImageSmoothingQuality;
  alpha?: number;
}

/** Draws an image over the whole canvas. */
function draw(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null, image: OffscreenCanvas, { quality = 'low', alpha = 1 }: Drawing = {}): void {
  if (!context) return;
  context.imageSmoothingQuality = quality;
  context.globalAlpha = alpha;
  context.drawImage(image, 0, 0, context.canvas.width, context.canvas.height);
}

/** The map of before where this one is equal: full precision's is sent again with every quantized one. */
function useSame(map: HeatMap | null): HeatMap | null {
  const last = useRef(map);
  if (!map || !last.current || !isSame(map, last.current)) last.current = map;
  return last.current;
}

/** A map with enough pixels to be drawn at any size, of this width over height. */
function enlarged(map: HeatMap, aspect: number): HeatMap {
  const longer = Math.max(MAP_RESOLUTION, PIXELS_A_CELL * Math.max(map.width, map.height));
  const width = Math.max(1, Math.round(Math.min(longer, longer * aspect)));
  const height = Math.max(1, Math.round(Math.min(longer, longer / aspect)));
  return { width, height, max: map.max, values: upscale(map, width, height) };
}

function onCanvas({ width, height, rgba }: Preview): OffscreenCanvas {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')?.putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas;
}
