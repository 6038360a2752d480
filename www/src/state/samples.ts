/** The sample networks and pictures that ship with the page. */

export type SampleId = 'resnet' | 'mobilenet';

export interface Sample {
  id: SampleId;
  title: string;
  about: string;
  file: string;
}

export const SAMPLES: [Sample, ...Sample[]] = [
  { id: 'resnet', title: 'Sample network', about: 'a small convolutional classifier, ten classes', file: 'sample/sample_resnet.onnx' },
  { id: 'mobilenet', title: 'Sample, MobileNet style', about: 'depthwise convolutions, harder to quantize', file: 'sample/sample_mobilenet.onnx' },
];

/** Beside the networks: what the pictures show, and how they are prepared. */
export const SAMPLE_FOLDER = 'sample/';
export const SAMPLE_PICTURES = 'sample/pictures.json';
export const SAMPLE_LABELS = 'sample/labels.json';
export const SAMPLE_PREPROCESS = 'sample/preprocessor_config.json';

/** An entry of pictures.json; the mask marks the object's pixels. */
export interface SamplePicture {
  file: string;
  label: number;
  mask: string;
  role: 'calib' | 'eval' | 'both';
}

export const sampleById = (id: SampleId): Sample => SAMPLES.find((sample) => sample.id === id) ?? SAMPLES[0];
