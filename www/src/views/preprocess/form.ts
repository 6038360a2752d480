/** Between the preprocessing that the engine knows and the text fields of its form. */
import type { Preprocess } from '../../engine/protocol';

export interface Form {
  resize: 'none' | 'short' | 'exact';
  shortestEdge: string;
  resizeHeight: string;
  resizeWidth: string;
  crop: 'none' | 'centre' | 'square';
  cropHeight: string;
  cropWidth: string;
  scale: 'unit' | 'raw' | 'other';
  rescaleFactor: string;
  mean: string;
  std: string;
  channelOrder: Preprocess['channel_order'];
  layout: Preprocess['layout'];
  labelOffset: string;
}

export function toForm(preprocess: Preprocess): Form {
  const { size, crop_size: crop } = preprocess;
  const fixed = typeof crop === 'object' && crop !== null ? crop : null;
  const short = size && 'shortest_edge' in size ? size.shortest_edge : null;
  const exact = size && 'height' in size ? size : null;
  const unit = Math.abs(preprocess.rescale_factor - 1 / 255) < 1e-9;
  return {
    resize: !preprocess.do_resize || !size ? 'none' : exact ? 'exact' : 'short',
    shortestEdge: String(short ?? fixed?.height ?? 224),
    resizeHeight: String(exact?.height ?? fixed?.height ?? 224),
    resizeWidth: String(exact?.width ?? fixed?.width ?? 224),
    crop: !preprocess.do_center_crop || !crop ? 'none' : fixed ? 'centre' : 'square',
    cropHeight: String(fixed?.height ?? exact?.height ?? short ?? 224),
    cropWidth: String(fixed?.width ?? exact?.width ?? short ?? 224),
    scale: !preprocess.do_rescale ? 'raw' : unit ? 'unit' : 'other',
    rescaleFactor: String(preprocess.rescale_factor),
    mean: ((preprocess.do_normalize && preprocess.image_mean) || [0]).join(', '),
    std: ((preprocess.do_normalize && preprocess.image_std) || [1]).join(', '),
    channelOrder: preprocess.channel_order,
    layout: preprocess.layout,
    labelOffset: String(preprocess.label_offset),
  };
}

/** The preprocessing of a form, or what is wrong with the form, in words. */
export function fromForm(form: Form, before: Preprocess, channels: number): Preprocess | string {
  const problems: string[] = [];
  const whole = (name: string, text: string, low: number): number => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < low || number > 8192) problems.push(`${name} must be a whole number from ${low} to 8192.`);
    return number;
  };
  const perChannel = (name: string, text: string): number[] => {
    const list = text.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (list.some((number) => !Number.isFinite(number))) problems.push(`${name} must be numbers.`);
    if (list.length === 1) return Array.from({ length: channels }, () => list[0] as number);
    if (list.length !== channels) problems.push(`${name} needs one number, or ${channels}, one for each channel.`);
    return list;
  };
  const mean = perChannel('Mean', form.mean);
  const std = perChannel('Std', form.std);
  if (std.some((number) => number <= 0)) problems.push('Std must be above 0.');
  const factor = form.scale === 'unit' ? 1 / 255 : Number(form.rescaleFactor);
  if (form.scale === 'other' && !(factor > 0)) problems.push('The factor must be above 0.');
  const preprocess: Preprocess = {
    ...before,
    do_resize: form.resize !== 'none',
    size: sizeOf(form, whole),
    do_center_crop: form.crop !== 'none',
    crop_size: cropOf(form, whole),
    do_rescale: form.scale !== 'raw',
    rescale_factor: form.scale === 'raw' ? before.rescale_factor : factor,
    do_normalize: mean.some((number) => number !== 0) || std.some((number) => number !== 1),
    image_mean: mean,
    image_std: std,
    channel_order: form.channelOrder,
    layout: form.layout,
    label_offset: whole('Label offset', form.labelOffset, 0),
  };
  return problems.length > 0 ? problems.join(' ') : preprocess;
}

type Whole = (name: string, text: string, low: number) => number;

function sizeOf(form: Form, whole: Whole): Preprocess['size'] {
  if (form.resize === 'none') return null;
  if (form.resize === 'short') return { shortest_edge: whole('The short side', form.shortestEdge, 1) };
  return { height: whole('Height', form.resizeHeight, 1), width: whole('Width', form.resizeWidth, 1) };
}

function cropOf(form: Form, whole: Whole): Preprocess['crop_size'] {
  if (form.crop === 'none') return null;
  if (form.crop === 'square') return 'largest_centre_square_before_resize';
  return { height: whole('Crop height', form.cropHeight, 1), width: whole('Crop width', form.cropWidth, 1) };
}
