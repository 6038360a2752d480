/** Which pictures the strip shows, in which order. */
import type { PictureComparison, PictureView } from '../../engine/protocol';
import type { StripOrder } from '../../state/state';

/** Most changed first: flipped answers before kept ones, then the least alike maps; unknown ones last. */
export function arrange(
  pictures: PictureView[],
  comparisons: Record<number, PictureComparison>,
  order: StripOrder,
  flippedOnly: boolean,
): PictureView[] {
  const shown = flippedOnly ? pictures.filter(({ index }) => comparisons[index]?.flipped) : pictures;
  if (order === 'file') return shown;
  return [...shown].sort((a, b) => change(comparisons[b.index]) - change(comparisons[a.index]) || a.index - b.index);
}

/** How much a picture changed: larger is more. A flip outweighs any movement of attention. */
function change(comparison: PictureComparison | undefined): number {
  if (!comparison) return -Infinity;
  const moved = 1 - (comparison.attribution?.spearman ?? 1);
  return (comparison.flipped ? 10 : 0) + moved;
}
