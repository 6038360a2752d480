/** The scene as a link: settings only, never data. Unknown or broken parts are ignored. */
import type { Recipe } from '../engine/protocol';
import { DEFAULT_RECIPE, MAX_BITS, MIN_BITS, type AppState, type StripOrder } from './state';
import { SAMPLES, type SampleId } from './samples';

export interface Scene {
  sample: SampleId | null;
  recipe: Recipe;
  picture: number | null;
  order: StripOrder | null;
}

/** The part after `#` for this state. A dropped network is named by nothing: the link opens the sample. */
export function toHash(state: Pick<AppState, 'modelSource' | 'recipe' | 'selected' | 'view'>): string {
  const recipe = state.recipe.present;
  const parts = new URLSearchParams();
  if (state.modelSource && state.modelSource !== 'dropped') parts.set('sample', state.modelSource);
  parts.set('preset', recipe.preset);
  parts.set('w', String(recipe.weightBits));
  parts.set('a', String(recipe.activationBits));
  if (state.modelSource !== 'dropped') parts.set('picture', String(state.selected));
  if (state.view.stripOrder !== 'changed') parts.set('order', state.view.stripOrder);
  return `#${parts.toString()}`;
}

/** Reads a link, whatever somebody wrote into it. */
export function fromHash(hash: string): Scene {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const sample = SAMPLES.find((one) => one.id === parts.get('sample'))?.id ?? null;
  const picture = wholeNumber(parts.get('picture'), 0, Number.MAX_SAFE_INTEGER);
  const recipe = {
    ...DEFAULT_RECIPE,
    weightBits: wholeNumber(parts.get('w'), MIN_BITS, MAX_BITS) ?? DEFAULT_RECIPE.weightBits,
    activationBits: wholeNumber(parts.get('a'), MIN_BITS, MAX_BITS) ?? DEFAULT_RECIPE.activationBits,
  };
  const order = parts.get('order') === 'file' ? 'file' : null;
  return { sample, recipe, picture, order };
}

function wholeNumber(text: string | null, low: number, high: number): number | null {
  const value = text && /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : null;
}
