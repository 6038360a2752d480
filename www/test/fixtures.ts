/** Small views of the engine for the tests. */
import type { LensView, ModelView, PictureComparison, PictureView, PreprocessView, QuantizedView, Summary } from '../src/engine/protocol';
import { DEFAULT_RECIPE, initialState, type AppEvent, type AppState } from '../src/state/state';
import { update } from '../src/state/update';

export const model: ModelView = {
  name: 'net', fileName: 'net.onnx', producer: '', opset: 17, nodes: 3, parameters: 100, sizeBytes: 500, inputName: 'x', inputShape: 'batch×3×4×4',
  inputSize: [4, 4], channels: 3, classes: 2, layers: 1, operators: [{ opType: 'Conv', nodes: 1, integerNodes: null, floatNodes: [], refused: [] }], quantized: false, memoryBytes: 5e6, multiplyAccumulates: 1000, attributionLayer: 'y', warnings: [],
};

export const preprocess: PreprocessView = {
  preprocess: {
    do_resize: true, size: { shortest_edge: 256 }, resample: 2, do_center_crop: true, crop_size: { height: 224, width: 224 },
    do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, image_mean: [0.5, 0.4, 0.3], image_std: [0.2, 0.2, 0.2],
    channel_order: 'rgb', layout: 'NCHW', label_offset: 0,
  },
  source: 'file', range: [-2, 2], notes: [],
};

export const picture = (index: number, role: PictureView['role'] = 'both'): PictureView => ({ index, name: `${index}.png`, width: 4, height: 4, label: null, role });

export const quantized: QuantizedView = {
  recipe: DEFAULT_RECIPE, path: 'int8', pathReason: 'All layers.', calibrationPictures: 2, sizeBytes: { full: 400, quantized: 100 }, operators: [],
  layers: [
    { name: 'conv1', op: 'Conv', weightShape: '2×3×3×3', weights: 54, weightBits: 8, activationBits: 8, sizeBytes: { full: 216, quantized: 54 }, path: 'int8', outputRange: [0, 1], weightSqnrDb: 40 },
    { name: 'conv10', op: 'Conv', weightShape: '2×2', weights: 4, weightBits: 4, activationBits: 8, sizeBytes: { full: 16, quantized: 4 }, path: 'int8', outputRange: null, weightSqnrDb: 30 },
    { name: 'conv2', op: 'Gemm', weightShape: '2×9', weights: 18, weightBits: 8, activationBits: 8, sizeBytes: { full: 72, quantized: 18 }, path: 'float', outputRange: [0, 1], weightSqnrDb: null },
  ],
};

export const comparison = (index: number, flipped = false, spearman: number | null = 0.9): PictureComparison => ({
  picture: index, full: [], quantized: [], flipped, kl: 0, sqnrDb: 20, attribution: spearman === null ? null : { spearman, kendallTauB: spearman },
});

export const summary: Summary = {
  images: 2, agreement: { value: 1, low: 0.3, high: 1 }, kl: 0, sqnrDb: 20, top1: null, attribution: { method: 'Grad-CAM', spearmanMean: 0.9, kendallTauBMean: 0.8, images: 2 },
};

export const lens: LensView = {
  picture: 0, target: { class: 0, name: 'swan', probability: 0.9 }, answers: [{ class: 0, name: 'swan', full: 0.9, quantized: 0.2 }, { class: 1, name: 'cock, hen', full: 0.1, quantized: 0.8 }],
  fullTop: { class: 0, name: 'swan', probability: 0.9 }, quantizedTop: { class: 0, name: 'swan', probability: 0.89 }, flipped: false,
  expected: null, spearman: 0.91, kendallTauB: 0.8, top10Overlap: 0.7, layerSqnrDb: [{ layer: 'conv1', sqnrDb: 40 }],
};

/** The state after these events. */
export const after = (...events: AppEvent[]): AppState => events.reduce(update, initialState);

/** A network and three pictures, nothing computed yet. */
export const opened = (): AppState =>
  after(
    { type: 'engineReady', build: 'test' },
    { type: 'modelLoaded', model, preprocess, source: 'resnet' },
    { type: 'picturesChanged', pictures: [picture(0, 'calib'), picture(1, 'eval'), picture(2, 'eval')], source: 'sample' },
  );
