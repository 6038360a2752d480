/** The summary of the pictures compared so far, until the engine's own arrives. */
import type { Interval, PictureComparison } from '../engine/protocol';

export interface SoFar {
  images: number;
  agreement: Interval;
  spearmanMean: number | null;
}

/** 97.5 % quantile of the normal distribution. */
const Z = 1.959964;

/** Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927). */
export function wilson(successes: number, trials: number): Interval {
  if (trials === 0) return { value: 0, low: 0, high: 1 };
  const share = successes / trials;
  const shrink = 1 + Z ** 2 / trials;
  const centre = (share + Z ** 2 / (2 * trials)) / shrink;
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + Z ** 2 / (4 * trials ** 2))) / shrink;
  return { value: share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

export function soFar(comparisons: PictureComparison[]): SoFar {
  const correlations = comparisons.flatMap((one) => one.attribution?.spearman ?? []);
  const mean = correlations.reduce((sum, value) => sum + value, 0) / correlations.length;
  const kept = comparisons.filter((one) => !one.flipped).length;
  return {
    images: comparisons.length,
    agreement: wilson(kept, comparisons.length),
    spearmanMean: correlations.length > 0 ? mean : null,
  };
}
