/**
 * Several engines at work on one session. The leader answers everything. Where work over many pictures
 * would take long, helpers take parts of it: workers with an engine of their own, which are told what the
 * leader was told. Parts come to the same whoever does them, so a helper that fails is dismissed and the
 * others do what is missing.
 */
import { PRODUCTS_PER_MS } from '../lib/speed';
import { Cancelled, Client, type CallOptions, type EngineClient, type Reply, type WorkerLike } from './client';
import type { ArgumentsOf, EngineEvent, Kind, ModelView, PictureView, AskedRecipe } from './protocol';

/** How many helpers there may be where each takes so many bytes. */
export type Room = (bytes: number) => number;

/** Pictures of a part: few enough to divide evenly, enough to make laying out weights for it worth while. */
const PART = 8;

/** Runs that comparing a picture takes, counted in runs of full precision. */
const COMPARING = 3;
/** Starting a helper takes about a second; it is to save more than that. */
const LONG_MS = 2500;

/** Requests that change what an engine holds, so that helpers must hear of them. */
const TELLING: ReadonlySet<Kind> = new Set<Kind>(['loadModel', 'addPictures', 'clearPictures', 'setLabels', 'readPreprocess', 'setPreprocess', 'learnStatistics']);

const ABOUT_PICTURES: ReadonlySet<Kind> = new Set<Kind>(['addPictures', 'clearPictures', 'setLabels']);

/** A request that the leader has answered. */
interface Told {
  kind: Kind;
  args: ArgumentsOf<Kind>;
  files: Blob[];
}

interface Helper {
  client: Client;
  /** Telling it, which goes on when what it was meant for is withdrawn. */
  telling: Promise<void>;
  /** How much it was told. */
  heard: number;
  /** What it has quantized by, with all that it was told before. */
  recipe: string | null;
}

/** Work that can be divided. */
interface Work<K extends 'calibrateShare' | 'compareShare'> {
  kind: K;
  pictures: number;
  /** What the helpers must have quantized by. */
  recipe: AskedRecipe | null;
}

export class Team implements EngineClient {
  onReady: EngineClient['onReady'] = () => {};
  onCrash: EngineClient['onCrash'] = () => true;

  readonly #start: (isHelper: boolean) => WorkerLike;
  readonly #room: Room;
  readonly #worthMs: number;
  readonly #leader: Client;
  #helpers: Helper[] = [];
  #told: Told[] = [];
  /** Requests that were withdrawn: whether the leader did as they say, nobody knows. */
  readonly #unsure = new Set<Kind>();
  #model: ModelView | null = null;
  #pictures: PictureView[] = [];
  /** Whether the leader knows the ranges for what it holds. */
  #calibrated = false;
  #recipe: AskedRecipe | null = null;
  /** Which engine did a part of the comparison last: it knows full precision there. */
  #owners = new Map<number, Client>();

  /** `worthMs`: how long work must take one engine for it to be divided. */
  constructor(start: (isHelper: boolean) => WorkerLike, room: Room = () => 0, worthMs = LONG_MS) {
    this.#start = start;
    this.#room = room;
    this.#worthMs = worthMs;
    this.#leader = new Client(() => start(false));
    this.#leader.onReady = (build) => this.onReady(build);
    this.#leader.onCrash = (message) => {
      this.#forget();
      return this.onCrash(message);
    };
  }

  async call<K extends Kind>(kind: K, args: ArgumentsOf<K>, options: CallOptions = {}): Promise<Reply<K>> {
    if (kind === 'loadModel') this.#dismiss(); // they make place for the new network
    if (kind === 'quantize' && !this.#calibrated) await this.#calibrate(options);
    if (kind === 'compare') await this.#compare(options);
    const reply = await this.#leader.call(kind, args, options).catch((error: unknown) => {
      // It may have come to its end before it was withdrawn: then helpers would not hear of it.
      if (TELLING.has(kind) && error instanceof Cancelled) this.#unsure.add(kind);
      throw error;
    });
    this.#note(reply);
    if (TELLING.has(kind)) this.#tell({ kind, args, files: options.files ?? [] });
    if (kind === 'quantize') {
      this.#calibrated = true;
      this.#recipe = (args as unknown as ArgumentsOf<'quantize'>).recipe;
    }
    return reply;
  }

  #note(reply: { kind: Kind } & Partial<{ model: ModelView; pictures: unknown }>): void {
    if (reply.kind === 'loadModel') this.#model = reply.model ?? null;
    if (reply.kind === 'addPictures' || reply.kind === 'setLabels') this.#pictures = reply.pictures as PictureView[];
    if (reply.kind === 'clearPictures') this.#pictures = [];
  }

  #tell(told: Told): void {
    if (told.kind === 'loadModel') {
      // Pictures and their labels stay with another network; everything else is as if nothing had been told.
      this.#told = this.#told.filter(({ kind }) => ABOUT_PICTURES.has(kind));
      for (const kind of ['loadModel', 'readPreprocess', 'setPreprocess'] as const) this.#unsure.delete(kind);
    }
    if (told.kind === 'clearPictures') this.#unsure.delete('addPictures');
    this.#told.push(told);
    this.#calibrated = told.kind === 'learnStatistics';
    if (!this.#calibrated) this.#owners.clear();
  }

  /** Ends the helpers, and what they know with them. */
  #dismiss(): void {
    for (const { client } of this.#helpers) client.close();
    this.#helpers = [];
    this.#owners.clear();
  }

  /** A fresh engine holds nothing; what is opened again it is told again. */
  #forget(): void {
    this.#dismiss();
    this.#told = [];
    this.#unsure.clear();
    this.#model = null;
    this.#pictures = [];
    this.#calibrated = false;
    this.#recipe = null;
  }

  async #calibrate(options: CallOptions): Promise<void> {
    const pictures = this.#count('calib');
    if (!this.#isLong(pictures, 1)) return;
    const answers = await this.#divide({ kind: 'calibrateShare', pictures, recipe: null }, options);
    if (!answers) return;
    const args = { parts: answers.map(({ statistics }) => statistics) };
    await this.#leader.call('learnStatistics', args, unheard(options));
    this.#tell({ kind: 'learnStatistics', args, files: [] });
  }

  async #compare(options: CallOptions): Promise<void> {
    const pictures = this.#count('eval');
    if (!this.#recipe || !this.#isLong(pictures, COMPARING)) return;
    const answers = await this.#divide({ kind: 'compareShare', pictures, recipe: this.#recipe }, options);
    if (answers) await this.#leader.call('learnComparisons', { rows: answers.flatMap(({ rows }) => rows) }, unheard(options));
  }

  /** The pictures that are used for this. As in the engine: all, where none is set aside for it. */
  #count(role: 'calib' | 'eval'): number {
    const chosen = this.#pictures.filter((picture) => picture.role === role || picture.role === 'both').length;
    return chosen || this.#pictures.length;
  }

  #isLong(pictures: number, runs: number): boolean {
    const products = this.#model?.quantized ? 0 : (this.#model?.multiplyAccumulates ?? 0);
    return this.#unsure.size === 0 && pictures > PART && (pictures * runs * products) / PRODUCTS_PER_MS > this.#worthMs;
  }

  /** Lets all engines do parts of the work until none is left; nothing where there are no helpers, or the leader fails. */
  async #divide<K extends 'calibrateShare' | 'compareShare'>(work: Work<K>, options: CallOptions): Promise<Reply<K>[] | null> {
    this.#hire();
    if (this.#helpers.length === 0) return null;
    const of = Math.max(this.#helpers.length + 1, Math.ceil(work.pictures / PART));
    const queue = new Parts(of, work.kind === 'compareShare' ? this.#owners : new Map());
    const progress = new SharedProgress(work.pictures, options.onEvents);
    const answers: Reply<K>[] = [];
    const withdrawn = new Promise<never>((_, reject) => options.signal?.addEventListener('abort', () => reject(new Cancelled()), { once: true }));
    const engage = async (client: Client, prepare: Promise<void>): Promise<void> => {
      await Promise.race([prepare, withdrawn]);
      for (let part = queue.take(client); part !== null; part = queue.take(client)) {
        const args = { share: { part, of } } as unknown as ArgumentsOf<K>;
        const answer = client.call(work.kind, args, { ...unheard(options), onEvents: progress.of(part) });
        answers.push(await answer.catch((error: unknown) => (queue.giveBack(part), Promise.reject(error))));
      }
    };
    const helpers = this.#helpers.map((helper) => engage(helper.client, this.#prepare(helper, work.recipe)));
    const [leader, ...others] = await Promise.allSettled([engage(this.#leader, Promise.resolve()), ...helpers]);
    if (options.signal?.aborted) throw new Cancelled();
    const isBroken = others.some(({ status }) => status === 'rejected');
    if (isBroken || leader.status === 'rejected') this.#dismiss();
    if (leader.status === 'rejected') return null; // it will say why when it does all of it
    if (isBroken) await engage(this.#leader, Promise.resolve());
    return answers;
  }

  /** Starts as many helpers as there is room for. */
  #hire(): void {
    const files = this.#told.flatMap((told) => (told.kind === 'addPictures' ? told.files : []));
    const bytes = (this.#model?.memoryBytes ?? 0) + files.reduce((sum, file) => sum + file.size, 0);
    for (let missing = this.#room(bytes) - this.#helpers.length; missing > 0; missing--) {
      const client = new Client(() => this.#start(true));
      client.onCrash = () => false;
      this.#helpers.push({ client, telling: Promise.resolve(), heard: 0, recipe: null });
    }
  }

  /** Tells a helper what it has not heard yet, in the order in which the leader heard it. */
  #prepare(helper: Helper, recipe: AskedRecipe | null): Promise<void> {
    helper.telling = helper.telling.then(() => this.#tellAll(helper, recipe));
    helper.telling.catch(() => {}); // heard by those who still wait for it
    return helper.telling;
  }

  async #tellAll(helper: Helper, recipe: AskedRecipe | null): Promise<void> {
    for (; helper.heard < this.#told.length; helper.heard++) {
      const { kind, args, files } = this.#told[helper.heard] as Told;
      await helper.client.call(kind, args, { files });
      helper.recipe = null;
    }
    const asked = recipe && JSON.stringify(recipe);
    if (!recipe || helper.recipe === asked) return;
    await helper.client.call('quantize', { recipe });
    helper.recipe = asked;
  }
}

/** To be withdrawn with what it is done for, without telling what happens. */
const unheard = ({ signal }: CallOptions): CallOptions => (signal ? { signal } : {});

/** The parts of some work that nobody has taken. */
class Parts {
  readonly #left: Set<number>;

  constructor(
    of: number,
    readonly owners: Map<number, Client>,
  ) {
    this.#left = new Set(Array.from({ length: of }, (_, part) => part));
  }

  /** A part that the engine did before, or that nobody did, or any. */
  take(client: Client): number | null {
    const left = [...this.#left];
    const part = left.find((one) => this.owners.get(one) === client) ?? left.find((one) => !this.owners.has(one)) ?? left[0];
    if (part === undefined) return null;
    this.#left.delete(part);
    this.owners.set(part, client);
    return part;
  }

  /** Leaves a part to whoever takes it. */
  giveBack(part: number): void {
    this.#left.add(part);
    this.owners.delete(part);
  }
}

/** The progress of all parts as that of one job. */
class SharedProgress {
  readonly #done = new Map<number, number>();

  constructor(
    readonly total: number,
    readonly onEvents: CallOptions['onEvents'],
  ) {}

  /** Hears what happens in a part. */
  of(part: number): (events: EngineEvent[]) => void {
    return (events) => {
      const heard = events.map((event): EngineEvent => {
        if (event.kind !== 'progress') return event;
        this.#done.set(part, event.done);
        const done = [...this.#done.values()].reduce((sum, some) => sum + some, 0);
        return { ...event, done, total: this.total };
      });
      this.onEvents?.(heard);
    };
  }
}
