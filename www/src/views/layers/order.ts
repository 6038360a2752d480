/** The rows of the layer table, in the order that a column asks for. */
import type { LayerSensitivity, LayerView, LensView } from '../../engine/protocol';
import type { LayerColumn } from '../../state/state';

export interface Row {
  layer: LayerView;
  /** Place in the order of execution. */
  order: number;
  /** Signal kept up to and including this layer on the chosen picture; null: identical, undefined: not known. */
  sqnrDb: number | null | undefined;
  /** What the layer loses, alone and accumulated; undefined where nobody asked. */
  loss: LayerSensitivity | undefined;
}

export function rows(layers: LayerView[], sqnr: LensView['layerSqnrDb'], losses: LayerSensitivity[] = []): Row[] {
  const known = new Map(sqnr.map(({ layer, sqnrDb }) => [layer, sqnrDb]));
  const lost = new Map(losses.map((loss) => [loss.layer, loss]));
  return layers.map((layer, order) => ({ layer, order, sqnrDb: known.get(layer.name), loss: lost.get(layer.name) }));
}

export function sortRows(list: Row[], column: LayerColumn, descending: boolean): Row[] {
  const compare = COMPARE[column];
  return [...list].sort((a, b) => (descending ? compare(b, a) : compare(a, b)) || a.order - b.order);
}

const COMPARE: Record<LayerColumn, (a: Row, b: Row) => number> = {
  order: (a, b) => a.order - b.order,
  name: (a, b) => a.layer.name.localeCompare(b.layer.name, 'en', { numeric: true }),
  alone: (a, b) => (a.layer.weightSqnrDb ?? NOTHING_LOST) - (b.layer.weightSqnrDb ?? NOTHING_LOST),
  bits: (a, b) => a.layer.weightBits - b.layer.weightBits || a.layer.activationBits - b.layer.activationBits,
  shape: (a, b) => a.layer.weights - b.layer.weights,
  bytes: (a, b) => a.layer.sizeBytes.quantized - b.layer.sizeBytes.quantized,
  sqnr: (a, b) => strength(a.sqnrDb) - strength(b.sqnrDb),
  lost: (a, b) => divergence(a) - divergence(b),
  layerAlone: (a, b) => strength(a.loss?.output.aloneDb) - strength(b.loss?.output.aloneDb),
  accumulated: (a, b) => strength(a.loss?.output.accumulatedDb) - strength(b.loss?.output.accumulatedDb),
};

/** Decibels of no error at all, the strongest signal. */
const NOTHING_LOST = 1e6;

/** An unknown signal sorts after everything. */
const strength = (sqnrDb: number | null | undefined): number => (sqnrDb === undefined ? Number.MAX_VALUE : (sqnrDb ?? NOTHING_LOST));

/** What the layer loses alone in nats: nothing where it is not quantized, without bounds where answers are no numbers. */
function divergence({ loss }: Row): number {
  const kl = loss?.alone ? loss.alone.kl : 0;
  return Number.isFinite(kl) ? kl : Number.MAX_VALUE;
}
