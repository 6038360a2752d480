import { expect, test } from 'vitest';
import { DEFAULT_RECIPE, initialState, type AppState } from '../src/state/state';
import { compareKey, latencyKey, lensKey, openQuestion, openTasks, previewKey, profileKey, quantizeKey, shouldStop } from '../src/state/tasks';
import { update } from '../src/state/update';
import { comparison, lens, opened, quantized, summary } from './fixtures';

const names = (state: AppState): string[] => openTasks(state).map(({ name }) => name);
const withThumbnails = (state: AppState): AppState => ({ ...state, thumbnails: { 1: 'a', 2: 'b' } });

/** Answers every open task as the engine would. */
function settled(state: AppState): AppState {
  let now = withThumbnails(state);
  now = update(now, { type: 'previewReady', key: previewKey(now), preview: { width: 1, height: 1, rgba: new Uint8ClampedArray(4), object: null } });
  now = update(now, { type: 'quantized', key: quantizeKey(now), quantized });
  now = update(now, { type: 'lensReady', key: lensKey(now), data: { lens, maps: null } });
  now = update(now, { type: 'compared', key: compareKey(now), summary, pictures: [comparison(1), comparison(2)] });
  const latency = { full: { medianMs: 1, minMs: 1 }, quantized: { medianMs: 1, minMs: 1, path: 'int8' as const }, runs: 3, isa: 'simd128' };
  return update(now, { type: 'latencyMeasured', key: latencyKey(now), latency });
}

test('there is nothing to do without network, pictures or engine', () => {
  expect(openTasks(initialState)).toEqual([]);
  expect(openTasks({ ...opened(), pictures: [] })).toEqual([]);
  expect(openTasks({ ...opened(), engine: { ...opened().engine, status: 'failed' } })).toEqual([]);
});

test('quantizing comes before what needs it', () => {
  const state = withThumbnails(opened());
  expect(names(state)).toEqual(['preview', 'quantize']);
  expect(names(update(state, { type: 'quantized', key: quantizeKey(state), quantized }))).toEqual(['preview', 'lens', 'compare', 'latency']);
});

test('when all is answered there is nothing left to do', () => {
  expect(openTasks(settled(opened()))).toEqual([]);
});

test('a moved slider asks for everything but the preview again', () => {
  const state = update(settled(opened()), { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  expect(names(state)).toEqual(['quantize']);
  const next = update(state, { type: 'quantized', key: quantizeKey(state), quantized });
  expect(names(next)).toEqual(['lens', 'compare']);
});

test('what was seen of the picture while quantizing is not asked for again', () => {
  const state = update(settled(opened()), { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  const next = update(state, { type: 'quantized', key: quantizeKey(state), quantized, lens: { key: lensKey(state), value: { lens, maps: null } } });
  expect(names(next)).toEqual(['compare']);
  const moved = update(state, { type: 'pictureSelected', picture: 2 });
  expect(names(update(moved, { type: 'quantized', key: quantizeKey(state), quantized, lens: { key: lensKey(state), value: { lens, maps: null } } }))).toEqual(['preview', 'lens', 'compare']);
});

test('a question is open from the moved slider to the answer, and no longer when it was given up', () => {
  const state = settled(opened());
  expect(openQuestion(state)).toBeNull();
  const moved = update(state, { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  expect(openQuestion(moved)).toBe(lensKey(moved));
  const halfway = update(moved, { type: 'quantized', key: quantizeKey(moved), quantized });
  expect(openQuestion(halfway)).toBe(lensKey(moved));
  expect(openQuestion(update(halfway, { type: 'lensReady', key: lensKey(moved), data: { lens, maps: null } }))).toBeNull();
  expect(openQuestion(update(moved, { type: 'gaveUp', key: quantizeKey(moved), reason: 'failed' }))).toBeNull();
});

test('speed is measured again only when another path runs', () => {
  const state = update(settled(opened()), { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  const next = update(state, { type: 'quantized', key: quantizeKey(state), quantized: { ...quantized, path: 'fakeQuant' } });
  expect(names(next)).toEqual(['lens', 'compare', 'latency']);
  const inFloat = { ...quantized, pathReason: 'Every layer runs on integers; in float: add.' };
  expect(names(update(state, { type: 'quantized', key: quantizeKey(state), quantized: inFloat }))).toEqual(['lens', 'compare', 'latency']);
});

test('another picture stops a comparison, which comes back afterwards', () => {
  const state = settled(opened());
  const comparing = { ...state, summary: null };
  const running = openTasks(comparing)[0];
  expect(running?.name).toBe('compare');
  expect(running && shouldStop(running, comparing)).toBe(false);
  const moved = update(comparing, { type: 'pictureSelected', picture: 2 });
  expect(running && shouldStop(running, moved)).toBe(true);
  expect(names(moved)).toEqual(['preview', 'lens', 'compare']);
});

test('what the user stopped is not begun again until the question changes', () => {
  const comparing = { ...settled(opened()), summary: null };
  const stopped = update(comparing, { type: 'gaveUp', key: compareKey(comparing), reason: 'cancelled' });
  expect(openTasks(stopped)).toEqual([]);
  expect(names(update(stopped, { type: 'continueAsked' }))).toEqual(['compare']);
  const edited = update(stopped, { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 3 }, field: 'weightBits', at: 0 });
  expect(names(edited)).toEqual(['quantize']);
});

test('only pictures that the strip holds get thumbnails, those in view first', () => {
  const holding = (stripHolds: number[]): AppState => ({ ...settled(opened()), thumbnails: {}, view: { ...initialState.view, stripHolds } });
  expect(openTasks(holding([2]))[0]).toMatchObject({ name: 'thumbnail', picture: 2 });
  expect(openTasks({ ...holding([2]), thumbnails: { 2: 'b' } })).toEqual([]);
  expect(openTasks(holding([99]))[0]).toMatchObject({ picture: 1 });
});

test('pictures without an address of their own get thumbnails, one at a time', () => {
  expect(openTasks({ ...settled(opened()), thumbnails: { 1: 'a' } })).toMatchObject([{ name: 'thumbnail', picture: 2 }, { name: 'thumbnail', picture: 2 }]);
});

test('nodes are measured when asked, and again when asked again', () => {
  const state = settled(opened());
  const asked = update(state, { type: 'profileAsked', key: profileKey(state) });
  expect(names(asked)).toEqual(['profile']);
  const profile = { nodes: [], fullMs: 2, quantizedMs: 1, path: 'int8' as const, runs: 3, isa: 'simd128' };
  const measured = update(asked, { type: 'profiled', key: profileKey(asked), profile });
  expect(names(measured)).toEqual([]);
  const again = update(measured, { type: 'profileAsked', key: profileKey(measured) });
  expect(names(again)).toEqual(['profile']);
  expect(again.profile?.value).toBe(profile);
  const stopped = update(asked, { type: 'gaveUp', key: profileKey(asked), reason: 'cancelled' });
  expect(names(stopped)).toEqual([]);
  expect(names(update(stopped, { type: 'profileAsked', key: profileKey(stopped) }))).toEqual(['profile']);
  const other = update(measured, { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  expect(names(update(other, { type: 'quantized', key: quantizeKey(other), quantized }))).toEqual(['lens', 'compare']);
});
