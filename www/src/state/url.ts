/** The scene as a link: settings only, never data. Unknown or broken parts are ignored. */
import type { Recipe } from '../engine/protocol';
import { OPTIONS, optionFrom, parseRecipe, presetRecipe, type OptionKey } from './recipe';
import type { AppState, StripOrder } from './state';
import { SAMPLES, type SampleId } from './samples';

/** What stands in every link, by a short name. */
const SHORT: Partial<Record<OptionKey, string>> = { weightBits: 'w', activationBits: 'a' };

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
  for (const { key } of OPTIONS) if (key in SHORT || recipe[key] !== presetRecipe(recipe.preset)[key]) parts.set(SHORT[key] ?? key, String(recipe[key]));
  if (recipe.layers?.length) parts.set('layers', JSON.stringify(recipe.layers));
  if (state.modelSource !== 'dropped') parts.set('picture', String(state.selected));
  if (state.view.stripOrder !== 'changed') parts.set('order', state.view.stripOrder);
  return `#${parts.toString()}`;
}

/** Reads a link, whatever somebody wrote into it. */
export function fromHash(hash: string): Scene {
  const parts = new URLSearchParams(hash.replace(/^#/, ''));
  const sample = SAMPLES.find((one) => one.id === parts.get('sample'))?.id ?? null;
  const picture = wholeNumber(parts.get('picture'), 0, Number.MAX_SAFE_INTEGER);
  const recipe = recipeFrom(parts);
  const order = parts.get('order') === 'file' ? 'file' : null;
  return { sample, recipe, picture, order };
}

function recipeFrom(parts: URLSearchParams): Recipe {
  const recipe = { ...presetRecipe(parts.get('preset')) };
  for (const option of OPTIONS) {
    const value = optionFrom(option, parts.get(SHORT[option.key] ?? option.key) ?? '');
    if (value !== null) Object.assign(recipe, { [option.key]: value });
  }
  try {
    return parseRecipe({ ...recipe, ...(parts.has('layers') ? { layers: JSON.parse(parts.get('layers') ?? '') } : {}) });
  } catch {
    return recipe;
  }
}

function wholeNumber(text: string | null, low: number, high: number): number | null {
  const value = text && /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : null;
}
