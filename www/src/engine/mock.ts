/**
 * A stand-in for the engine in unit tests and in `vite --mode mock`: shapes of answers, not truth.
 * Its figures come from a hash of what was asked, bent by the bits so that the page can be looked at.
 * No production build contains it.
 */
import type { FromWorker, Port } from './messages';
import type {
  ArgumentsOf,
  BufferRef,
  BulkData,
  ClassProbability,
  DiagnosisView,
  Effect,
  Engine,
  EngineError,
  EngineEvent,
  EngineRequest,
  EngineResponse,
  LayerView,
  LensView,
  Look,
  NodeTimes,
  OperatorView,
  PictureComparison,
  PictureView,
  Preprocess,
  ProfileView,
  Recipe,
  StepResult,
} from './protocol';
import type { WorkerLike } from './client';
import { serve } from './serve';
import { DEFAULT_RECIPE } from '../state/state';
import { soFar } from '../lib/stats';

const CLASSES = ['boat', 'car', 'cup', 'fish', 'house', 'key', 'leaf', 'mushroom', 'star', 'tree'];
const SIDE = 64;
const MAP = 8;

/** A number in 0..1 that depends on the text alone. */
function chance(text: string): number {
  let hash = 2166136261;
  for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 2246822507);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

/** 0 with all bits, near 1 with two. */
const harm = ({ weightBits, activationBits }: Recipe): number =>
  Math.min(1, 0.012 + 1.4 * (2 ** -weightBits - 2 ** -8) * 2 + 1.1 * (2 ** -activationBits - 2 ** -8));

const OPERATORS: OperatorView[] = [
  { opType: 'Add', nodes: 4, integerNodes: null, floatNodes: [], refused: [] },
  { opType: 'Conv', nodes: 9, integerNodes: null, floatNodes: [], refused: [] },
];

const LAYERS: [string, string, string][] = [
  ['stem/conv', 'Conv', '16×3×3×3'],
  ['block1/conv1', 'Conv', '32×16×3×3'],
  ['block1/conv2', 'Conv', '32×32×3×3'],
  ['block2/conv1', 'Conv', '48×32×3×3'],
  ['block2/conv2', 'Conv', '48×48×3×3'],
  ['block3/conv1', 'Conv', '64×48×3×3'],
  ['block3/conv2', 'Conv', '64×64×3×3'],
  ['block4/conv1', 'Conv', '96×64×3×3'],
  ['block4/conv2', 'Conv', '96×96×3×3'],
  ['head/fc', 'Gemm', '10×96'],
];
const weightsOf = (shape: string): number => shape.split('×').reduce((product, part) => product * Number(part), 1);

interface Picture extends PictureView {
  rgba: Uint8ClampedArray;
}

/** Bytes of memory that its network would take. */
const MEMORY = 200e6;

export class MockEngine implements Engine {
  #pictures: Picture[] = [];
  #classes: string[] = CLASSES.map((_, index) => `class ${index}`);
  #quantized = false;
  #calibrated = false;
  #recipe: Recipe = DEFAULT_RECIPE;
  #preprocess: Preprocess = {
    do_resize: true, size: { height: SIDE, width: SIDE }, resample: 2, do_center_crop: false, crop_size: null,
    do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225],
    channel_order: 'rgb', layout: 'NCHW', label_offset: 0,
  };
  #source: 'file' | 'guessed' | 'edited' = 'guessed';
  #buffers = new Map<number, BulkData>();
  #uploads: { bytes: Uint8Array; filled: number }[] = [];
  #job: Generator<EngineEvent[], EngineResponse> | null = null;
  #decoding: Promise<void> | null = null;
  /** `pace`: pause between steps, so that progress can be seen; `products`: what its network says that a picture takes. */
  constructor(readonly pace = 0, readonly products = 15e6) {}

  reserveUpload(length: number): number {
    const bytes = new Uint8Array(length);
    this.#uploads.push({ bytes, filled: 0 });
    return this.#uploads.length - 1;
  }

  writeUpload(id: number, chunk: Uint8Array): void {
    const upload = this.#uploads[id];
    if (!upload) throw new Error(`no upload ${id}`);
    upload.bytes.set(chunk, upload.filled);
    upload.filled += chunk.length;
  }

  begin(request: EngineRequest, files: number[]): void {
    const inputs = files.map((id) => this.#uploads[id]?.bytes ?? new Uint8Array());
    this.#uploads = [];
    this.#job = this.#run(request, inputs);
  }

  step(): StepResult {
    if (this.#decoding) return { state: 'running', events: [] };
    const until = performance.now() + this.pace;
    while (performance.now() < until);
    const next = this.#job?.next();
    if (!next) throw refuse('no_job', 'No job is running.');
    if (next.done) return { state: 'done', events: [], response: next.value };
    return { state: 'running', events: next.value };
  }

  cancel(): void {
    this.#uploads = [];
    this.#job = null;
  }

  takeBuffer(id: number): BulkData {
    const data = this.#buffers.get(id);
    this.#buffers.delete(id);
    if (!data) throw new Error(`no buffer ${id}`);
    return data;
  }

  #put(data: BulkData): BufferRef {
    const id = this.#buffers.size + 1;
    this.#buffers.set(id, data);
    return { id, length: data.length };
  }

  *#run(request: EngineRequest, inputs: Uint8Array[]): Generator<EngineEvent[], EngineResponse> {
    switch (request.kind) {
      case 'loadModel':
        return this.#load(request.name, inputs[0], request);
      case 'addPictures':
        return yield* this.#add(request.names, inputs);
      case 'clearPictures':
        this.#pictures = [];
        return { kind: 'clearPictures' };
      case 'setLabels':
        return this.#label(inputs[0]);
      case 'readPreprocess':
        this.#preprocess = { ...this.#preprocess, ...(JSON.parse(new TextDecoder().decode(inputs[0])) as Preprocess) };
        this.#source = 'file';
        return { kind: 'readPreprocess', preprocess: this.#preprocessView() };
      case 'setPreprocess':
        this.#preprocess = request.preprocess;
        this.#source = 'edited';
        return { kind: 'setPreprocess', preprocess: this.#preprocessView() };
      case 'quantize':
        return yield* this.#quantize(request);
      case 'compare':
        return yield* this.#compare();
      case 'calibrateShare':
        return yield* this.#calibrateShare(request);
      case 'learnStatistics':
        this.#calibrated = true;
        return { kind: 'learnStatistics' };
      case 'compareShare':
        return yield* this.#compareShare(request);
      case 'learnComparisons':
        return { kind: 'learnComparisons' };
      case 'lens':
        return { kind: 'lens', ...this.#look(request.picture) };
      case 'logits':
        return this.#logits(request.picture);
      case 'measureLatency':
        for (let done = 1; done <= request.runs; done++) yield [{ kind: 'progress', phase: 'measuring', done, total: request.runs }];
        return { kind: 'measureLatency', latency: { full: { medianMs: 1.92, minMs: 1.88 }, quantized: { medianMs: this.#path() === 'int8' ? 0.74 : 2.31, minMs: 0.7, path: this.#path() }, runs: request.runs, isa: 'relaxed-simd' } };
      case 'profile':
        return { kind: 'profile', profile: this.#profile() };
      case 'diagnose':
        return yield* this.#diagnose(request);
      case 'preview':
        return { kind: 'preview', width: SIDE, height: SIDE, rgba: this.#put(new Uint8Array(this.#at(request.picture).rgba)) };
      case 'exportModel':
        return { kind: 'exportModel', fileName: 'plain-int8.onnx', onnx: this.#put(new Uint8Array(84_120)), sizeBytes: 84_120, verified: { identical: true, pictures: 8, note: 'Read back, the file gives the same logits on 8 pictures.' } };
      case 'engineInfo':
        return { kind: 'engineInfo', info: { version: '0.1.0 (mock)', isa: 'relaxed-simd', isas: ['portable', 'simd128', 'relaxed-simd'], threads: 1, probe: 'Relaxed dot products are exact over the whole range here.' } };
    }
  }

  #at(index: number): Picture {
    const picture = this.#pictures[index];
    if (!picture) throw refuse('no_picture', `There is no picture ${index}.`);
    return picture;
  }

  #profile(): ProfileView {
    const integers = this.#path() === 'int8';
    const node = ([name, op, shape]: [string, string, string]): NodeTimes => {
      const ms = 0.1 + 0.4 * chance(name);
      return { name, shape, full: { ms, op, kernel: 'f32-tiles' }, quantized: { ms: integers ? ms / 4 : ms * 1.1, op: integers ? `bitlens.Q${op}` : op, kernel: integers ? 'u8-quads' : 'f32-tiles' } };
    };
    const codes: NodeTimes = { name: 'input_QuantizeLinear', shape: `1×3×${SIDE}×${SIDE}`, full: null, quantized: { ms: 0.02, op: 'QuantizeLinear', kernel: null } };
    const nodes = [codes, ...LAYERS.map(node)];
    const sum = (side: 'full' | 'quantized'): number => nodes.reduce((total, one) => total + (one[side]?.ms ?? 0), 0);
    return { nodes, fullMs: sum('full'), quantizedMs: sum('quantized'), path: this.#path(), runs: 40, isa: 'relaxed-simd' };
  }

  #path = (): 'int8' | 'fakeQuant' => (this.#recipe.weightBits === 8 && this.#recipe.activationBits === 8 ? 'int8' : 'fakeQuant');

  #preprocessView = () => ({ preprocess: this.#preprocess, source: this.#source, range: [-2.12, 2.64] as [number, number], notes: [] });

  #load(name: string, bytes: Uint8Array | undefined, { weights: beside = [], memoryLimit = Infinity }: ArgumentsOf<'loadModel'>): EngineResponse {
    if (bytes && bytes.length > 8 && bytes[0] !== 8 && bytes[0] !== 10) throw refuse('not_onnx', 'This is not an ONNX file: its first bytes are no model header.', null, 'Export the network to ONNX first.');
    const weights = [...new TextDecoder().decode(bytes).matchAll(/weights in (\S+)/g)].map((found) => found[1] ?? '');
    const missing = weights.filter((file) => !beside.some((one) => one.split('/').pop() === file));
    if (missing.length > 0) throw { ...refuse('onnx/external-data', `The elements of initializer \`w\` are in another file, \`${missing[0]}\`, which is missing.`), missing };
    if (memoryLimit < MEMORY) throw { ...refuse('session/memory', 'To quantize and compare this network takes about 200 MB of memory.'), neededBytes: MEMORY };
    const parameters = LAYERS.reduce((sum, [, , shape]) => sum + weightsOf(shape), 0);
    this.#source = 'guessed';
    this.#quantized = false;
    return {
      kind: 'loadModel',
      model: { name: name.replace(/\.onnx$/, ''), fileName: name, producer: 'bitlens sample', opset: 17, nodes: 31, parameters, sizeBytes: parameters * 4 + 5400, inputName: 'input', inputShape: `batch×3×${SIDE}×${SIDE}`, inputSize: [SIDE, SIDE], channels: 3, classes: 10, layers: LAYERS.length, operators: OPERATORS, quantized: false, memoryBytes: MEMORY, multiplyAccumulates: this.products, attributionLayer: 'block4/conv2', warnings: [] },
      preprocess: this.#preprocessView(),
      weights,
    };
  }

  *#add(names: string[], inputs: Uint8Array[]): Generator<EngineEvent[], EngineResponse> {
    const fresh: Picture[] = names.map((name, offset) => {
      const index = this.#pictures.length + offset;
      return { index, name, width: SIDE, height: SIDE, label: null, role: 'both', rgba: new Uint8ClampedArray(SIDE * SIDE * 4).fill(160) };
    });
    this.#pictures.push(...fresh);
    this.#decoding = Promise.all(fresh.map((picture, index) => decode(picture, inputs[index] as Uint8Array<ArrayBuffer>))).then(() => {
      this.#decoding = null;
    });
    yield [];
    return { kind: 'addPictures', pictures: this.#views(), refused: [] };
  }

  #views = (): PictureView[] => this.#pictures.map(({ rgba: _, ...view }) => view);

  #label(bytes: Uint8Array | undefined): EngineResponse {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as (string | { file: string; label: number; role: PictureView['role'] })[];
    for (const [index, entry] of value.entries()) {
      if (typeof entry === 'string') this.#classes[index] = entry;
      else for (const picture of this.#pictures) if (picture.name === entry.file) Object.assign(picture, { label: entry.label, role: entry.role });
    }
    return { kind: 'setLabels', classes: this.#classes, pictures: this.#views() };
  }

  *#diagnose({ recipe: asked, pictures }: ArgumentsOf<'diagnose'>): Generator<EngineEvent[], EngineResponse> {
    const recipe = { ...DEFAULT_RECIPE, ...(asked as Recipe) };
    if (recipe.activationRange === 'dynamic') throw refuse('quant/recipe', 'The recipe’s `activationRange` cannot be `dynamic` here: choose another rule, such as `max`.');
    for (let done = 1; done <= LAYERS.length; done++) yield [{ kind: 'progress', phase: 'quantizing layer by layer', done, total: LAYERS.length }];
    const images = Math.min(pictures, this.#pictures.filter(({ role }) => role !== 'calib').length);
    const effect = (bad: number): Effect => ({ images, agreement: Math.round((1 - 0.8 * bad) * images) / images, kl: 2 * bad * bad, distortion: bad, sqnrDb: 31 - 28 * Math.sqrt(bad), top1: null });
    const bad = harm(recipe);
    const wide = { ...recipe, weightBits: 8 };
    const rule = { ...recipe, layers: [{ name: 'block1/conv1', weightBits: 8 }] };
    const healthy = bad < 0.1;
    const findings: DiagnosisView['findings'] = [
      { cause: 'fewWeightLevels', layer: 'block1/conv1', origin: null, message: `The weight of block1/conv1 has ${recipe.weightBits} bits, so ${2 ** recipe.weightBits - 1} levels.`, evidence: [{ name: 'levels', value: 2 ** recipe.weightBits - 1 }, { name: 'kl', value: bad }], remedy: { title: 'Give the weights of block1/conv1 8 bits', change: { kind: 'recipe', recipe: rule, before: effect(bad), after: effect(0.7 * bad), sizeBytes: 90_000 } } },
      { cause: 'activationOutlier', layer: 'block3/conv2', origin: 'block3/conv1', message: 'What block3/conv2 reads reaches 40, but all but one in a thousand values stay below 4.', evidence: [{ name: 'largest', value: 40 }, { name: 'ratio', value: 10 }], remedy: null },
    ];
    const layers = LAYERS.map(([layer, , shape], at) => ({ layer, kind: 'conv' as const, weights: weightsOf(shape), multiplyAccumulates: 1e6, output: { aloneDb: 40 - at - 20 * bad, weightDb: 41 - at, inputDb: 44 - at, accumulatedDb: 38 - 2 * at }, alone: effect(bad / (at + 2)), accumulated: null, weightBits: [], activationBits: [] }));
    const input = { images, top1: 0.9, confidence: 0.8, answers: 9, information: 1.5 };
    const diagnosis: DiagnosisView = {
      recipe: asked, healthy, summary: healthy ? 'Nothing to repair.' : 'Most of it is lost in the weights.', input, before: effect(bad), weightsOnly: effect(0.8 * bad), activationsOnly: effect(0.3 * bad), sizeBytes: 84_000,
      findings: healthy ? [] : findings, suggestion: healthy ? null : { titles: ['Give weights 8 bits'], recipe: wide, after: effect(harm(wide)), sizeBytes: 100_000 }, layers,
    };
    return { kind: 'diagnose', diagnosis };
  }

  *#quantize({ recipe, picture }: ArgumentsOf<'quantize'>): Generator<EngineEvent[], EngineResponse> {
    this.#recipe = { ...DEFAULT_RECIPE, ...(recipe as Recipe) };
    const calibration = this.#pictures.filter(({ role }) => role !== 'eval').length;
    if (calibration === 0) throw refuse('no_pictures', 'There is no picture to calibrate with.', null, 'Drop some pictures like those the network will see.');
    for (let done = 4; done <= calibration && !this.#calibrated; done += 4) yield [{ kind: 'progress', phase: 'calibrating', done, total: calibration }];
    const layers = LAYERS.map((layer, index) => this.#layer(layer, index));
    const sum = (side: 'full' | 'quantized'): number => layers.reduce((total, { sizeBytes }) => total + sizeBytes[side], 5400);
    const int8 = this.#path() === 'int8';
    this.#quantized = true;
    return {
      kind: 'quantize',
      quantized: { recipe, path: this.#path(), pathReason: int8 ? 'Every layer runs on 8-bit integers with 32-bit sums.' : 'Fewer than 8 bits run in float with rounding in this version.', calibrationPictures: calibration, sizeBytes: { full: sum('full'), quantized: sum('quantized') }, layers, operators: OPERATORS.map((one) => ({ ...one, integerNodes: one.nodes })) },
      look: picture === undefined ? null : this.#look(picture),
    };
  }

  #layer([name, op, weightShape]: [string, string, string], index: number): LayerView {
    const weights = weightsOf(weightShape);
    const { weightBits, activationBits } = this.#recipe;
    const bytes = Math.ceil((weights * weightBits) / 8) + Number(weightShape.split('×')[0]) * 8;
    return { name, op, weightShape, weights, weightBits, activationBits, sizeBytes: { full: weights * 4 + 64, quantized: bytes }, path: this.#path() === 'int8' ? 'int8' : 'float', outputRange: [0, 2 + 6 * chance(name)], weightSqnrDb: 6.02 * weightBits - 5 - 6 * chance(name + index) };
  }

  /** Every so many-th picture of a role. */
  #share(role: PictureView['role'], { part, of }: { part: number; of: number }): Picture[] {
    return this.#pictures.filter((one) => one.role === role || one.role === 'both').filter((_, place) => place % of === part);
  }

  *#calibrateShare({ share }: ArgumentsOf<'calibrateShare'>): Generator<EngineEvent[], EngineResponse> {
    const pictures = this.#share('calib', share);
    for (let done = 1; done <= pictures.length; done++) yield [{ kind: 'progress', phase: 'calibrating', done, total: pictures.length }];
    return { kind: 'calibrateShare', statistics: pictures.map(({ index }) => index) };
  }

  *#compareShare({ share }: ArgumentsOf<'compareShare'>): Generator<EngineEvent[], EngineResponse> {
    if (!this.#quantized) throw refuse('session/not-quantized', 'Nothing is quantized.');
    const rows = [];
    const pictures = this.#share('eval', share);
    for (const [at, { index }] of pictures.entries()) {
      const comparison = this.#comparison(index);
      rows.push({ signal: 1, noise: 0, correct: null, comparison });
      yield [{ kind: 'pictureCompared', comparison }, { kind: 'progress', phase: 'comparing', done: at + 1, total: pictures.length }];
    }
    return { kind: 'compareShare', rows };
  }

  *#compare(): Generator<EngineEvent[], EngineResponse> {
    const pictures: PictureComparison[] = [];
    const evaluated = this.#pictures.filter(({ role }) => role !== 'calib');
    for (const [index, picture] of evaluated.entries()) {
      const comparison = this.#comparison(picture.index);
      pictures.push(comparison);
      yield [{ kind: 'pictureCompared', comparison }, { kind: 'progress', phase: 'comparing', done: index + 1, total: evaluated.length }];
    }
    const { agreement, spearmanMean } = soFar(pictures);
    const bad = harm(this.#recipe);
    return {
      kind: 'compare', pictures,
      summary: { images: pictures.length, agreement, kl: bad * 0.8, sqnrDb: 30 - 27 * Math.sqrt(bad), top1: { full: 0.975, quantized: 0.975 - bad * 0.7, labelled: pictures.length }, attribution: { method: 'Grad-CAM', spearmanMean, kendallTauBMean: spearmanMean && spearmanMean * 0.84, images: pictures.length } },
    };
  }

  #answer(picture: number, label: number, quantized: boolean): ClassProbability[] {
    const bad = quantized ? harm(this.#recipe) * (0.4 + chance(`${picture} easy`)) : 0;
    const raw = CLASSES.map((_, index) => {
      const own = 2.2 * chance(`${picture} ${index}`) + (index === label ? 6 + 2 * chance(`${picture} sure`) : 0);
      return Math.exp(own * (1 - 0.55 * bad) + bad * 6 * chance(`${picture} ${index} q`));
    });
    const total = raw.reduce((sum, value) => sum + value, 0);
    return raw.map((value, index) => ({ class: index, name: this.#classes[index] ?? '', probability: value / total })).sort((a, b) => b.probability - a.probability);
  }

  #logits(picture: number): EngineResponse {
    const label = this.#at(picture).label ?? Math.floor(chance(`${picture} label`) * 10);
    const scores = (quantized: boolean): BufferRef =>
      this.#put(Float32Array.from(this.#answer(picture, label, quantized).sort((a, b) => a.class - b.class), ({ probability }) => Math.log(probability)));
    return { kind: 'logits', input: this.#put(new Float32Array(3 * SIDE * SIDE)), inputShape: [1, 3, SIDE, SIDE], full: scores(false), quantized: this.#quantized ? scores(true) : null };
  }

  #comparison(index: number): PictureComparison {
    const label = this.#at(index).label ?? Math.floor(chance(`${index} label`) * 10);
    const [full, quantized] = [this.#answer(index, label, false), this.#answer(index, label, true)];
    const bad = harm(this.#recipe) * (0.4 + chance(`${index} easy`));
    const spearman = Math.max(-0.2, 1 - 0.02 * chance(`${index} s`) - bad * (0.5 + 0.6 * chance(`${index} m`)));
    return { picture: index, full: full.slice(0, 5), quantized: quantized.slice(0, 5), flipped: full[0]?.class !== quantized[0]?.class, kl: bad, sqnrDb: 31 - 28 * Math.sqrt(bad), attribution: { spearman, kendallTauB: spearman * 0.84 } };
  }

  #look(picture: number): Look {
    const one = this.#comparison(picture);
    const label = this.#at(picture).label ?? Math.floor(chance(`${picture} label`) * 10);
    const quantizedAll = this.#answer(picture, label, true);
    const fullAll = this.#answer(picture, label, false);
    const classes = new Set([...one.full, ...one.quantized].map((answer) => answer.class));
    const of = (all: ClassProbability[], index: number): number => all.find((answer) => answer.class === index)?.probability ?? 0;
    const answers = [...classes].map((index) => ({ class: index, name: this.#classes[index] ?? '', full: of(fullAll, index), quantized: of(quantizedAll, index) })).sort((a, b) => b.full - a.full);
    const bad = harm(this.#recipe);
    const [full, quantized] = [heat(picture, 0), heat(picture, bad)];
    const lens: LensView = {
      picture, target: fullAll[0] as ClassProbability, answers, fullTop: fullAll[0] as ClassProbability, quantizedTop: quantizedAll[0] as ClassProbability, flipped: one.flipped, expected: this.#at(picture).label,
      spearman: one.attribution?.spearman ?? null, kendallTauB: one.attribution?.kendallTauB ?? null, top10Overlap: Math.max(0, 1 - bad),
      layerSqnrDb: LAYERS.map(([layer], index) => ({ layer, sqnrDb: 42 - 34 * Math.sqrt(bad) - index * 1.1 - 6 * chance(`${layer} ${picture}`) * Math.sqrt(bad) })),
    };
    const map = { width: MAP, height: MAP, max: Math.max(...full, ...quantized), full: this.#put(full), quantized: this.#put(quantized) };
    return { lens, map };
  }
}

/** A blob of attention near the middle, drifting as the harm grows. */
function heat(picture: number, bad: number): Float32Array<ArrayBuffer> {
  const [x, y] = [2.6 + 2 * chance(`${picture} x`) + bad * 3 * (chance(`${picture} dx`) - 0.5), 2.6 + 2 * chance(`${picture} y`) + bad * 3 * (chance(`${picture} dy`) - 0.5)];
  return Float32Array.from({ length: MAP * MAP }, (_, at) => {
    const distance = ((at % MAP) - x) ** 2 + (Math.floor(at / MAP) - y) ** 2;
    return Math.max(0, 1.7 * (1 - 0.3 * bad) * Math.exp(-distance / 3.4) + 0.25 * bad * chance(`${picture} ${at}`) - 0.02);
  });
}

async function decode(picture: Picture, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  if (typeof OffscreenCanvas === 'undefined') return;
  const bitmap = await createImageBitmap(new Blob([bytes]));
  const context = new OffscreenCanvas(SIDE, SIDE).getContext('2d');
  if (!context) return;
  const scale = SIDE / Math.min(bitmap.width, bitmap.height);
  context.drawImage(bitmap, (SIDE - bitmap.width * scale) / 2, (SIDE - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
  picture.rgba = context.getImageData(0, 0, SIDE, SIDE).data;
}

const refuse = (code: string, message: string, node: string | null = null, hint: string | null = null): EngineError => ({ code, message, node, hint });

/** A worker that is none: the same loop over a message channel, in this very thread. */
export function mockWorker(engine: Engine = new MockEngine(8)): WorkerLike {
  const { port1, port2 } = new MessageChannel();
  port1.start();
  port2.start();
  void serve(port2 as unknown as Port, () => Promise.resolve({ engine, build: 'mock' }));
  return {
    postMessage: (message, transfer) => port1.postMessage(message, transfer),
    addEventListener: (type: string, listener: (event: MessageEvent<FromWorker>) => void) => port1.addEventListener(type as 'message', listener),
    terminate: () => port1.close(),
  } as WorkerLike;
}
