import { expect, test } from 'vitest';
import { DEFAULT_RECIPE, initialState } from '../src/state/state';
import { fromHash, toHash } from '../src/state/url';
import { begin } from '../src/state/history';

const state = { ...initialState, modelSource: 'mobilenet' as const, selected: 7, recipe: begin({ ...DEFAULT_RECIPE, weightBits: 3, activationBits: 5 }) };

test('a link brings back the scene', () => {
  const scene = fromHash(toHash({ ...state, view: { ...state.view, stripOrder: 'file' } }));
  expect(scene).toEqual({ sample: 'mobilenet', recipe: state.recipe.present, picture: 7, order: 'file' });
});

test('a link of a dropped network names neither file nor picture', () => {
  const hash = toHash({ ...state, modelSource: 'dropped' });
  expect(hash).toBe('#preset=int8&w=3&a=5');
});

test.each(['', '#', '#w=1&a=9', '#w=&a=4.5', '#sample=../../etc&w=NaN', '#%%%&=&w=-3', '#picture=-1'])('a broken link %j opens the default scene', (hash) => {
  expect(fromHash(hash)).toEqual({ sample: null, recipe: DEFAULT_RECIPE, picture: null, order: null });
});

test('what is right in a half-broken link is used', () => {
  expect(fromHash('#w=2&a=99&sample=resnet&later=1')).toEqual({ sample: 'resnet', recipe: { ...DEFAULT_RECIPE, weightBits: 2 }, picture: null, order: null });
});
