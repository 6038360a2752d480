/** What happened, in sentences. Words first, figures second, jargon last. */
import type { ActivationRange, AskedRecipe, LayerView, LensView, QuantizedView, RangeChoiceView, Recipe, RoundingView } from '../engine/protocol';
import { FLOAT_BITS, MAX_BITS } from '../state/state';
import { correlation, digits, percent, plural, shortName } from './format';

/** Below these rank correlations two maps are said to have moved a little, or a lot. */
const STAYED = 0.85;
export const MOVED = 0.6;
/** A change of probability that is worth a word. */
const NOTABLE_SHIFT = 0.05;

/** The answer and the attention on one picture. */
export function whatHappened(lens: LensView, hasMaps: boolean): string {
  const attention = hasMaps ? attentionSentence(lens) : 'This network has no layer with a map of places that a gradient reaches, so attention cannot be drawn.';
  return `${answerSentence(lens)} ${attention}`;
}

function answerSentence(lens: LensView): string {
  if (lens.flipped) return 'The answer flipped.';
  const shift = lens.quantizedTop.probability - lens.fullTop.probability;
  if (Math.abs(shift) < NOTABLE_SHIFT) return 'The answer stayed, as sure as before.';
  return `The answer stayed, ${shift < 0 ? 'less' : 'more'} sure than before: ${percent(lens.fullTop.probability)} became ${percent(lens.quantizedTop.probability)}.`;
}

function attentionSentence({ spearman, top10Overlap }: LensView): string {
  if (spearman === null) return 'One of the two maps is the same everywhere, so their order cannot be compared.';
  const what = spearman >= STAYED ? 'Attention stayed' : spearman >= MOVED ? 'Attention moved a little' : 'Attention moved';
  const overlap = top10Overlap === null ? '' : `; the hottest tenths overlap by ${percent(top10Overlap)}`;
  return `${what}: rank correlation ${correlation(spearman)}${overlap}.`;
}

/** What the quantized network is held against. A file that is quantized already has no full precision. */
export const reference = (fixed: boolean): string => (fixed ? 'the definition in float' : 'full precision');

/** Who is right, where the true class is known. */
export function truth(lens: LensView, classes: string[], fixed = false): string | null {
  const { expected } = lens;
  if (expected === null) return null;
  const known = lens.answers.find((answer) => answer.class === expected)?.name ?? classes[expected];
  const name = shortName(known ?? `class ${expected}`);
  const full = lens.fullTop.class === expected;
  const quantized = lens.quantizedTop.class === expected;
  if (full && quantized) return `True class: ${name}. Both are right.`;
  if (full) return `True class: ${name}. Only ${reference(fixed)} is right.`;
  if (quantized) return `True class: ${name}. Only ${fixed ? 'the integers are' : 'the quantized network is'} right.`;
  return `True class: ${name}. Both are wrong.`;
}

/** What the figures say of a file that is quantized already. */
export const OF_TWO_ROUNDINGS =
  'This file is quantized already. Its definition in float rounds to the same codes as its integers; only where a number lies about half-way between two codes may they take different ones, and the layers behind can enlarge that. So the figures say how far the two drift apart, and nothing about what quantizing this network cost.';

/** How the quantized network is called beside “full precision”. */
export function quantizedLabel({ weightBits = MAX_BITS, activationBits = MAX_BITS }: AskedRecipe): string {
  if (weightBits === activationBits) return `${weightBits}-bit`;
  if (activationBits === MAX_BITS || activationBits === FLOAT_BITS) return `${weightBits}-bit weights`;
  if (weightBits === MAX_BITS) return `${activationBits}-bit activations`;
  return `${weightBits}-bit weights, ${activationBits}-bit activations`;
}

export const pathTitle = (path: QuantizedView['path']): string => (path === 'int8' ? 'Real integers' : 'Simulated');

/** The instruction sets, by the names that people know. */
export function isaName(isa: string): string {
  const names: Record<string, string> = { 'relaxed-simd': 'relaxed SIMD', simd128: 'SIMD', portable: 'no SIMD', avx2: 'AVX2' };
  return names[isa] ?? isa;
}

/** Behind the name of the instructions: how many threads run them, where there are several. */
export const threadCount = (threads: number): string => (threads > 1 ? `, ${threads} threads` : '');

/** A smaller loss than this from one layer to the next is nothing to point at. */
const WORTH_NAMING_DB = 1;

/** The layer after which the most signal is gone, seen along the order of execution. Below 0 dB there is none left to lose. */
export function steepestDrop(layers: LensView['layerSqnrDb']): { layer: string; from: number; to: number } | null {
  let worst: { layer: string; from: number; to: number } | null = null;
  for (const [index, { layer, sqnrDb }] of layers.entries()) {
    const before = layers[index - 1]?.sqnrDb;
    if (sqnrDb === null || before === null || before === undefined) continue;
    if (Math.max(before, 0) - Math.max(sqnrDb, 0) > (worst ? Math.max(worst.from, 0) - Math.max(worst.to, 0) : WORTH_NAMING_DB)) worst = { layer, from: before, to: sqnrDb };
  }
  return worst;
}

/** The recipe with one more bit where there are fewer, and how to say so; null when there are none to give. */
export function oneMoreBit(recipe: Recipe): { recipe: Recipe; words: string } | null {
  const { weightBits, activationBits } = recipe;
  if (weightBits >= MAX_BITS && activationBits >= MAX_BITS) return null;
  if (weightBits < MAX_BITS && weightBits <= activationBits) return { recipe: { ...recipe, weightBits: weightBits + 1 }, words: `Give the weights ${weightBits + 1} bits` };
  return { recipe: { ...recipe, activationBits: activationBits + 1 }, words: `Give the activations ${activationBits + 1} bits` };
}

/** The bits of all layers: “8 bits”, “4 to 8 bits”, and the float layers beside them. */
export function bitsOf(layers: LayerView[], side: 'weightBits' | 'activationBits'): string {
  const all = layers.map((layer) => layer[side]);
  const quantized = all.filter((bits) => bits < FLOAT_BITS);
  if (quantized.length === 0) return 'float';
  const [fewest, most] = [Math.min(...quantized), Math.max(...quantized)];
  const range = fewest === most ? `${most} bits` : `${fewest} to ${most} bits`;
  return quantized.length < all.length ? `${range}, ${plural(all.length - quantized.length, 'layer')} in float` : range;
}

/** What stands for the quantized layers in the file. */
export function formWords({ activationRange, activationBits = MAX_BITS }: Pick<AskedRecipe, 'activationRange' | 'activationBits'>): string {
  const isDynamic = activationRange === 'dynamic' && activationBits < FLOAT_BITS;
  return isDynamic ? 'as operators behind DynamicQuantizeLinear' : 'as QuantizeLinear and DequantizeLinear around ordinary operators';
}

/** How the file holds the weights: with fewer than 8 bits it may still spend a byte on each. */
export function storageSentence(layers: LayerView[]): string {
  const quantized = layers.filter(({ weightBits }) => weightBits < FLOAT_BITS);
  if (quantized.length === 0) return 'Its weights are not quantized.';
  const range = bitsOf(quantized, 'weightBits');
  if (range === `${MAX_BITS} bits`) return 'Its weights are 8-bit integers, with their scales beside them.';
  const wholeBytes = quantized.every(({ sizeBytes, weights }) => sizeBytes.quantized >= weights);
  if (!wholeBytes) return `Its weights are packed integers of ${range}, with their scales beside them.`;
  return `Its weights are integers of ${range}, each stored in a whole byte, so the file is no smaller than with 8 bits.`;
}

/** What choosing codes and ranges of weights has won, and how many layers kept the nearest codes instead; null where nothing was chosen. */
export function roundingSentence(layers: RoundingView[]): string | null {
  if (layers.length === 0) return null;
  const kept = layers.filter(({ note }) => note !== null).length;
  const where = kept > 0 ? ` ${plural(kept, 'layer')} kept the nearest codes.` : '';
  const sum = (error: 'nearest' | 'accepted'): number => layers.reduce((all, layer) => all + (layer[error] ?? 0), 0);
  const [nearest, accepted] = [sum('nearest'), sum('accepted')];
  return (nearest > 0 ? `What was chosen for the weights leaves ${percent(accepted / nearest)} of the error of nearest codes.` : 'Nothing could be chosen for the weights.') + where;
}

/** How the rule for ranges was found, beside the extremes, which clip nothing; `title` says what people call a rule. */
export function rangeSentence({ rule, tried, pictures, allSeen }: RangeChoiceView, title: (rule: ActivationRange) => string): string {
  const named = (name: ActivationRange): string => `“${title(name)}”`;
  const kl = (name: ActivationRange): string => digits(tried.find((one) => one.rule === name)?.kl ?? Number.NaN, 3);
  const where = allSeen ? `your ${plural(pictures, 'picture')}, too few to hold any out` : `${plural(pictures, 'picture')} held out`;
  const beside = rule === 'max' ? '' : `, KL ${kl(rule)}; with ${named('max')} ${kl('max')}`;
  return `Of ${plural(tried.length, 'rule')} for ranges, ${named(rule)} keeps answers nearest to full precision on ${where}${beside}.`;
}
