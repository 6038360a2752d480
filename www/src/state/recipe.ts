/** Reading and writing recipes, the same JSON that the command line takes. */
import type { Recipe } from '../engine/protocol';
import { MAX_BITS, MIN_BITS } from './state';

/** A file that cannot be used, with the reason as its message. */
export class FileFault extends Error {}

/** Checks a dropped recipe. Fields that this version does not know are refused, not silently dropped. */
export function parseRecipe(value: unknown): Recipe {
  const { schema, preset, weightBits, activationBits, ...others } = Object(value) as Record<string, unknown>;
  if (schema !== 1) throw new FileFault(`This recipe has schema ${String(schema)}; this version reads schema 1.`);
  if (preset !== 'int8') throw new FileFault(`This version does not know the preset “${String(preset)}”; it has “int8”.`);
  const unknown = Object.keys(others);
  if (unknown.length > 0) throw new FileFault(`This version does not know the recipe's ${unknown.join(', ')}.`);
  return { schema, preset, weightBits: bits('weightBits', weightBits), activationBits: bits('activationBits', activationBits) };
}

function bits(field: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= MIN_BITS && value <= MAX_BITS) return value;
  throw new FileFault(`The recipe's ${field} is ${JSON.stringify(value)}; it must be a whole number from ${MIN_BITS} to ${MAX_BITS}.`);
}

export const recipeJson = (recipe: Recipe): string => `${JSON.stringify(recipe, null, 2)}\n`;

/** The command that makes the same file from a terminal. */
export function commandLine(modelFile: string, recipe: Recipe): string {
  const quoted = /^[\w./-]+$/.test(modelFile) ? modelFile : `'${modelFile.replaceAll("'", "'\\''")}'`;
  const isPreset = recipe.weightBits === MAX_BITS && recipe.activationBits === MAX_BITS;
  const bits = isPreset ? '' : ` --weight-bits ${recipe.weightBits} --activation-bits ${recipe.activationBits}`;
  return `bitlens quantize ${quoted} --data pictures/ --preset ${recipe.preset}${bits} -o quantized.onnx`;
}
