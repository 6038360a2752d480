import { afterEach, expect, test } from 'vitest';
import { Cancelled, Client, EngineCrash, EngineRefusal, type WorkerLike } from '../src/engine/client';
import { MockEngine, mockWorker } from '../src/engine/mock';
import type { BulkData, Engine, EngineEvent, EngineRequest, StepResult } from '../src/engine/protocol';

/** An engine that does what a test tells it. */
class Scripted implements Engine {
  begun: EngineRequest[] = [];
  cancelled = 0;
  steps: () => StepResult = () => ({ state: 'done', events: [], response: { kind: 'clearPictures' } });
  begin(request: EngineRequest): void {
    this.begun.push(request);
  }
  step(): StepResult {
    return this.steps();
  }
  cancel(): void {
    this.cancelled += 1;
  }
  takeBuffer(): BulkData {
    return Float32Array.from([1, 2, 3]);
  }
}

const workers: WorkerLike[] = [];
const connect = (engine: Engine): Client =>
  new Client(() => {
    const worker = mockWorker(engine);
    workers.push(worker);
    return worker;
  });
afterEach(() => {
  for (const worker of workers.splice(0)) worker.terminate();
});

const progress: EngineEvent = { kind: 'progress', phase: 'comparing', done: 1, total: 2 };

test('events arrive before the answer', async () => {
  const engine = new Scripted();
  let step = 0;
  engine.steps = () => (step++ < 2 ? { state: 'running', events: [progress] } : { state: 'done', events: [progress], response: { kind: 'clearPictures' } });
  const events: EngineEvent[] = [];
  await expect(connect(engine).call('clearPictures', {}, { onEvents: (some) => events.push(...some) })).resolves.toMatchObject({ kind: 'clearPictures' });
  expect(events).toHaveLength(3);
});

test('bulk data travels beside the answer, and inputs are moved, not copied', async () => {
  const engine = new Scripted();
  engine.steps = () => ({ state: 'done', events: [], response: { kind: 'preview', width: 1, height: 3, rgba: { id: 7, length: 3 } } });
  const input = new Uint8Array([1, 2, 3]);
  const reply = await connect(engine).call('preview', { picture: 4 }, { inputs: [input] });
  expect([...reply.buffer<Float32Array<ArrayBuffer>>(reply.rgba)]).toEqual([1, 2, 3]);
  expect(input.byteLength).toBe(0);
  expect(engine.begun).toEqual([{ kind: 'preview', picture: 4 }]);
  expect(() => reply.buffer({ id: 8, length: 1 })).toThrow(/buffer 8/);
});

test('logits bring the tensor and the scores of each network there is', async () => {
  const client = connect(new MockEngine());
  await client.call('addPictures', { names: ['a.png', 'b.png'] }, { inputs: [new Uint8Array(1), new Uint8Array(1)] });
  const before = await client.call('logits', { picture: 1 });
  expect(before.quantized).toBeNull();
  expect(before.buffer(before.full)).toHaveLength(10);
  expect(before.buffer(before.input)).toHaveLength(before.inputShape.reduce((product, size) => product * size));
  await client.call('quantize', { recipe: { schema: 1, preset: 'int8', weightBits: 3, activationBits: 8 } });
  const { full, quantized, buffer } = await client.call('logits', { picture: 1 });
  if (!quantized) throw new Error('there is a quantized network');
  expect(buffer(full)).toEqual(before.buffer(before.full));
  expect(buffer(quantized)).toHaveLength(10);
  expect(buffer(quantized)).not.toEqual(buffer(full));
});

test('calls are answered in order, one at a time', async () => {
  const engine = new Scripted();
  const client = connect(engine);
  const order: string[] = [];
  await Promise.all([
    client.call('clearPictures', {}).then(() => order.push('first')),
    client.call('clearPictures', {}).then(() => order.push('second')),
  ]);
  expect(order).toEqual(['first', 'second']);
});

test('an engine error rejects with its words, and the engine goes on', async () => {
  const engine = new Scripted();
  engine.steps = () => {
    throw { code: 'unsupported', message: 'Conv3D is not supported.', node: 'block1', hint: null };
  };
  const client = connect(engine);
  const error = await client.call('clearPictures', {}).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(EngineRefusal);
  expect((error as EngineRefusal).detail).toMatchObject({ node: 'block1', message: 'Conv3D is not supported.' });
  engine.steps = new Scripted().steps;
  await expect(client.call('clearPictures', {})).resolves.toBeDefined();
});

test('a running job is cancelled between two steps', async () => {
  const engine = new Scripted();
  engine.steps = () => ({ state: 'running', events: [progress] });
  const stop = new AbortController();
  const call = connect(engine).call('compare', {}, { signal: stop.signal, onEvents: () => stop.abort() });
  await expect(call).rejects.toBeInstanceOf(Cancelled);
  expect(engine.cancelled).toBe(1);
});

test('a waiting call is withdrawn without troubling the engine', async () => {
  const engine = new Scripted();
  const client = connect(engine);
  const stop = new AbortController();
  const first = client.call('clearPictures', {});
  const second = client.call('compare', {}, { signal: stop.signal });
  stop.abort();
  await expect(second).rejects.toBeInstanceOf(Cancelled);
  await first;
  expect(engine.begun).toEqual([{ kind: 'clearPictures' }]);
});

test('a panic rejects every call, starts another worker and tells the page', async () => {
  const engine = new Scripted();
  const client = connect(engine);
  await client.call('clearPictures', {});
  engine.steps = () => {
    throw new WebAssembly.RuntimeError('unreachable');
  };
  const messages: string[] = [];
  client.onCrash = (message) => messages.push(message) > 0;
  const calls = await Promise.allSettled([client.call('compare', {}), client.call('compare', {})]);
  for (const call of calls) expect(call).toMatchObject({ status: 'rejected', reason: expect.any(EngineCrash) as unknown });
  expect(messages).toEqual(['unreachable']);
  engine.steps = new Scripted().steps;
  await expect(client.call('clearPictures', {})).resolves.toBeDefined();
  expect(workers).toHaveLength(2);
});
