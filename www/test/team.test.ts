import { afterEach, expect, test } from 'vitest';
import { Cancelled, EngineCrash, type WorkerLike } from '../src/engine/client';
import { MockEngine, mockWorker } from '../src/engine/mock';
import type { EngineEvent, EngineRequest, PictureView } from '../src/engine/protocol';
import { Team } from '../src/engine/team';
import { DEFAULT_RECIPE } from '../src/state/state';

const LONG = 1e9;
const recipe = DEFAULT_RECIPE;
/** The parts of eighty pictures. */
const PARTS = Array.from({ length: 10 }, (_, part) => part);

/** An engine that writes down what it is asked, and may break at a request. */
class Watched extends MockEngine {
  asked: EngineRequest[] = [];
  breaksAt: EngineRequest['kind'] | null = null;

  override begin(request: EngineRequest, files: number[]): void {
    this.asked.push(request);
    if (request.kind === this.breaksAt) throw new Error('unreachable');
    super.begin(request, files);
  }

  get kinds(): string[] {
    return this.asked.map(({ kind }) => kind);
  }

  parts(kind: 'calibrateShare' | 'compareShare'): number[] {
    return this.asked.flatMap((request) => (request.kind === kind ? [request.share.part] : []));
  }
}

const workers: WorkerLike[] = [];
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

/** A team whose engines come with `make`, with this many pictures open, half of them for calibration. */
async function team({ products = LONG, helpers = 1, pictures = 160, make = () => new Watched(2, products) } = {}): Promise<{ team: Team; engines: Watched[]; room: number[]; started: boolean[] }> {
  const engines: Watched[] = [];
  const started: boolean[] = [];
  const room: number[] = [];
  const start = (isHelper: boolean): WorkerLike => {
    started.push(isHelper);
    const engine = make();
    engines.push(engine);
    workers.push(mockWorker(engine));
    return workers.at(-1) as WorkerLike;
  };
  const made = new Team(start, (bytes) => (room.push(bytes), helpers));
  await made.call('loadModel', { name: 'net.onnx' }, { files: [new Blob([new Uint8Array([8, 8, 0, 0, 0, 0, 0, 0, 0])])] });
  const names = Array.from({ length: pictures }, (_, at) => `${at}.png`);
  await made.call('addPictures', { names }, { files: names.map(() => new Blob(['ten bytes.'])) });
  const roles = names.map((file, at) => ({ file, label: 0, role: at % 2 ? 'eval' : 'calib' }) satisfies { file: string; label: number; role: PictureView['role'] });
  await made.call('setLabels', { name: 'labels.json' }, { files: [new Blob([JSON.stringify(roles)])] });
  return { team: made, engines, room, started };
}

test('long work is divided, and the leader answers with all of it', async () => {
  const { team: one, engines, room, started } = await team();
  const events: EngineEvent[] = [];
  await one.call('quantize', { recipe }, { onEvents: (some) => events.push(...some) });
  const [leader, helper] = engines as [Watched, Watched];
  expect(room).toEqual([200e6 + 1600]);
  expect(started).toEqual([false, true]);
  expect([...leader.parts('calibrateShare'), ...helper.parts('calibrateShare')].sort((a, b) => a - b)).toEqual(PARTS);
  expect(helper.kinds.slice(0, 3)).toEqual(['loadModel', 'addPictures', 'setLabels']);
  expect(leader.kinds.slice(-2)).toEqual(['learnStatistics', 'quantize']);
  const learned = leader.asked.find((request) => request.kind === 'learnStatistics');
  expect(learned?.kind === 'learnStatistics' && learned.parts.flat().sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 80 }, (_, at) => 2 * at));
  const progress = events.flatMap((event) => (event.kind === 'progress' ? [[event.done, event.total]] : []));
  expect(progress.at(-1)).toEqual([80, 80]);
  expect(progress).toHaveLength(80);

  const compared: number[] = [];
  const { summary } = await one.call('compare', {}, { onEvents: (some) => some.forEach((event) => event.kind === 'pictureCompared' && compared.push(event.comparison.picture)) });
  expect(summary.images).toBe(80);
  // The mock compares all of them once more, which a real engine need not.
  expect(new Set(compared.slice(0, 80)).size).toBe(80);
  expect(helper.kinds).toContain('compareShare');
  const rows = leader.asked.flatMap((request) => (request.kind === 'learnComparisons' ? request.rows : []));
  expect(rows).toHaveLength(80);
});

test('a helper keeps to the pictures that it knows, and hears of a new recipe', async () => {
  const { team: one, engines } = await team();
  await one.call('quantize', { recipe });
  await one.call('compare', {});
  const before = engines.map((engine) => engine.parts('compareShare'));
  await one.call('quantize', { recipe: { ...recipe, weightBits: 4 } });
  await one.call('compare', {});
  const [leader, helper] = engines as [Watched, Watched];
  expect([...leader.parts('compareShare'), ...helper.parts('compareShare')]).toHaveLength(2 * before.flat().length);
  const recipes = helper.asked.flatMap((request) => (request.kind === 'quantize' ? [request.recipe.weightBits] : []));
  expect(recipes).toEqual([8, 4]);
  expect(helper.kinds.filter((kind) => kind === 'loadModel')).toHaveLength(1);
  expect(leader.kinds.filter((kind) => kind === 'calibrateShare').length).toBeLessThan(PARTS.length);
});

test('what is short, or has no room beside it, the leader does alone', async () => {
  for (const options of [{ products: 1e6 }, { helpers: 0 }, { pictures: 8 }]) {
    const { team: one, engines } = await team(options);
    await one.call('quantize', { recipe });
    await one.call('compare', {});
    expect(engines).toHaveLength(1);
    expect(engines[0]?.kinds.slice(-2)).toEqual(['quantize', 'compare']);
  }
});

test('a helper that breaks or refuses is dismissed, and nothing is lost', async () => {
  for (const breaksAt of ['loadModel', 'calibrateShare'] as const) {
    let made = 0;
    const make = (): Watched => Object.assign(new Watched(2, LONG), { breaksAt: made++ > 0 ? breaksAt : null });
    const { team: one, engines } = await team({ make });
    const { quantized } = await one.call('quantize', { recipe });
    expect(quantized.calibrationPictures).toBe(80);
    expect(engines[0]?.kinds.at(-1)).toBe('quantize');
    expect(engines[0]?.parts('calibrateShare').sort((a, b) => a - b)).toEqual(PARTS);
    expect(engines[0]?.kinds).toContain('learnStatistics');
  }
});

test('work that is withdrawn is withdrawn from all, and can be asked for again', async () => {
  const { team: one } = await team();
  const stop = new AbortController();
  const asked = one.call('quantize', { recipe }, { signal: stop.signal, onEvents: () => stop.abort() });
  await expect(asked).rejects.toBeInstanceOf(Cancelled);
  const { quantized } = await one.call('quantize', { recipe });
  expect(quantized.calibrationPictures).toBe(80);
});

test('after a withdrawn change nobody knows what the leader holds, so it works alone', async () => {
  const { team: one, engines } = await team();
  const stop = new AbortController();
  const asked = one.call('addPictures', { names: ['more.png'] }, { files: [new Blob(['x'])], signal: stop.signal });
  stop.abort();
  await expect(asked).rejects.toBeInstanceOf(Cancelled);
  await one.call('quantize', { recipe });
  expect(engines).toHaveLength(1);
});

test('a helper that was being told when work was withdrawn hears everything once', async () => {
  const { team: one, engines } = await team();
  const stop = new AbortController();
  const asked = one.call('quantize', { recipe }, { signal: stop.signal });
  while (!engines[1]?.kinds.includes('addPictures')) await new Promise((resolve) => setTimeout(resolve, 1));
  stop.abort();
  await expect(asked).rejects.toBeInstanceOf(Cancelled);
  await one.call('quantize', { recipe });
  expect(engines[1]?.kinds.slice(0, 3)).toEqual(['loadModel', 'addPictures', 'setLabels']);
  expect(engines[1]?.kinds.filter((kind) => kind === 'addPictures')).toHaveLength(1);
  expect(engines[1]?.kinds).toContain('calibrateShare');
});

test('an engine that starts anew is told everything anew, and helpers hear of nothing before', async () => {
  const { team: one, engines } = await team();
  const names = Array.from({ length: 160 }, (_, at) => `${at}.png`);
  (engines[0] as Watched).breaksAt = 'lens';
  await expect(one.call('lens', { picture: 0, target: null })).rejects.toBeInstanceOf(EngineCrash);
  await one.call('loadModel', { name: 'net.onnx' }, { files: [new Blob([new Uint8Array([8, 8, 0, 0, 0, 0, 0, 0, 0])])] });
  await one.call('addPictures', { names }, { files: names.map(() => new Blob(['ten bytes.'])) });
  await one.call('quantize', { recipe });
  const helper = engines[2] as Watched;
  expect(helper.kinds.slice(0, 2)).toEqual(['loadModel', 'addPictures']);
  expect(helper.kinds.filter((kind) => kind === 'addPictures')).toHaveLength(1);
});

test('another network ends the helpers, which make place for it', async () => {
  const { team: one, engines } = await team();
  await one.call('quantize', { recipe });
  expect(engines).toHaveLength(2);
  await one.call('loadModel', { name: 'other.onnx' }, { files: [new Blob([new Uint8Array([8, 8, 0, 0, 0, 0, 0, 0, 0])])] });
  await one.call('quantize', { recipe });
  const [leader, , third] = engines;
  expect(engines).toHaveLength(3);
  // The pictures stay, with their labels.
  expect(third?.kinds.slice(0, 3)).toEqual(['addPictures', 'setLabels', 'loadModel']);
  expect(third?.asked[2]).toMatchObject({ kind: 'loadModel', name: 'other.onnx' });
  expect(third?.kinds).toContain('calibrateShare');
  expect(leader?.kinds.at(-1)).toBe('quantize');
});
