/** Which pictures the strip shows, in which order. */
import type { PictureComparison, PictureView } from '../../engine/protocol';
import type { StripOrder } from '../../state/state';

export interface Arrangement {
  /** Picture indices, most changed first. */
  ranking: number[];
  order: StripOrder;
  flippedOnly: boolean;
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
