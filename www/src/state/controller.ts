/**
 * All that happens over time, in one place: user's requests become calls to the engine, and between
 * them the open tasks (see tasks.ts) run one after another, cancelled as soon as they are outdated.
 */
import { Cancelled, EngineCrash, type CallOptions, type EngineClient, type Reply } from '../engine/client';
import type { ArgumentsOf, BufferRef, EngineEvent, Look } from '../engine/protocol';
import type { ObjectMask } from '../lib/object';
import { diagnosedPictures } from './diagnosis';
import { evaluated } from './update';
import { Loader, type Environment } from './loader';
import { problemFrom } from './problems';
import type { AppEvent, AppState, LensData, Preview } from './state';
import type { Store } from './store';
import { compareKey, latencyKey, lensKey, openTasks, previewKey, quantizeKey, shouldStop, type Task } from './tasks';

/** Runs of both networks for the latency; the median of so few is still steady to a few per cent. */
const LATENCY_RUNS = 15;

const PHASES: Record<Task['name'], string> = {
  preview: 'preparing the picture',
  quantize: 'quantizing',
  lens: 'looking at this picture',
  compare: 'comparing',
  latency: 'measuring speed',
  profile: 'measuring every node',
  diagnose: 'looking for what went wrong',
  thumbnail: 'drawing thumbnails',
};

/** Why a task's failure matters, as the head of its card. */
const FAILURES: Record<Task['name'], string> = {
  preview: 'The picture could not be prepared',
  quantize: 'The network could not be quantized',
  lens: 'This picture could not be looked at',
  compare: 'The pictures could not be compared',
  latency: 'The speed could not be measured',
  profile: 'The nodes could not be measured',
  diagnose: 'What went wrong could not be found out',
  thumbnail: 'A thumbnail could not be drawn',
};

const ABOUT_A_PICTURE: ReadonlySet<Task['name']> = new Set(['preview', 'lens', 'thumbnail']);

export class Controller {
  readonly #store: Store;
  readonly #client: EngineClient;
  readonly #environment: Environment;
  readonly #loader: Loader;
  /** The background task and the way to stop it. */
  #running: { task: Task; stop: AbortController } | null = null;
  /** Requests of the user, one after another; background tasks wait for them. */
  #requests: Promise<void> = Promise.resolve();
  #pending = 0;
  #request: AbortController | null = null;
  #crashes = 0;

  constructor(store: Store, client: EngineClient, environment: Environment) {
    this.#store = store;
    this.#client = client;
    this.#environment = environment;
    this.#loader = new Loader(store, client, environment);
    client.onReady = (build) => void this.#onReady(build);
    client.onCrash = (message) => this.#onCrash(message);
    store.listen((event) => this.#onEvent(event));
  }

  get #state(): AppState {
    return this.#store.state.peek();
  }

  /** Requests of the user become exclusive work; every event may change what is to be done next. */
  #onEvent(event: AppEvent): void {
    switch (event.type) {
      case 'filesOpened':
        return this.#exclusive('opening files', (signal) => this.#loader.open(event.files, signal, event.anyway));
      case 'sampleChosen':
        return this.#exclusive('loading the sample', (signal) => this.#loader.openSample(event.sample, signal));
      case 'preprocessEdited':
        return this.#exclusive('preparing pictures', (signal) => this.#loader.setPreprocess(event.preprocess, signal));
      case 'exportAsked':
        return this.#exclusive('writing the file', (signal) => this.#export(signal), this.#state.model?.fileName);
      case 'cancelAsked':
        return this.#cancel();
      default:
        this.#pump();
    }
  }

  #cancel(): void {
    this.#request?.abort();
    if (!this.#running) return;
    this.#running.stop.abort();
    // Stopping one task only to begin the next would be no stop at all.
    for (const { key } of openTasks(this.#state)) this.#store.dispatch({ type: 'gaveUp', key, reason: 'cancelled' });
  }

  /** Queues a request: stops the background task, shows progress, turns a failure into a card. */
  #exclusive(phase: string, work: (signal: AbortSignal) => Promise<void>, where: string | null = null): void {
    this.#pending += 1;
    this.#running?.stop.abort();
    this.#requests = this.#requests.then(async () => {
      this.#request = new AbortController();
      this.#store.dispatch({ type: 'jobStarted', key: phase, phase, at: this.#environment.now() });
      try {
        await work(this.#request.signal);
      } catch (error) {
        this.#fail(`Stopped while ${phase}`, error, where);
      } finally {
        this.#request = null;
        this.#pending -= 1;
        this.#store.dispatch({ type: 'jobEnded' });
      }
    });
  }

  /** Starts the most wanted task, or stops the running one when it is no longer that. */
  #pump(): void {
    if (this.#running) {
      if (shouldStop(this.#running.task, this.#state)) this.#running.stop.abort();
      return;
    }
    if (this.#pending > 0) return;
    const task = openTasks(this.#state)[0];
    if (task) void this.#run(task);
  }

  async #run(task: Task): Promise<void> {
    const stop = new AbortController();
    this.#running = { task, stop };
    // A thumbnail is drawn in passing: nobody waits for it, and to stop it would be no use.
    if (task.name !== 'thumbnail') this.#store.dispatch({ type: 'jobStarted', key: task.key, phase: PHASES[task.name], at: this.#environment.now() });
    try {
      await this.#perform(task, stop.signal);
    } catch (error) {
      if (!(error instanceof Cancelled) && !(error instanceof EngineCrash)) {
        const where = this.#where(task);
        this.#store.dispatch({ type: 'gaveUp', key: task.key, reason: 'failed' });
        this.#fail(FAILURES[task.name], error, where);
      }
    }
    this.#running = null;
    if (this.#pending === 0) this.#store.dispatch({ type: 'jobEnded' });
  }

  async #perform({ name, key, picture }: Task, signal: AbortSignal): Promise<void> {
    const { dispatch } = this.#store;
    const onEvents = (events: EngineEvent[]): void => this.#onEngineEvents(key, events);
    switch (name) {
      case 'preview': {
        const preview = await this.#preview(picture, signal);
        return dispatch({ type: 'previewReady', key, preview: { ...preview, object: await this.#object(picture, preview) } });
      }
      case 'quantize': {
        // The picture goes along: what the slider is moved for is there a turn of both threads earlier.
        const [recipe, asked] = [this.#state.recipe.present, lensKey(this.#state)];
        const { quantized, look, buffer } = await this.#quantize({ recipe, picture }, { signal, onEvents });
        return dispatch({ type: 'quantized', key, quantized, lens: look && { key: asked, value: lensData(look, buffer) } });
      }
      case 'lens': {
        const reply = await this.#client.call('lens', { picture, target: null }, { signal });
        return dispatch({ type: 'lensReady', key, data: lensData(reply, reply.buffer) });
      }
      case 'compare': {
        const { summary, pictures } = await this.#client.call('compare', {}, { signal, onEvents });
        return dispatch({ type: 'compared', key, summary, pictures });
      }
      case 'latency': {
        const { latency } = await this.#client.call('measureLatency', { runs: LATENCY_RUNS }, { signal, onEvents });
        return dispatch({ type: 'latencyMeasured', key, latency });
      }
      case 'profile': {
        const { profile } = await this.#client.call('profile', {}, { signal, onEvents });
        return dispatch({ type: 'profiled', key, profile });
      }
      case 'diagnose': {
        const args = { recipe: this.#state.recipe.present, pictures: diagnosedPictures(this.#state.model) };
        const { diagnosis } = await this.#client.call('diagnose', args, { signal, onEvents });
        return dispatch({ type: 'diagnosed', key, diagnosis });
      }
      case 'thumbnail': {
        const url = await this.#environment.drawThumbnail(await this.#preview(picture, signal));
        return dispatch({ type: 'thumbnailReady', picture, url });
      }
    }
  }

  /** Withdrawn, it may have come to its end all the same: then the engine holds another network than is shown. */
  async #quantize(args: ArgumentsOf<'quantize'>, options: CallOptions): Promise<Reply<'quantize'>> {
    try {
      return await this.#client.call('quantize', args, options);
    } catch (error) {
      if (error instanceof Cancelled) this.#store.dispatch({ type: 'quantizingWithdrawn' });
      throw error;
    }
  }

  async #preview(picture: number, signal: AbortSignal): Promise<Preview> {
    const reply = await this.#client.call('preview', { picture }, { signal });
    const rgba = new Uint8ClampedArray(reply.buffer<Uint8Array<ArrayBuffer>>(reply.rgba));
    return { width: reply.width, height: reply.height, rgba };
  }

  /** The sample's mask, where the network sees the whole picture: a cropped one would not fit. */
  async #object(index: number, { width, height }: Preview): Promise<ObjectMask | null> {
    const picture = this.#state.pictures.find((one) => one.index === index);
    const path = picture && this.#state.masks[picture.name];
    if (!path || picture.width * height !== picture.height * width) return null;
    return this.#environment.readMask(path);
  }

  /** One change of the state for all of them: a small network is compared faster than the page is drawn. */
  #onEngineEvents(key: string, events: EngineEvent[]): void {
    const comparisons = events.flatMap((event) => (event.kind === 'pictureCompared' ? [event.comparison] : []));
    if (comparisons.length > 0) this.#store.dispatch({ type: 'picturesCompared', key, comparisons });
    const progress = events.findLast((event) => event.kind === 'progress');
    if (progress) this.#store.dispatch({ ...progress, type: 'jobProgressed', at: this.#environment.now() });
  }

  async #export(signal: AbortSignal): Promise<void> {
    const key = quantizeKey(this.#state);
    if (this.#state.exported?.key === key) return;
    // The engine exports what it quantized last; after a moved slider that is not yet what is shown.
    if (this.#state.quantized?.key !== key) {
      const { quantized } = await this.#quantize({ recipe: this.#state.recipe.present }, { signal });
      this.#store.dispatch({ type: 'quantized', key, quantized });
    }
    const reply = await this.#client.call('exportModel', {}, { signal, onEvents: (events) => this.#onEngineEvents(key, events) });
    const blob = new Blob([reply.buffer<Uint8Array<ArrayBuffer>>(reply.onnx)], { type: 'application/octet-stream' });
    if (this.#state.exported) this.#environment.revokeUrl(this.#state.exported.value.url);
    const { fileName, sizeBytes, verified } = reply;
    this.#store.dispatch({ type: 'exported', key, file: { fileName, sizeBytes, verified, url: this.#environment.makeUrl(blob) } });
  }

  #fail(what: string, error: unknown, where: string | null = null): void {
    if (error instanceof Cancelled || error instanceof EngineCrash) return; // a crash has its own card
    this.#store.dispatch({ type: 'problemRaised', problem: problemFrom(what, error, where) });
  }

  /** Which network, and which picture where it is about one. */
  #where({ name, picture }: Task): string | null {
    const { model, pictures } = this.#state;
    const file = name === 'preview' || name === 'thumbnail' ? null : model?.fileName;
    const shown = ABOUT_A_PICTURE.has(name) ? pictures.find(({ index }) => index === picture)?.name : null;
    return [file, shown].filter(Boolean).join(', ') || null;
  }

  async #onReady(build: string): Promise<void> {
    this.#store.dispatch({ type: 'engineReady', build });
    const { info } = await this.#client.call('engineInfo', {});
    this.#store.dispatch({ type: 'engineDescribed', info });
  }

  /** Says what was lost and, once, opens it again: the page still has the files. */
  #onCrash(message: string): boolean {
    const { dispatch } = this.#store;
    this.#crashes += 1;
    const before = this.#state;
    const neverWorked = before.engine.status === 'starting' && this.#crashes === 1;
    if (neverWorked || this.#crashes > 2) {
      dispatch({ type: 'engineFailed' });
      const todo = neverWorked ? 'Try a current browser.' : 'Reload the page, and leave out the file that came last.';
      dispatch({ type: 'problemRaised', problem: { what: 'The engine does not run', where: null, why: message, todo } });
      return false;
    }
    const compared = Object.keys(before.comparisons?.value ?? {}).length;
    const lost = before.model ? `${before.model.fileName}, ${evaluated(before.pictures).length} pictures and ${compared} comparisons` : 'the files being opened';
    dispatch({ type: 'engineRestarted' });
    const restored = this.#loader.remembered;
    const todo = restored ? 'Your files are being opened again; the recipe is kept.' : 'Drop the files again, or another network.';
    const why = `It stopped (${message}) and lost ${lost}.`;
    dispatch({ type: 'problemRaised', problem: { what: 'The engine broke and was started again', where: null, why, todo } });
    if (restored) this.#exclusive('opening your files again', (signal) => this.#loader.restore(signal));
    return true;
  }
}

/** What was seen on a picture, with its maps in place of their names. */
function lensData({ lens, map }: Look, buffer: <T extends Float32Array<ArrayBuffer>>(ref: BufferRef) => T): LensData {
  return { lens, maps: map && { ...map, full: buffer(map.full), quantized: buffer(map.quantized) } };
}

/** Keys of what the page shows now; views use them to dim what is being replaced. */
export { compareKey, latencyKey, previewKey, quantizeKey };
