/** What a diagnosis found, in words that people know. */
import type { Change, DiagnosisView, Evidence, Finding, InputEffect } from '../../engine/protocol';
import { count, digits, nats, percent, plural, value } from '../../lib/format';

/** The name of a cause, as the head of a finding. */
export const CAUSES: Record<Finding['cause'], string> = {
  channelOrder: 'Red and blue are exchanged',
  inputRange: 'Pictures are prepared in another range than in training',
  constantAnswers: 'Full precision answers everything alike',
  undecided: 'Full precision cannot decide',
  weightChannelDominates: 'One channel takes the scale of the whole weight',
  depthwiseOneScale: 'One scale for a depthwise weight',
  fewWeightLevels: 'Too few levels for the weight',
  activationChannelDominates: 'One channel takes the scale of what is read',
  activationOutlier: 'Rare large values take the scale of what is read',
  unlikeScales: 'Unlike tensors share one scale',
  fewActivationLevels: 'Too few levels for what is read',
  unexplained: 'This layer loses most, without an unusual number in it',
  errorsAddUp: 'Small errors of many layers add up',
};

const share = (number: number): string => percent(number);

/** What a number of evidence is called, and how it is written. */
const EVIDENCE: Record<string, [string, (number: number) => string]> = {
  channel: ['channel', (number) => String(number)],
  largest: ['largest value', value],
  smallest: ['smallest reach', value],
  median: ['channel in the middle', value],
  common: ['999 of 1,000 stay below', value],
  ratio: ['reaches further by', (number) => `${digits(number, 2)}×`],
  levels: ['levels left', (number) => count(Math.round(number))],
  kl: ['lost by this alone', nats],
  answers: ['different answers', count],
  confidence: ['mean of the first answer', share],
  informationBefore: ['score of a picture', nats],
  informationAfter: ['prepared otherwise', nats],
  better: ['better on', (number) => plural(number, 'picture')],
  worse: ['worse on', (number) => plural(number, 'picture')],
  share: ['share of the loss', share],
  worstShare: ['share of the worst layer', share],
  layers: ['quantized layers', count],
};

/** A number of evidence, named; one that this page does not know keeps the engine's name. */
export function evidenceWords({ name, value: number }: Evidence): [string, string] {
  const [title, write] = EVIDENCE[name] ?? [name, value];
  return [title, write(number)];
}

/** What a change brings: name, before, after. The first one is what it is judged by. */
export function effectWords(change: Change): [string, string, string][] {
  if (change.kind === 'recipe') {
    const { before, after } = change;
    const right: [string, string, string][] = before.top1 === null || after.top1 === null ? [] : [['right', share(before.top1), share(after.top1)]];
    return [['same answers', share(before.agreement), share(after.agreement)], ['divergence', nats(before.kl), nats(after.kl)], ...right];
  }
  const { before, after } = change;
  if (before.top1 !== null && after.top1 !== null) return [['full precision right', share(before.top1), share(after.top1)]];
  return [['known about a picture', nats(before.information), nats(after.information)]];
}

/** What full precision says of the pictures. */
export function inputWords({ images, answers, top1, confidence }: InputEffect): string {
  const right = top1 === null ? '' : `, ${percent(top1)} right`;
  return `Full precision gives ${plural(answers, 'answer')} to ${plural(images, 'picture')}${right}, and is ${percent(confidence)} sure on the mean.`;
}

/** The line above the picture once it is known what went wrong. */
export function outcome({ healthy, findings, suggestion }: DiagnosisView): string {
  if (healthy) return 'Nothing to repair: the answers that changed, if any, were hardly decided.';
  if (findings.length === 0) return 'No cause has a name here; how much each layer loses is in the table below.';
  const layers = [...new Set(findings.flatMap(({ layer }) => layer ?? []))];
  const what = layers[0] === undefined ? CAUSES[findings[0]?.cause ?? 'errorsAddUp'] : layers.length === 1 ? `It is ${layers[0]}` : `${layers[0]} is the worst of ${layers.length} layers`;
  return suggestion ? `${what}. What helps gives ${percent(suggestion.after.agreement)} same answers.` : `${what}.`;
}
