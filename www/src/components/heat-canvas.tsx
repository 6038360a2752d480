/** A picture with a heat map on it, drawn smoothly at the size of the screen. */
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { greyed, keptColour, layer, upscale, type HeatMap } from '../lib/heat';
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
  const base = useMemo(() => ({ coloured: onCanvas(picture), grey: onCanvas({ ...picture, rgba: greyed(picture.rgba) }) }), [picture]);
  // Every new state makes the map's frame anew; what is in it stays.
  const heat = useMemo(() => map && enlarged(map, width / height), [map?.values, map?.max, width, height]);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context) return;
    context.imageSmoothingQuality = 'high';
    const draw = (image: OffscreenCanvas): void => context.drawImage(image, 0, 0, width, height);
    draw(base.coloured);
    if (!heat) return;
    context.globalAlpha = 1 - keptColour(overlay);
    draw(base.grey);
    context.globalAlpha = 1;
    draw(onCanvas({ ...heat, rgba: layer(heat.values, heat.max, overlay) }));
  }, [base, heat, overlay, width, height]);
  return <canvas ref={canvas} width={width} height={height} role="img" aria-label={label} data-testid={testid} class={rest.class} />;
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
