/**
 * The page's side of the worker: typed calls, one in flight, the rest queued in order.
 * An aborted call is cancelled in the worker; a crash rejects everything and a fresh worker starts.
 */
import type { FromWorker, Port, ToWorker } from './messages';
import type { ArgumentsOf, BufferRef, BulkData, EngineError, EngineEvent, EngineRequest, Kind, ResponseOf } from './protocol';

/** The engine refused a request; `detail` says what, where and what to do. */
export class EngineRefusal extends Error {
  constructor(readonly detail: EngineError) {
    super(detail.message);
  }
}

/** The engine broke while working; everything it held is lost. */
export class EngineCrash extends Error {}

/** The caller withdrew the call. */
export class Cancelled extends Error {}

export interface CallOptions {
  /** What the request speaks of. The worker reads them: nobody here holds their bytes. */
  files?: Blob[];
  signal?: AbortSignal;
  /** Hears what happened, several steps at once where they are short. */
  onEvents?: (events: EngineEvent[]) => void;
}

/** An answer, with the data that travelled beside it. */
export type Reply<K extends Kind> = ResponseOf<K> & { buffer<T extends BulkData>(ref: BufferRef): T };

export interface WorkerLike extends Port {
  terminate(): void;
}

/** What the page asks of an engine. */
export interface EngineClient {
  /** Called when an engine is there: with the name of the build, first or again. */
  onReady: (build: string) => void;
  /** Called when the engine broke, before the calls reject; false leaves the page without one. */
  onCrash: (message: string) => boolean;
  /** Asks it. */
  call<K extends Kind>(kind: K, args: ArgumentsOf<K>, options?: CallOptions): Promise<Reply<K>>;
}

interface Call {
  id: number;
  message: Extract<ToWorker, { kind: 'call' }>;
  options: CallOptions;
  resolve: (reply: never) => void;
  reject: (reason: Error) => void;
}

/** One engine, in a worker that is started anew when it breaks. */
export class Client implements EngineClient {
  onReady: (build: string) => void = () => {};
  onCrash: (message: string) => boolean = () => true;

  readonly #start: () => WorkerLike;
  #worker: WorkerLike | null;
  #ready = false;
  #lastId = 0;
  #queue: Call[] = [];
  #running: Call | null = null;

  constructor(start: () => WorkerLike) {
    this.#start = start;
    this.#worker = this.#launch();
  }

  /** Asks the engine. */
  call<K extends Kind>(kind: K, args: ArgumentsOf<K>, options: CallOptions = {}): Promise<Reply<K>> {
    const id = ++this.#lastId;
    const request = { kind, ...args } as unknown as EngineRequest;
    return new Promise((resolve, reject) => {
      if (options.signal?.aborted) return reject(new Cancelled());
      if (!this.#worker) return reject(new EngineCrash('The engine is not running.'));
      const call = { id, message: { kind: 'call', id, request, files: options.files ?? [] }, options, resolve, reject } satisfies Call;
      options.signal?.addEventListener('abort', () => this.#withdraw(call), { once: true });
      this.#queue.push(call);
      this.#next();
    });
  }

  /** Ends the worker; what was asked is answered as by one that broke. */
  close(): void {
    this.onCrash = () => false;
    this.#crash('The worker was ended.');
  }

  #launch(): WorkerLike {
    const worker = this.#start();
    worker.addEventListener('message', (event: MessageEvent<FromWorker>) => {
      if (worker === this.#worker) this.#receive(event.data);
    });
    // A worker script that cannot even load reports here and nowhere else.
    (worker as unknown as EventTarget).addEventListener('error', (event) => {
      if (worker === this.#worker) this.#crash((event as ErrorEvent).message || 'the worker could not be loaded');
    });
    return worker;
  }

  #next(): void {
    if (!this.#ready || this.#running) return;
    const call = this.#queue.shift();
    if (!call) return;
    this.#running = call;
    this.#worker?.postMessage(call.message, []);
  }

  #withdraw(call: Call): void {
    if (this.#running === call) {
      this.#worker?.postMessage({ kind: 'cancel', id: call.id } satisfies ToWorker, []);
    } else if (this.#queue.includes(call)) {
      this.#queue = this.#queue.filter((other) => other !== call);
      call.reject(new Cancelled());
    }
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'ready') {
      this.#ready = true;
      this.onReady(message.build);
      return this.#next();
    }
    if (message.kind === 'crashed') return this.#crash(message.message);
    const call = this.#running;
    if (!call || call.id !== message.id) return;
    if (message.kind === 'events') {
      if (!call.options.signal?.aborted) call.options.onEvents?.(message.events);
      return;
    }
    this.#running = null;
    this.#settle(call, message);
    this.#next();
  }

  #settle(call: Call, message: Extract<FromWorker, { kind: 'done' | 'failed' | 'cancelled' }>): void {
    if (message.kind === 'failed') return call.reject(new EngineRefusal(message.error));
    // A job that ended before the cancel reached it is withdrawn all the same.
    if (message.kind === 'cancelled' || call.options.signal?.aborted) return call.reject(new Cancelled());
    const buffers = new Map(message.buffers);
    const buffer = (ref: BufferRef): BulkData => {
      const data = buffers.get(ref.id);
      if (!data) throw new EngineCrash(`The engine sent no data for buffer ${ref.id}.`);
      return data;
    };
    call.resolve({ ...message.response, buffer } as never);
  }

  #crash(message: string): void {
    const lost = this.#running ? [this.#running, ...this.#queue] : this.#queue;
    this.#worker?.terminate();
    this.#worker = null;
    this.#running = null;
    this.#queue = [];
    const wasReady = this.#ready;
    this.#ready = false;
    // An engine that never came up would crash for ever: restart only one that had worked.
    if (this.onCrash(message) && wasReady) this.#worker = this.#launch();
    for (const call of lost) call.reject(new EngineCrash(message));
  }
}
