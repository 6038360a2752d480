/** Reading and writing recipes, the same JSON that the command line takes. */
import offer from '../engine/recipes.json';
import type { Recipe } from '../engine/protocol';

/** A file that cannot be used, with the reason as its message. */
export class FileFault extends Error {}

/** A choice of an option, by its name in recipes. */
export interface Choice {
  name: string;
  title: string;
  about: string;
}

/** What an option may be. Of bits, 32 stands for full precision. */
export type OptionKind = { kind: 'bits'; least: number; most: number; others: number[] } | { kind: 'choice'; choices: Choice[] } | { kind: 'switch' };

/** A field of a recipe that can be chosen, as the engine describes it. */
export interface Option {
  key: OptionKey;
  title: string;
  about: string;
  section: 'weights' | 'activations' | 'corrections' | 'network';
  kind: OptionKind;
}

export type OptionKey = Exclude<keyof Recipe, 'schema' | 'preset' | 'layers'>;

interface Preset {
  name: string;
  about: string;
  recipe: Recipe;
}

/** What the engine offers: written by its tests, so that it cannot say anything else. */
export const OPTIONS = offer.options as Option[];
export const PRESETS = offer.presets as Preset[];

/** The recipe of a preset; the first one's where there is no such preset. */
export function presetRecipe(name: string | null): Recipe {
  const preset = PRESETS.find((one) => one.name === name) ?? PRESETS[0];
  if (!preset) throw new Error('the engine offers no preset');
  return preset.recipe;
}

/** What people call a choice of an option. */
export function choiceTitle(key: OptionKey, name: string): string {
  const kind = OPTIONS.find((option) => option.key === key)?.kind;
  return (kind?.kind === 'choice' && kind.choices.find((choice) => choice.name === name)?.title) || name;
}

/** The recipe with one option changed. */
export const withOption = (recipe: Recipe, key: OptionKey, value: Recipe[OptionKey]): Recipe => ({ ...recipe, [key]: value });

/** The options that are not as the recipe's preset has them. */
export function changedOptions(recipe: Recipe): Option[] {
  const preset = presetRecipe(recipe.preset);
  return OPTIONS.filter(({ key }) => recipe[key] !== preset[key]);
}

/** The first version had nothing but the bits; all else is as in the preset `int8`. */
const SCHEMAS = [1, presetRecipe(null).schema];

/** Checks a dropped recipe. Fields that this version does not know are refused, not silently dropped. */
export function parseRecipe(value: unknown): Recipe {
  const { schema, preset, layers, ...options } = Object(value) as Record<string, unknown>;
  if (!SCHEMAS.includes(Number(schema))) throw new FileFault(`This recipe has schema ${String(schema)}; this version reads schema ${SCHEMAS.join(' and ')}.`);
  const base = presetRecipe(null);
  const known = PRESETS.map(({ name }) => name);
  if (preset !== undefined && !known.includes(String(preset))) throw new FileFault(`This version does not know the preset “${String(preset)}”; it has ${known.map((name) => `“${name}”`).join(', ')}.`);
  const unknown = Object.keys(options).filter((key) => !OPTIONS.some((option) => option.key === key));
  if (unknown.length > 0) throw new FileFault(`This version does not know the recipe's ${unknown.join(', ')}.`);
  for (const option of OPTIONS) if (option.key in options) checkOption(option, options[option.key]);
  if (layers !== undefined && !isRules(layers)) throw new FileFault(`The recipe's layers must be a list of rules, such as {"name": "conv*", "weightBits": 4}.`);
  return { ...base, ...options, ...(preset === undefined ? {} : { preset: preset as Recipe['preset'] }), ...(layers === undefined ? {} : { layers: layers as NonNullable<Recipe['layers']> }) };
}

/** The engine checks what stands in them. */
const isRules = (value: unknown): boolean => Array.isArray(value) && value.every((rule) => typeof rule === 'object' && rule !== null);

function checkOption({ key, kind }: Option, value: unknown): void {
  if (isAllowed(kind, value)) return;
  throw new FileFault(`The recipe's ${key} is ${JSON.stringify(value)}; it must be ${allowed(kind)}.`);
}

function isAllowed(kind: OptionKind, value: unknown): boolean {
  if (kind.kind === 'switch') return typeof value === 'boolean';
  if (kind.kind === 'choice') return kind.choices.some(({ name }) => name === value);
  return typeof value === 'number' && Number.isInteger(value) && ((value >= kind.least && value <= kind.most) || kind.others.includes(value));
}

function allowed(kind: OptionKind): string {
  if (kind.kind === 'switch') return 'true or false';
  if (kind.kind === 'choice') return `one of ${kind.choices.map(({ name }) => name).join(', ')}`;
  return `a whole number from ${kind.least} to ${kind.most}${kind.others.map((bits) => `, or ${bits}`).join('')}`;
}

/** The value of an option from text, as in a link; null where it is none. */
export function optionFrom({ kind }: Option, text: string): number | string | boolean | null {
  const value = kind.kind === 'bits' ? (/^\d+$/.test(text) ? Number(text) : null) : kind.kind === 'switch' ? { true: true, false: false }[text] : text;
  return value !== undefined && isAllowed(kind, value) ? value : null;
}

export const recipeJson = (recipe: Recipe): string => `${JSON.stringify(recipe, null, 2)}\n`;

/** The command that makes the same file from a terminal. */
export function commandLine(modelFile: string, recipe: Recipe): string {
  const quoted = /^[\w./-]+$/.test(modelFile) ? modelFile : `'${modelFile.replaceAll("'", "'\\''")}'`;
  // Rules for layers are said in a file.
  const base = (recipe.layers?.length ?? 0) > 0 ? ' --recipe recipe.json' : ` --preset ${recipe.preset}${changedOptions(recipe).map(({ key }) => flag(key, String(recipe[key]))).join('')}`;
  return `bitlens quantize ${quoted} --data pictures/${base} -o quantized.onnx`;
}

function flag(key: OptionKey, value: string): string {
  if (key === 'weightBits') return ` --weight-bits ${value}`;
  if (key === 'activationBits') return ` --activation-bits ${value}`;
  return ` --set ${key}=${value}`;
}
