import { expect, test } from 'vitest';
import { DEFAULT_RECIPE, initialState, type AppEvent, type AppState } from '../src/state/state';
import { evaluated, update } from '../src/state/update';
import { compareKey, quantizeKey } from '../src/state/tasks';
import { after, comparison, lens, model, opened, picture, preprocess, quantized, summary } from './fixtures';

const four = { ...DEFAULT_RECIPE, weightBits: 4 };

test('a state is never changed in place', () => {
  const freeze = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  };
  const state = opened();
  freeze(state);
  expect(() => update(update(state, { type: 'recipeEdited', recipe: four, field: 'weightBits', at: 0 }), { type: 'undone' })).not.toThrow();
});

test('an edit that changes nothing is no step to undo', () => {
  const state = update(initialState, { type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE }, field: 'weightBits', at: 0 });
  expect(state.recipe.past).toEqual([]);
});

test('a new network takes its results off the screen and keeps the recipe', () => {
  const before = update(opened(), { type: 'recipeEdited', recipe: four, field: 'weightBits', at: 0 });
  const computed: AppEvent[] = [
    { type: 'quantized', key: 'k', quantized },
    { type: 'lensReady', key: 'k', data: { lens, maps: null } },
    { type: 'compared', key: 'k', summary, pictures: [comparison(1)] },
  ];
  const state = update(computed.reduce<AppState>(update, before), { type: 'modelLoaded', model, preprocess, source: 'dropped' });
  expect([state.quantized, state.lens, state.summary, state.comparisons, state.latency]).toEqual([null, null, null, null, null]);
  expect(state.ranking).toEqual([]);
  expect(state.recipe.present).toEqual(four);
  expect(state.versions.model).toBe(before.versions.model + 1);
});

test('comparisons of two recipes never mix', () => {
  let state = opened();
  state = update(state, { type: 'picturesCompared', key: 'a', comparisons: [comparison(1)] });
  state = update(state, { type: 'picturesCompared', key: 'a', comparisons: [comparison(2, true)] });
  expect(Object.keys(state.comparisons?.value ?? {})).toEqual(['1', '2']);
  state = update(state, { type: 'picturesCompared', key: 'b', comparisons: [comparison(2)] });
  expect(Object.keys(state.comparisons?.value ?? {})).toEqual(['2']);
});

test('the ranking puts flips first, then the least alike maps', () => {
  const pictures = [comparison(1, false, 0.95), comparison(2, true, 0.99), comparison(3, false, 0.2), comparison(4, true, 0.1), comparison(5, false, null)];
  expect(update(opened(), { type: 'compared', key: 'k', summary, pictures }).ranking).toEqual([4, 2, 3, 1, 5]);
});

test('pictures for calibration only are not shown as compared', () => {
  expect(evaluated([picture(0, 'calib'), picture(1, 'eval'), picture(2, 'both')]).map(({ index }) => index)).toEqual([1, 2]);
  expect(evaluated([picture(0, 'calib')])).toHaveLength(1);
});

test('the first compared picture is chosen, and a choice survives more pictures', () => {
  const state = opened();
  expect(state.selected).toBe(1);
  const chosen = update(state, { type: 'pictureSelected', picture: 2 });
  const more = update(chosen, { type: 'picturesChanged', pictures: [...chosen.pictures, picture(3)], source: 'dropped' });
  expect(more.selected).toBe(2);
});

test('a picture that does not exist cannot be chosen', () => {
  const state = opened();
  expect(update(state, { type: 'pictureSelected', picture: 99 })).toBe(state);
});

test('a link chooses a picture that is loaded later', () => {
  const events: AppEvent[] = [
    { type: 'linkFollowed', recipe: four, picture: 2 },
    { type: 'picturesChanged', pictures: [picture(0)], source: 'sample' },
    { type: 'picturesChanged', pictures: [picture(0), picture(1), picture(2)], source: 'sample' },
  ];
  expect(after(...events).selected).toBe(2);
});

test('thumbnails stay with pictures that keep their place and name', () => {
  let state = update(opened(), { type: 'thumbnailReady', picture: 1, url: 'blob:1' });
  state = update(state, { type: 'picturesChanged', pictures: [picture(0), picture(1)], source: 'sample' });
  expect(state.thumbnails).toEqual({ 1: 'blob:1' });
  state = update(state, { type: 'picturesChanged', pictures: [picture(0), { ...picture(1), name: 'other.png' }], source: 'sample' });
  expect(state.thumbnails).toEqual({});
});

test('a restarted engine holds nothing, and the recipe stays', () => {
  const before = update(opened(), { type: 'recipeEdited', recipe: four, field: 'weightBits', at: 0 });
  const state = update(before, { type: 'engineRestarted' });
  expect([state.model, state.pictures, state.engine.status]).toEqual([null, [], 'starting']);
  expect(state.recipe.present).toEqual(four);
});

test('problems have ids of their own, and only the latest few are kept', () => {
  const problem = { what: 'x', where: null, why: 'y', todo: null };
  let state = initialState;
  for (let times = 0; times < 9; times++) state = update(state, { type: 'problemRaised', problem });
  expect(state.problems.map(({ id }) => id)).toEqual([6, 7, 8, 9]);
  expect(update(state, { type: 'problemDismissed', id: 8 }).problems.map(({ id }) => id)).toEqual([6, 7, 9]);
});

test('a new phase of a job begins its own clock', () => {
  let state = after({ type: 'jobStarted', key: 'k', phase: 'quantizing', at: 0 });
  state = update(state, { type: 'jobProgressed', phase: 'calibrating', done: 1, total: 4, at: 100 });
  expect(state.job).toMatchObject({ startedAt: 100, done: 1 });
  state = update(state, { type: 'jobProgressed', phase: 'calibrating', done: 2, total: 4, at: 200 });
  expect(state.job).toMatchObject({ startedAt: 100, at: 200 });
});

test('keys change with the recipe and with the data', () => {
  const state = opened();
  const edited = update(state, { type: 'recipeEdited', recipe: four, field: 'weightBits', at: 0 });
  const prepared = update(state, { type: 'preprocessSet', preprocess });
  expect(new Set([state, edited, prepared].map(quantizeKey)).size).toBe(3);
  expect(new Set([state, edited, prepared].map(compareKey)).size).toBe(3);
  expect(quantizeKey(update(edited, { type: 'undone' }))).toBe(quantizeKey(state));
});
