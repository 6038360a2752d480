/** Which pictures the strip shows, in which order. */
import type { PictureComparison, PictureView } from '../../engine/protocol';
import type { StripOrder } from '../../state/state';

export interface Arrangement {
  /** Picture indices, most changed first. */
  ranking: number[];
  order: StripOrder;
  flippedOnly: boolean;
}

/** So many pictures are held on either side of those in view: more would make a long strip slow. */
const BESIDE = 150;

/** Which part of a list the strip holds: `[start, end)` around the place at its left edge. */
export function held(length: number, place: number): [start: number, end: number] {
  // In leaps, so that not every step of scrolling draws the strip anew.
  const start = Math.max(0, Math.floor((place - BESIDE) / BESIDE) * BESIDE);
  return [Math.min(start, Math.max(0, length - 1)), Math.min(length, start + 4 * BESIDE)];
}

/** The pictures of the strip; those that no comparison has ranked yet come last, in file order. */
export function arrange(
  pictures: PictureView[],
  comparisons: Record<number, PictureComparison>,
  { ranking, order, flippedOnly }: Arrangement,
): PictureView[] {
  const shown = flippedOnly ? pictures.filter(({ index }) => comparisons[index]?.flipped) : pictures;
  if (order === 'file') return shown;
  const place = new Map(ranking.map((picture, at) => [picture, at]));
  const placeOf = ({ index }: PictureView): number => place.get(index) ?? ranking.length + index;
  return [...shown].sort((a, b) => placeOf(a) - placeOf(b));
}
