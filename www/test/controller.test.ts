import { afterEach, expect, test, vi } from 'vitest';
import { Client, type WorkerLike } from '../src/engine/client';
import { MockEngine, mockWorker } from '../src/engine/mock';
import type { EngineError, EngineRequest, StepResult } from '../src/engine/protocol';
import { Controller } from '../src/state/controller';
import type { Environment } from '../src/state/loader';
import { createStore, type Store } from '../src/state/store';
import { DEFAULT_RECIPE, type AppState } from '../src/state/state';
import { currentDiagnosis, diagnosisStage, takenOffer } from '../src/state/diagnosis';
import { parseRecipe } from '../src/state/recipe';
import { compareKey, diagnosisKey, lensKey, openTasks, quantizeKey } from '../src/state/tasks';
import { update } from '../src/state/update';

const PICTURES = Array.from({ length: 12 }, (_, index) => ({ file: `${index}.png`, label: index % 10, mask: '', role: index < 4 ? 'calib' : 'eval' }));
const MODEL = new Uint8Array([8, 8, 0, 0, 0, 0, 0, 0, 0]);

const environment: Environment = {
  now: () => performance.now(),
  makeUrl: (blob) => `blob:${blob.size}`,
  revokeUrl: () => {},
  machine: () => ({ memoryGiB: 8, cores: 1, handheld: false }),
  readMask: () => Promise.resolve({ width: 1, height: 1, inside: new Uint8Array(1) }),
  drawThumbnail: () => Promise.resolve('blob:drawn'),
  fetchFile: (path) => Promise.resolve(new Blob([content(path) as BlobPart])),
};

function content(path: string): string | Uint8Array {
  if (path.endsWith('pictures.json')) return JSON.stringify(PICTURES);
  if (path.endsWith('labels.json')) return JSON.stringify(['boat', 'car']);
  if (path.endsWith('preprocessor_config.json')) return '{"do_normalize": true}';
  return MODEL;
}

const workers: WorkerLike[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

function page(newEngine: () => MockEngine = () => new MockEngine(), around: Environment = environment): Store {
  const store = createStore();
  const client = new Client(() => {
    const worker = mockWorker(newEngine());
    workers.push(worker);
    return worker;
  });
  new Controller(store, client, around);
  return store;
}

/** The state as soon as the condition holds; polling would miss states that pass quickly. */
const until = (store: Store, condition: (state: AppState) => boolean): Promise<AppState> =>
  new Promise((resolve) => {
    let ignore = (): void => {};
    const look = (): void => {
      if (!condition(store.state.peek())) return;
      ignore();
      resolve(store.state.peek());
    };
    ignore = store.listen(look);
    look();
  });
const complete = (state: AppState): boolean => state.summary?.key === compareKey(state) && openTasks(state).length === 0 && state.job === null;
const file = (name: string, bytes: Uint8Array | string): { name: string; blob: Blob } => ({ name, blob: new Blob([bytes as BlobPart]) });

test('the sample opens, is quantized, compared and measured without a click', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const state = await until(store, complete);
  expect(state.problems).toEqual([]);
  expect(state.preprocess?.source).toBe('file');
  expect(state.summary?.value.images).toBe(8);
  expect(state.lens?.value.lens.expected).toBe(4);
  expect(state.quantized?.value.calibrationPictures).toBe(4);
  expect(state.latency?.value.quantized.path).toBe('int8');
  expect(Object.keys(state.thumbnails)).toHaveLength(12);
});

test('a network and its files of weights are dropped together, whatever they are called', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  const network = file('net.onnx', new Uint8Array([...MODEL, ...new TextEncoder().encode('weights in w.bin weights in conv1')]));
  store.dispatch({ type: 'filesOpened', files: [network, file('w.bin', 'w')] });
  const missing = await until(store, ({ problems }) => problems.length > 0);
  expect(missing.problems).toMatchObject([{ what: 'The network waits for its weights', where: 'net.onnx', todo: 'Drop the missing file too: what you dropped is kept until then.' }]);
  expect(missing.problems[0]?.why).toContain('`conv1`, which is missing');
  expect(missing.model?.fileName).toBe('sample_resnet.onnx');
  store.dispatch({ type: 'problemDismissed', id: missing.problems[0]?.id ?? 0 });
  store.dispatch({ type: 'filesOpened', files: [network, file('w.bin', 'w'), file('conv1', 'v'), file('notes.pdf', 'n')] });
  const state = await until(store, ({ model, job }) => model?.fileName === 'net.onnx' && job === null);
  expect(state.problems.map(({ why }) => why).join()).toMatch(/notes\.pdf/);
  expect(state.problems.map(({ why }) => why).join()).not.toMatch(/w\.bin|conv1/);
});

test('what a network misses may be dropped after it, and what was dropped with it is opened then', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  const network = file('a/net.onnx', new Uint8Array([...MODEL, ...new TextEncoder().encode('weights in w.bin weights in net.onnx.data')]));
  store.dispatch({ type: 'filesOpened', files: [network, file('cat.png', 'c'), file('notes.pdf', 'n')] });
  const waiting = await until(store, ({ problems }) => problems.length > 0);
  expect(waiting.problems).toMatchObject([{ todo: 'Drop the missing files too: what you dropped is kept until then.' }]);
  expect(waiting.picturesSource).toBe('sample');
  store.dispatch({ type: 'filesOpened', files: [file('w.bin', 'w')] });
  await until(store, ({ problems }) => problems.length > 1);
  store.dispatch({ type: 'filesOpened', files: [file('b/net.onnx.data', 'v')] });
  const state = await until(store, (now) => now.model?.fileName === 'net.onnx' && complete(now));
  expect(state.pictures.map(({ name }) => name)).toEqual(['cat.png']);
  expect(state.problems.slice(2).map(({ why }) => why).join()).toMatch(/^notes\.pdf: /);
});

test('weights that come first wait for their network, and others are no business of it', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  store.dispatch({ type: 'filesOpened', files: [file('net.onnx.data', 'v'), file('old.onnx.data', 'o')] });
  const waiting = await until(store, ({ problems }) => problems.length > 0);
  expect(waiting.problems[0]?.why).toMatch(/net\.onnx\.data: It holds weights: drop the \.onnx file/);
  const network = file('net.onnx', new Uint8Array([...MODEL, ...new TextEncoder().encode('weights in net.onnx.data')]));
  store.dispatch({ type: 'filesOpened', files: [network] });
  const state = await until(store, (now) => now.model?.fileName === 'net.onnx' && complete(now));
  expect(state.problems.slice(1)).toMatchObject([{ why: 'old.onnx.data: It holds weights that this network does not ask for.' }]);
});

test('a dragged slider ends at its last value, and its results are of that value', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  for (const weightBits of [7, 6, 5, 4, 3]) {
    store.dispatch({ type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits }, field: 'weightBits', at: weightBits });
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  const state = await until(store, complete);
  expect(state.quantized?.value.recipe.weightBits).toBe(3);
  expect(state.latency?.value.quantized.path).toBe('fakeQuant');
  expect(state.problems).toEqual([]);
});

/** What an engine was asked, but for thumbnails. */
class Listening extends MockEngine {
  readonly asked: EngineRequest[] = [];
  override begin(request: EngineRequest, files: number[]): void {
    if (request.kind !== 'preview') this.asked.push(request);
    super.begin(request, files);
  }
}

test('a moved slider asks once for the network and for what it says of the picture', async () => {
  const engine = new Listening();
  const store = page(() => engine);
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const { selected } = await until(store, complete);
  engine.asked.length = 0;
  const recipe = { ...DEFAULT_RECIPE, activationBits: 7 };
  store.dispatch({ type: 'recipeEdited', recipe, field: 'activationBits', at: 0 });
  const state = await until(store, (now) => complete(now) && now.lens?.key === lensKey(now));
  expect(engine.asked.slice(0, 2)).toEqual([{ kind: 'quantize', recipe, picture: selected }, { kind: 'compare' }]);
  expect(state.lens?.value.lens.picture).toBe(selected);
  expect(state.lens?.value.maps?.quantized).toHaveLength(64);
});

test('a network that was quantized in vain is not taken for the one that is shown', async () => {
  class Late extends Listening {
    override begin(request: EngineRequest, files: number[]): void {
      super.begin(request, files);
      // The hand goes back while the answer is on its way.
      if (request.kind === 'quantize' && request.recipe.weightBits === 4) queueMicrotask(() => store.dispatch({ type: 'undone' }));
    }
  }
  const engine = new Late();
  const store = page(() => engine);
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  store.dispatch({ type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  await until(store, ({ recipe }) => recipe.future.length > 0);
  await until(store, (state) => complete(state) && state.quantized?.key === quantizeKey(state));
  const bits = engine.asked.flatMap((request) => (request.kind === 'quantize' ? [request.recipe.weightBits] : []));
  expect(bits).toEqual([8, 4, 8]);
});

test('what the user stops stays stopped, and goes on when asked', async () => {
  const store = page(() => new MockEngine(8));
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const ignore = store.listen(({ type }) => type === 'picturesCompared' && store.dispatch({ type: 'cancelAsked' }));
  await until(store, ({ givenUp }) => givenUp.length > 0);
  ignore();
  const stopped = await until(store, ({ job, summary }) => job === null && summary === null);
  expect(stopped.problems).toEqual([]);
  expect(stopped.givenUp[0]).toMatchObject({ key: compareKey(stopped), reason: 'cancelled' });
  expect(openTasks(stopped)).toEqual([]);
  store.dispatch({ type: 'continueAsked' });
  await until(store, complete);
});

test('opening files does not wait for a comparison that they outdate', async () => {
  const store = page(() => new MockEngine(8));
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const seen: string[] = [];
  store.listen(({ type }) => seen.push(type));
  await until(store, ({ comparisons }) => comparisons !== null);
  store.dispatch({ type: 'filesOpened', files: [file('net.onnx', MODEL)] });
  await until(store, ({ modelSource }) => modelSource === 'dropped');
  expect(seen.filter((type) => type === 'modelLoaded' || type === 'compared')).toEqual(['modelLoaded', 'modelLoaded']);
});

test('the exported file is of the recipe on screen', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  store.dispatch({ type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  store.dispatch({ type: 'exportAsked' });
  const state = await until(store, ({ exported }) => exported !== null);
  expect(state.exported).toMatchObject({ key: quantizeKey(state), value: { sizeBytes: 84_120, url: 'blob:84120' } });
});

test('a file that is no network leaves everything as it was, with a card', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const before = await until(store, complete);
  store.dispatch({ type: 'filesOpened', files: [file('cat.onnx', 'this is no network at all')] });
  const state = await until(store, ({ problems }) => problems.length > 0);
  expect(state.problems).toMatchObject([{ what: 'The network was not loaded', where: 'cat.onnx', todo: 'Export the network to ONNX first.' }]);
  expect(state.model).toBe(before.model);
  expect(state.summary).toBe(before.summary);
});

test('any mix of files in one drop finds its place, the rest is listed', async () => {
  const store = page();
  const files = [
    file('labels.json', JSON.stringify(['swan', 'goose'])),
    file('b.png', 'x'),
    file('notes.pdf', 'x'),
    file('net.onnx', MODEL),
    file('recipe.json', JSON.stringify({ ...DEFAULT_RECIPE, weightBits: 5 })),
    file('preprocessor_config.json', '{"do_normalize": true}'),
    file('a.png', 'x'),
  ];
  store.dispatch({ type: 'filesOpened', files });
  const state = await until(store, complete);
  expect(state.modelSource).toBe('dropped');
  expect(state.pictures.map(({ name }) => name)).toEqual(['b.png', 'a.png']);
  expect(state.classes.slice(0, 2)).toEqual(['swan', 'goose']);
  expect(state.quantized?.value.recipe.weightBits).toBe(5);
  expect(state.problems).toHaveLength(1);
  expect(state.problems[0]?.why).toContain('notes.pdf');
});

test.each([
  ['quantize', 'The network could not be quantized', 'sample_resnet.onnx, node conv1'],
  ['lens', 'This picture could not be looked at', 'sample_resnet.onnx, 4.png, node conv1'],
  ['compare', 'The pictures could not be compared', 'sample_resnet.onnx, node conv1'],
  ['preview', 'The picture could not be prepared', '4.png, node conv1'],
] as const)('a failure of %s says on which network and picture', async (kind, what, where) => {
  class Failing extends MockEngine {
    override begin(request: EngineRequest, files: number[]): void {
      const fault: EngineError = { code: 'test', message: 'no.', node: 'conv1', hint: null };
      if (request.kind === kind) throw fault;
      super.begin(request, files);
    }
    override step(): StepResult {
      const result = super.step();
      // As the engine does: who wants to know why asks for the picture alone.
      if (kind === 'lens' && result.state === 'done' && result.response.kind === 'quantize') result.response.look = null;
      return result;
    }
  }
  const store = page(() => new Failing());
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const { problems } = await until(store, (state) => state.problems.length > 0);
  expect(problems[0]).toMatchObject({ what, where });
});

test('what is doubtful to fit is opened when the user insists, and not before', async () => {
  const small = { ...environment, machine: () => ({ memoryGiB: 0.5, cores: 1, handheld: true }) };
  const store = page(() => new MockEngine(), small);
  store.dispatch({ type: 'filesOpened', files: [file('net.onnx', MODEL), file('a.png', 'x')] });
  const { problems, model } = await until(store, (state) => state.problems.length > 0);
  expect(model).toBeNull();
  store.dispatch({ type: 'filesOpened', files: problems[0]!.anyway!, anyway: true });
  const state = await until(store, complete);
  expect(state.model?.fileName).toBe('net.onnx');
  expect(state.pictures).toHaveLength(1);
});

test('a folder with nothing to open is not passed over in silence', async () => {
  const store = page();
  store.dispatch({ type: 'filesOpened', files: [file('holiday/README.md', 'x')] });
  const { notice } = await until(store, (state) => state.notice !== null);
  expect(notice).toContain('nothing in it');
});

test('labels of a data set come behind its pictures, however they were dropped', async () => {
  const store = page();
  const files = [file('t10k-labels-idx1-ubyte', 'x'), file('net.onnx', MODEL), file('t10k-images-idx3-ubyte', 'x')];
  store.dispatch({ type: 'filesOpened', files });
  const { pictures } = await until(store, complete);
  expect(pictures.map(({ name }) => name)).toEqual(['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']);
});

test('a network alone keeps the sample pictures, without their classes, and says so', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  store.dispatch({ type: 'filesOpened', files: [file('net.onnx', MODEL)] });
  const state = await until(store, (now) => now.modelSource === 'dropped' && complete(now));
  expect(state.pictures).toHaveLength(12);
  expect(state.pictures.every(({ label }) => label === null)).toBe(true);
  expect(state.notice).toContain('sample pictures');
});

test('the first dropped pictures replace the sample, later ones join', async () => {
  const store = page();
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  store.dispatch({ type: 'filesOpened', files: [file('x.png', 'x')] });
  await until(store, ({ pictures }) => pictures.length === 1);
  store.dispatch({ type: 'filesOpened', files: [file('y.png', 'y')] });
  const state = await until(store, ({ pictures }) => pictures.length === 2);
  expect(state.pictures.map(({ name }) => name)).toEqual(['x.png', 'y.png']);
});

test('a panic is told, and the files are opened again', async () => {
  const engines: MockEngine[] = [];
  const store = page(() => engines[engines.push(new MockEngine()) - 1] as MockEngine);
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  vi.spyOn(engines[0] as MockEngine, 'step').mockImplementationOnce(() => {
    throw new WebAssembly.RuntimeError('unreachable');
  });
  store.dispatch({ type: 'recipeEdited', recipe: { ...DEFAULT_RECIPE, weightBits: 4 }, field: 'weightBits', at: 0 });
  const state = await until(store, (now) => now.problems.length > 0 && now.quantized !== null && complete(now));
  expect(engines).toHaveLength(2);
  expect(state.problems[0]?.what).toBe('The engine broke and was started again');
  expect(state.problems[0]?.why).toContain('sample_resnet.onnx, 8 pictures and 8 comparisons');
  expect(state.quantized?.value.recipe.weightBits).toBe(4);
  expect(state.pictures).toHaveLength(12);
  expect(state.modelSource).toBe('resnet');
});

test('an engine that never comes up is said once', async () => {
  const store = createStore();
  const port = new MessageChannel();
  const client = new Client(() => ({ postMessage: () => {}, terminate: () => port.port1.close(), addEventListener: (type: string, listener: (event: MessageEvent) => void) => type === 'message' && queueMicrotask(() => listener({ data: { kind: 'crashed', message: 'no SIMD' } } as MessageEvent)) }) as unknown as WorkerLike);
  new Controller(store, client, environment);
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  const state = await until(store, ({ engine, problems }) => engine.status === 'failed' && problems.length > 0);
  port.port1.close();
  expect(state.problems).toMatchObject([{ what: 'The engine does not run', why: 'no SIMD' }]);
  expect(update(state, { type: 'continueAsked' }).problems).toHaveLength(1);
});

/** The sample with few bits, looked into. */
async function lookedInto(store: Store, recipe = { ...DEFAULT_RECIPE, weightBits: 3 }): Promise<void> {
  store.dispatch({ type: 'sampleChosen', sample: 'resnet' });
  await until(store, complete);
  store.dispatch({ type: 'recipeEdited', recipe, field: 'test', at: 0 });
  await until(store, (state) => complete(state) && state.quantized?.key === quantizeKey(state));
  store.dispatch({ type: 'diagnosisAsked', key: diagnosisKey(store.state.peek()) });
}

test('what went wrong is found out, and a remedy is a step that can be undone', async () => {
  const store = page();
  await lookedInto(store);
  const before = await until(store, (state) => currentDiagnosis(state) !== null);
  const { findings, recipe } = currentDiagnosis(before)!;
  expect(recipe.weightBits).toBe(3);
  const change = findings[0]?.remedy?.change;
  if (change?.kind !== 'recipe') throw new Error('the stand-in repairs by a recipe');
  store.dispatch({ type: 'recipeEdited', recipe: parseRecipe(change.recipe), field: 'remedy', at: 2000 });
  const repaired = await until(store, (state) => complete(state) && state.quantized?.key === quantizeKey(state));
  expect(repaired.recipe.present.layers).toEqual([{ name: 'block1/conv1', weightBits: 8 }]);
  expect(takenOffer(repaired)?.title).toContain('block1/conv1');
  store.dispatch({ type: 'undone' });
  expect(currentDiagnosis(store.state.peek())?.findings).toBe(findings);
});

test('looking for what went wrong can be stopped, and is asked of the same afterwards', async () => {
  const engine = new Listening(8);
  const store = page(() => engine);
  const ignore = store.listen(({ type }) => type === 'jobProgressed' && store.state.peek().job?.phase.startsWith('quantizing layer') && store.dispatch({ type: 'cancelAsked' }));
  await lookedInto(store);
  const stopped = await until(store, (state) => diagnosisStage(state) === 'stopped' && state.job === null);
  ignore();
  expect(stopped.diagnosis).toBeNull();
  store.dispatch({ type: 'diagnosisAsked', key: diagnosisKey(stopped) });
  await until(store, (state) => diagnosisStage(state) === 'known');
  const asked = engine.asked.filter(({ kind }) => kind === 'diagnose');
  expect(asked).toHaveLength(2);
  expect(asked[0]).toEqual(asked[1]);
  expect(asked[0]).toMatchObject({ pictures: 64, recipe: { weightBits: 3 } });
});

test('ranges that are found while running are refused in the engine’s words', async () => {
  const store = page();
  await lookedInto(store, { ...DEFAULT_RECIPE, activationRange: 'dynamic' });
  const { problems } = await until(store, (state) => state.problems.length > 0);
  expect(problems[0]).toMatchObject({ what: 'What went wrong could not be found out', where: 'sample_resnet.onnx' });
  expect(problems[0]?.why).toMatch(/choose another rule/);
  expect(diagnosisStage(store.state.peek())).toBe('failed');
});
