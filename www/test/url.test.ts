import { expect, test } from 'vitest';
import { DEFAULT_RECIPE, initialState } from '../src/state/state';
import { fromHash, toHash } from '../src/state/url';
import { begin } from '../src/state/history';
import { presetRecipe } from '../src/state/recipe';

const state = { ...initialState, modelSource: 'mobilenet' as const, selected: 7, recipe: begin({ ...DEFAULT_RECIPE, weightBits: 3, activationBits: 5 }) };

test('a link brings back the scene', () => {
  const scene = fromHash(toHash({ ...state, view: { ...state.view, stripOrder: 'file' } }));
  expect(scene).toEqual({ sample: 'mobilenet', recipe: state.recipe.present, picture: 7, order: 'file' });
});

test('a link brings back every option and the rules for layers', () => {
  const recipe = { ...presetRecipe('w4a4'), activationGrid: 'symmetric' as const, weightFullRange: true, layers: [{ kind: 'depthwise' as const, weightBits: 8 }] };
  const hash = toHash({ ...state, recipe: begin(recipe) });
  expect(hash).toContain('activationGrid=symmetric');
  expect(hash).not.toContain('weightGrid');
  expect(fromHash(hash).recipe).toEqual(recipe);
});

test.each(['#preset=w4a8&layers=[', '#preset=w4a8&layers=3', '#preset=w4a8&weightGrid=round'])('what is broken in %j is left out', (hash) => {
  expect(fromHash(hash).recipe).toEqual(presetRecipe('w4a8'));
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
