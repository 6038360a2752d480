import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nats } from '../src/lib/format';
import type { Change, DiagnosisView, Effect, Finding, InputEffect, LayerSensitivity } from '../src/engine/protocol';
import { allTogether, currentDiagnosis, diagnosedPictures, diagnosisStage, takenOffer } from '../src/state/diagnosis';
import { DEFAULT_RECIPE, type AppState } from '../src/state/state';
import { diagnosisKey, openTasks, quantizeKey, shouldStop } from '../src/state/tasks';
import { update } from '../src/state/update';
import { effectWords, evidenceWords, inputWords, outcome } from '../src/views/diagnosis/words';
import { rows, sortRows } from '../src/views/layers/order';
import { model, opened, picture, preprocess, quantized } from './fixtures';

const effect = (agreement: number, kl: number, top1: number | null = null): Effect => ({ images: 8, agreement, kl, distortion: 0, sqnrDb: 10, top1 });
const input: InputEffect = { images: 8, top1: null, confidence: 0.5, answers: 1, information: 0.25 };
const wide = { ...DEFAULT_RECIPE, layers: [{ name: 'conv2', weightBits: 8 }] };
const better = { ...wide, equalize: true };

const change = (recipe: typeof wide): Change => ({ kind: 'recipe', recipe, before: effect(0.5, 1), after: effect(0.75, 0.25), sizeBytes: 100 });
const finding = (layer: string | null, cause: Finding['cause'] = 'fewWeightLevels'): Finding => ({ cause, layer, origin: null, message: '', evidence: [], remedy: { title: 'Give conv2 8 bits', change: change(wide) } });
const loss = (layer: string, kl: number | null, aloneDb: number | null): LayerSensitivity => ({
  layer, kind: 'conv', weights: 1, multiplyAccumulates: 1, output: { aloneDb, weightDb: null, inputDb: null, accumulatedDb: aloneDb && aloneDb - 1 },
  alone: kl === null ? null : effect(1, kl), accumulated: null, weightBits: [], activationBits: [],
});

const diagnosis: DiagnosisView = {
  recipe: DEFAULT_RECIPE, healthy: false, summary: 'It is bad.', input, before: effect(0.5, 1), weightsOnly: effect(0.6, 0.8), activationsOnly: effect(0.9, 0.1), sizeBytes: 90,
  findings: [finding('conv2')], suggestion: { titles: ['Give conv2 8 bits', 'Equalize layers'], recipe: better, after: effect(1, 0.01), sizeBytes: 110 }, layers: [loss('conv1', 0.1, 20)],
};

const edit = (state: AppState, recipe: AppState['recipe']['present']): AppState => update(state, { type: 'recipeEdited', recipe, field: 'test', at: 0 });
const asked = (state: AppState): AppState => update(state, { type: 'diagnosisAsked', key: diagnosisKey(state) });
const diagnosed = (state: AppState): AppState => update(asked(state), { type: 'diagnosed', key: diagnosisKey(state), diagnosis });

test('a diagnosis is made when it is asked for, of the settings it was asked for', () => {
  const state = update(opened(), { type: 'quantized', key: quantizeKey(opened()), quantized });
  const wants = (now: AppState): boolean => openTasks(now).some(({ name }) => name === 'diagnose');
  expect([wants(state), diagnosisStage(state)]).toEqual([false, 'none']);
  expect([wants(asked(state)), diagnosisStage(asked(state))]).toEqual([true, 'running']);
  expect([wants(diagnosed(state)), diagnosisStage(diagnosed(state))]).toEqual([false, 'known']);
  const moved = edit(asked(state), wide);
  expect([wants(update(moved, { type: 'quantized', key: quantizeKey(moved), quantized })), diagnosisStage(moved)]).toEqual([false, 'none']);
});

test('it gives way to the picture that is chosen meanwhile, and goes on', () => {
  const state = asked(update(opened(), { type: 'quantized', key: quantizeKey(opened()), quantized }));
  const task = { name: 'diagnose' as const, key: diagnosisKey(state), picture: state.selected };
  const alone = { ...state, givenUp: openTasks(state).filter(({ name }) => name !== 'diagnose' && name !== 'thumbnail').map(({ key }) => ({ key, reason: 'failed' as const })), thumbnails: { 1: 'a', 2: 'b' } };
  expect(shouldStop(task, alone)).toBe(false);
  const moved = update(alone, { type: 'pictureSelected', picture: 2 });
  expect(shouldStop(task, moved)).toBe(true);
  expect(openTasks(moved).map(({ name }) => name)).toContain('diagnose');
});

test('what was stopped says so, and is asked for anew', () => {
  const stopped = update(asked(opened()), { type: 'gaveUp', key: diagnosisKey(opened()), reason: 'cancelled' });
  expect(diagnosisStage(stopped)).toBe('stopped');
  expect(diagnosisStage(asked(stopped))).toBe('running');
  expect(diagnosisStage(update(asked(opened()), { type: 'gaveUp', key: diagnosisKey(opened()), reason: 'failed' }))).toBe('failed');
});

test('a diagnosis of other settings is never shown, and is back after an undo', () => {
  const state = diagnosed(opened());
  expect(currentDiagnosis(state)).toBe(diagnosis);
  const moved = edit(state, { ...DEFAULT_RECIPE, weightBits: 3 });
  expect(currentDiagnosis(moved)).toBeNull();
  expect(takenOffer(moved)).toBeNull();
  expect(currentDiagnosis(update(moved, { type: 'undone' }))).toBe(diagnosis);
});

test.each([
  ['another network', { type: 'modelLoaded', model, preprocess, source: 'dropped' }],
  ['other pictures', { type: 'picturesChanged', pictures: [picture(0), picture(1)], source: 'dropped' }],
  ['labels', { type: 'labelsSet', classes: [], pictures: [picture(0), picture(1)] }],
  ['another preparation', { type: 'preprocessSet', preprocess }],
  ['a fresh engine', { type: 'engineRestarted' }],
] as const)('%s ends it', (_, event) => {
  const state = update(diagnosed(opened()), event as never);
  expect([state.diagnosis, state.diagnosisAsked]).toEqual([null, null]);
});

test('a remedy that was taken is known by its recipe', () => {
  expect(takenOffer(diagnosed(opened()))).toBeNull();
  expect(takenOffer(edit(diagnosed(opened()), wide))).toMatchObject({ title: 'Give conv2 8 bits', change: { after: { agreement: 0.75 } } });
  expect(takenOffer(edit(diagnosed(opened()), better))).toMatchObject({ steps: ['Give conv2 8 bits', 'Equalize layers'], change: { before: { kl: 1 }, after: { kl: 0.01 } } });
});

test('one remedy that helps is offered by its name, not as all of them', () => {
  const suggestion = { titles: ['Equalize layers'], recipe: better, after: effect(1, 0), sizeBytes: 1 };
  expect(allTogether({ ...diagnosis, suggestion })).toMatchObject({ title: 'Equalize layers', steps: [] });
  expect(allTogether({ ...diagnosis, suggestion: null })).toBeNull();
});

test('a network that takes long is diagnosed on fewer pictures', () => {
  const on = (layers: number, multiplyAccumulates: number): number => diagnosedPictures({ layers, multiplyAccumulates });
  expect([on(28, 41e6), on(21, 1.8e9), on(54, 4.1e9), diagnosedPictures(null)]).toEqual([64, 16, 16, 64]);
  expect(on(53, 300e6)).toBe(21);
});

test('what it came to is said in a sentence', () => {
  expect(outcome(diagnosis)).toBe('It is conv2. What helps gives 100\u00a0% same answers.');
  expect(outcome({ ...diagnosis, findings: [finding('conv2'), finding('conv1'), finding('conv2')], suggestion: null })).toBe('conv2 is the worst of 2 layers.');
  expect(outcome({ ...diagnosis, findings: [finding(null, 'errorsAddUp')], suggestion: null })).toBe('Small errors of many layers add up.');
  expect(outcome({ ...diagnosis, healthy: true, findings: [] })).toMatch(/^Nothing to repair/);
  expect(inputWords({ ...input, top1: 0.125 })).toBe('Full precision gives 1 answer to 8 pictures, 13\u00a0% right, and is 50\u00a0% sure on the mean.');
});

test('what a change brings is told as it was measured', () => {
  expect(effectWords(change(wide))).toEqual([['same answers', '50\u00a0%', '75\u00a0%'], ['divergence', '1.00\u00a0nats', '0.250\u00a0nats']]);
  const prepared = (top1: number | null): Change => ({ kind: 'preprocess', preprocess: preprocess.preprocess, before: { ...input, top1 }, after: { ...input, top1: top1 && 1, information: 2 } });
  expect(effectWords(prepared(0.5))).toEqual([['full precision right', '50\u00a0%', '100\u00a0%']]);
  expect(effectWords(prepared(null))).toEqual([['known about a picture', '0.250\u00a0nats', '2.00\u00a0nats']]);
});

test.each([[0, '0.000'], [0.0001, '<0.001'], [0.0303, '0.030'], [0.9996, '1.000'], [4.184, '4.18'], [-6.7918, '−6.79'], [41.84, '41.8']])('%d nats are written as %s', (number, text) => {
  expect(nats(number)).toBe(`${text}\u00a0nats`);
});

test('a divergence that is no number says so', () => {
  expect([nats(null), nats(Number.NaN), nats(Infinity)]).toEqual(['no number', 'no number', 'no number']);
});

test('every number that the engine gives as evidence has a name here', () => {
  const folder = new URL('../../src/session/diagnose/', import.meta.url);
  const source = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8')).join('\n');
  const names = new Set([...source.matchAll(/evidence\(\s*"(\w+)"/g)].map((found) => found[1] ?? ''));
  expect(names.size).toBeGreaterThan(10);
  for (const name of names) expect([name, evidenceWords({ name, value: 1 })[0] !== name || ['channel'].includes(name)]).toEqual([name, true]);
});

test('layers sort by what they lose alone; those in full precision lose nothing', () => {
  const list = rows(quantized.layers, [], [loss('conv1', 0.5, 12), loss('conv10', null, null), loss('conv2', Number.NaN, 3)]);
  const names = (column: Parameters<typeof sortRows>[1]): string[] => sortRows(list, column, true).map(({ layer }) => layer.name);
  expect(names('lost')).toEqual(['conv2', 'conv1', 'conv10']);
  expect(names('layerAlone')).toEqual(['conv10', 'conv1', 'conv2']);
  expect(names('accumulated')).toEqual(['conv10', 'conv1', 'conv2']);
});
