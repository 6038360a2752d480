import { afterEach, expect, test } from 'vitest';
import { Cancelled, Client, EngineCrash, EngineRefusal, type WorkerLike } from '../src/engine/client';
import { MockEngine, mockWorker } from '../src/engine/mock';
import { serve } from '../src/engine/serve';
import { DEFAULT_RECIPE } from '../src/state/state';
import type { BulkData, Engine, EngineEvent, EngineRequest, StepResult } from '../src/engine/protocol';

/** An engine that does what a test tells it. */
class Scripted implements Engine {
  begun: EngineRequest[] = [];
  /** The files that were begun with, and the lengths of their chunks. */
  files: Uint8Array[] = [];
  chunks: number[] = [];
  cancelled = 0;
  readonly #uploads: { bytes: Uint8Array; filled: number }[] = [];
  reserveUpload(length: number): number {
    return this.#uploads.push({ bytes: new Uint8Array(length), filled: 0 }) - 1;
  }
  writeUpload(id: number, chunk: Uint8Array): void {
    const upload = this.#uploads[id]!;
    upload.bytes.set(chunk, upload.filled);
    upload.filled += chunk.length;
    this.chunks.push(chunk.length);
  }
  steps: () => StepResult = () => ({ state: 'done', events: [], response: { kind: 'clearPictures' } });
  begin(request: EngineRequest, files: number[]): void {
    this.begun.push(request);
    this.files = files.map((id) => this.#uploads[id]!.bytes);
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

/** A worker whose messages are not cloned, so that it gets files of a test's own making. */
function direct(engine: Engine): Client {
  type Listener = (event: MessageEvent) => void;
  const sides: Record<'page' | 'worker', Listener[]> = { page: [], worker: [] };
  const portTo = (other: 'page' | 'worker', own: 'page' | 'worker'): WorkerLike => ({
    postMessage: (data) => sides[other].forEach((listener) => queueMicrotask(() => listener({ data } as MessageEvent))),
    addEventListener: (type, listener) => type === 'message' && sides[own].push(listener),
    terminate: () => {},
  });
  const worker = portTo('worker', 'page');
  return new Client(() => {
    queueMicrotask(() => void serve(portTo('page', 'worker'), () => Promise.resolve({ engine, build: 'test' })));
    return worker;
  });
}

/** A file that is read in chunks of `step` bytes, and at `end` no further. */
class Chunked extends Blob {
  constructor(readonly content: Uint8Array<ArrayBuffer>, readonly step: number, readonly end = content.length) {
    super([content]);
  }
  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let at = 0;
    const pull = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): void => {
      if (at >= this.content.length) return controller.close();
      if (at >= this.end) return controller.error(new Error('not there'));
      controller.enqueue(this.content.slice(at, (at += this.step)));
    };
    return new ReadableStream({ pull }, { highWaterMark: 0 });
  }
}

const bytes = Uint8Array.from({ length: 1000 }, (_, at) => at % 251);

test('files are read where the engine is, chunk by chunk', async () => {
  const engine = new Scripted();
  await direct(engine).call('loadModel', { name: 'net.onnx' }, { files: [new Chunked(bytes, 300), new Blob([]), new Blob(['abc'])] });
  expect(engine.files).toEqual([bytes, new Uint8Array(), new TextEncoder().encode('abc')]);
  expect(engine.chunks).toEqual([300, 300, 300, 100, 3]);
  const cloned = new Scripted();
  await connect(cloned).call('setLabels', { name: 'a.txt' }, { files: [new Blob([bytes])] });
  expect(cloned.files).toEqual([bytes]);
});

test('a file that cannot be read to its end is refused, and the next call works', async () => {
  const engine = new Scripted();
  const client = direct(engine);
  const refusal = client.call('setLabels', { name: 'a.txt' }, { files: [new Chunked(bytes, 300, 600)] });
  await expect(refusal).rejects.toBeInstanceOf(EngineRefusal);
  await expect(refusal).rejects.toMatchObject({ detail: { code: 'page/unreadable', message: 'A file cannot be read any more: not there' } });
  expect([engine.begun, engine.cancelled]).toEqual([[], 1]);
  await expect(client.call('clearPictures', {})).resolves.toMatchObject({ kind: 'clearPictures' });
});

test('a call that is withdrawn while its files are read is not begun', async () => {
  const engine = new Scripted();
  const stop = new AbortController();
  const write = engine.writeUpload.bind(engine);
  engine.writeUpload = (id, chunk) => {
    write(id, chunk);
    if (engine.chunks.length === 2) stop.abort();
  };
  const call = direct(engine).call('loadModel', { name: 'net.onnx' }, { files: [new Chunked(bytes, 100)], signal: stop.signal });
  await expect(call).rejects.toBeInstanceOf(Cancelled);
  expect([engine.begun, engine.cancelled]).toEqual([[], 1]);
  expect(engine.chunks.length).toBeLessThan(5);
});

test('bulk data travels beside the answer', async () => {
  const engine = new Scripted();
  engine.steps = () => ({ state: 'done', events: [], response: { kind: 'preview', width: 1, height: 3, rgba: { id: 7, length: 3 } } });
  const reply = await connect(engine).call('preview', { picture: 4 });
  expect([...reply.buffer<Float32Array<ArrayBuffer>>(reply.rgba)]).toEqual([1, 2, 3]);
  expect(engine.begun).toEqual([{ kind: 'preview', picture: 4 }]);
  expect(() => reply.buffer({ id: 8, length: 1 })).toThrow(/buffer 8/);
});

test('logits bring the tensor and the scores of each network there is', async () => {
  const client = connect(new MockEngine());
  await client.call('addPictures', { names: ['a.png', 'b.png'] }, { files: [new Blob(['a']), new Blob(['b'])] });
  const before = await client.call('logits', { picture: 1 });
  expect(before.quantized).toBeNull();
  expect(before.buffer(before.full)).toHaveLength(10);
  expect(before.buffer(before.input)).toHaveLength(before.inputShape.reduce((product, size) => product * size));
  await client.call('quantize', { recipe: { ...DEFAULT_RECIPE, weightBits: 3 } });
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
