/**
 * The worker's loop: hand over the files, begin a job, step it for a few frames' time, post what happened, let the
 * browser deliver messages (a cancel among them), and go on. One job at a time; the client queues.
 */
import type { FromWorker, Port, ToWorker } from './messages';
import { bufferRefs, type BulkData, type Engine, type EngineError } from './protocol';

/** How long the engine works before the worker looks for messages: two frames at 60 Hz. */
const STEP_MS = 30;

/** Answers calls on `port` with the engine that `load` brings. Never rejects: a failure is a message. */
export async function serve(port: Port, load: () => Promise<{ engine: Engine; build: string }>): Promise<void> {
  const waiting: Extract<ToWorker, { kind: 'call' }>[] = [];
  const cancelled = new Set<number>();
  let wake = (): void => {};
  port.addEventListener('message', (event: MessageEvent<ToWorker>) => {
    if (event.data.kind === 'cancel') cancelled.add(event.data.id);
    else waiting.push(event.data);
    wake();
  });
  const post = (message: FromWorker, transfer: Transferable[] = []): void => port.postMessage(message, transfer);

  try {
    const { engine, build } = await load();
    post({ kind: 'ready', build });
    for (;;) {
      const call = waiting.shift();
      if (!call) await new Promise<void>((resolve) => (wake = resolve));
      else await answer(engine, call, () => cancelled.delete(call.id), post);
    }
  } catch (error) {
    // A panic poisons the module's memory: nothing after it can be trusted, so the loop ends here.
    post({ kind: 'crashed', message: error instanceof Error ? error.message : String(error) });
  }
}

/** Runs one job to its end. Throws only what is no `EngineError`: the engine has crashed. */
async function answer(
  engine: Engine,
  { id, request, files }: Extract<ToWorker, { kind: 'call' }>,
  wantsCancel: () => boolean,
  post: (message: FromWorker, transfer?: Transferable[]) => void,
): Promise<void> {
  try {
    if (wantsCancel()) return post({ kind: 'cancelled', id });
    const uploads = await upload(engine, files, wantsCancel);
    if (!uploads) {
      engine.cancel();
      return post({ kind: 'cancelled', id });
    }
    engine.begin(request, uploads);
    for (;;) {
      const step = engine.step(STEP_MS);
      if (step.events.length > 0) post({ kind: 'events', id, events: step.events });
      if (step.state === 'done') {
        const buffers = bufferRefs(step.response).map(({ id: ref }): [number, BulkData] => [ref, engine.takeBuffer(ref) as BulkData]);
        return post({ kind: 'done', id, response: step.response, buffers }, buffers.map(([, data]) => data.buffer));
      }
      await macrotask();
      if (wantsCancel()) {
        engine.cancel();
        return post({ kind: 'cancelled', id });
      }
    }
  } catch (error) {
    const refusal = asEngineError(error);
    if (!refusal) throw error;
    engine.cancel(); // files that were handed over for it, too
    post({ kind: 'failed', id, error: refusal });
  }
}

/**
 * Hands files over as they are read, a chunk at a time, so that their bytes are in the engine's memory
 * and nowhere else. Their numbers there, or nothing when the call was withdrawn meanwhile.
 */
async function upload(engine: Engine, files: Blob[], wantsCancel: () => boolean): Promise<number[] | null> {
  // All at once, so that what does not fit is refused before anything is read.
  const uploads = files.map((file): [number, Blob] => [engine.reserveUpload(file.size), file]);
  for (const [id, file] of uploads) {
    const reader = file.stream().getReader();
    for (let chunk = await read(reader, file); chunk; chunk = await read(reader, file)) {
      engine.writeUpload(id, chunk);
      if (wantsCancel()) {
        void reader.cancel();
        return null;
      }
    }
  }
  return uploads.map(([id]) => id);
}

/** The next bytes of a file. A file may vanish or change between being dropped and being read. */
async function read(reader: ReadableStreamDefaultReader<Uint8Array>, file: Blob): Promise<Uint8Array | undefined> {
  try {
    return (await reader.read()).value;
  } catch (error) {
    const name = file instanceof File ? `\`${file.name}\`` : 'A file';
    const message = `${name} cannot be read any more: ${error instanceof Error ? error.message : String(error)}`;
    throw { code: 'page/unreadable', message, hint: 'It was moved or changed since it was dropped: drop it once more.' };
  }
}

/** An `EngineError` is told from a panic by its textual code; copied, because it must be cloneable. */
function asEngineError(error: unknown): EngineError | null {
  const { code, message, node = null, hint = null, ...more } = Object(error) as Partial<EngineError>;
  return typeof code === 'string' && typeof message === 'string' ? { code, message, node, hint, ...more } : null;
}

/** Lets messages in. A timer would be clamped to 4 ms, a microtask lets nothing in. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}

const channel = new MessageChannel();
/** Whoever waits: one in a worker; several where engines of a test share a thread. */
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();
