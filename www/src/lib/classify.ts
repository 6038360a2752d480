/** What a dropped file is, from its name and, for JSON, from its content. */

export type FileRole =
  | { role: 'model' }
  | { role: 'weights' }
  | { role: 'picture' }
  | { role: 'pictureLabels' }
  | { role: 'labels' }
  | { role: 'preprocess' }
  | { role: 'recipe'; recipe: unknown }
  | { role: 'archive' }
  | { role: 'ignored' }
  | { role: 'unknown'; why: string };

const PICTURE = /\.(jpe?g|png|webp|bmp|gif)$/i;
const DATA_SET = /(\.bin|idx[13]-ubyte|idx[13]-ubyte\.gz|\.idx|\.idx\.gz|ubyte(\.gz)?)$/i;
/** The half of an idx data set that holds no pictures. */
const DATA_SET_LABELS = /labels[^/]*idx|idx1[^/]*ubyte/i;
const EXTERNAL_DATA = /(\.onnx\.data|\.onnx_data|_data)$/i;
/** What systems leave in folders; nobody means to drop these. */
const LITTER = /(^|\/)(\.[^/]*|__MACOSX\/.*|Thumbs\.db|desktop\.ini|README(\.\w+)?|LICEN[CS]E[^/]*)$/i;

/** `text` is the content, read only for JSON files. */
export async function classify(name: string, text: () => Promise<string>): Promise<FileRole> {
  if (LITTER.test(name)) return { role: 'ignored' };
  if (/\.onnx$/i.test(name)) return { role: 'model' };
  if (EXTERNAL_DATA.test(name)) return { role: 'weights' };
  if (DATA_SET.test(name) && DATA_SET_LABELS.test(name)) return { role: 'pictureLabels' };
  if (PICTURE.test(name) || DATA_SET.test(name)) return { role: 'picture' };
  if (/\.zip$/i.test(name)) return { role: 'archive' };
  if (/\.(txt|csv)$/i.test(name)) return { role: 'labels' };
  if (/\.json$/i.test(name)) return classifyJson(await text());
  return { role: 'unknown', why: 'Bitlens reads .onnx networks, pictures (JPEG, PNG, WebP, BMP, GIF, CIFAR .bin, idx), label lists, preprocessor_config.json, recipes and .zip.' };
}

/** Tells the JSON files apart by their keys: people rename files, programs do not rename keys. */
export function classifyJson(text: string): FileRole {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { role: 'unknown', why: 'It ends in .json but is not valid JSON.' };
  }
  const has = (...keys: string[]): boolean => typeof value === 'object' && value !== null && keys.every((key) => key in value);
  if (has('schema', 'preset')) return { role: 'recipe', recipe: value };
  if (has('id2label') || Array.isArray(value)) return { role: 'labels' };
  const preparation = ['image_mean', 'do_normalize', 'do_rescale', 'do_resize', 'crop_size'];
  if (preparation.some((key) => has(key))) return { role: 'preprocess' };
  return { role: 'labels' };
}
