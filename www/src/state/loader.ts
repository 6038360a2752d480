/** Opening things: the sample, dropped files, another preprocessing. Remembers what the engine holds. */
import { EngineRefusal, type EngineClient } from '../engine/client';
import type { PictureView, Preprocess, Recipe, Refused } from '../engine/protocol';
import type { ObjectMask } from '../lib/object';
import { classify } from '../lib/classify';
import { plural } from '../lib/format';
import { unzip } from '../lib/gather';
import { memoryLimit, refusedNetwork, willFit, type Load, type Machine } from '../lib/memory';
import { memoryProblem, problemFrom, refusedFiles, waitingProblem } from './problems';
import { FileFault, parseRecipe } from './recipe';
import { SAMPLE_FOLDER, SAMPLE_LABELS, SAMPLE_PICTURES, SAMPLE_PREPROCESS, sampleById, type SampleId, type SamplePicture } from './samples';
import type { OpenedFile, Preview } from './state';
import type { Store } from './store';

/** The browser's side of things, so that the tests can stand in for it. */
export interface Environment {
  now(): number;
  fetchFile(path: string): Promise<Blob>;
  makeUrl(blob: Blob): string;
  revokeUrl(url: string): void;
  drawThumbnail(preview: Preview): Promise<string>;
  /** A grey picture of the page's own as a mask. */
  readMask(path: string): Promise<ObjectMask>;
  machine(): Machine;
}

/** How many pictures are read and handed over at once: bounds memory, and lets a cancel through. */
const BATCH = 16;

interface Sorted {
  /** All of them, archives unpacked: which files hold the weights of a network only the network says. */
  all: OpenedFile[];
  models: OpenedFile[];
  /** What looks like weights. */
  weights: OpenedFile[];
  /** What may be anything, so weights, too: it is among the refused as long as no network asks for it. */
  unknown: OpenedFile[];
  pictures: OpenedFile[];
  labels: OpenedFile[];
  preprocess: OpenedFile[];
  recipes: { file: OpenedFile; recipe: unknown }[];
  refused: Refused[];
}

/** What was dropped, what it comes to, and what a network may take. */
interface Asked {
  files: OpenedFile[];
  load: Load;
  limit: number;
}

/** A network, the files that may hold its weights, and what it may take. */
interface Wanted {
  file: OpenedFile;
  beside?: OpenedFile[];
  limit?: number;
}

export class Loader {
  readonly #store: Store;
  readonly #client: EngineClient;
  readonly #environment: Environment;
  #files: { model: OpenedFile; weights: OpenedFile[]; source: SampleId | 'dropped'; pictures: OpenedFile[]; labels: OpenedFile[]; preprocess: OpenedFile | null } | null = null;
  #thumbnails = new Map<string, string>();
  /** What was dropped, for whichever of a network and its weights came first and waits for the other. */
  #waiting: { files: OpenedFile[]; missing: string[] } = NOTHING;

  constructor(store: Store, client: EngineClient, environment: Environment) {
    this.#store = store;
    this.#client = client;
    this.#environment = environment;
  }

  /** Whether there is something to open again after a crash. */
  get remembered(): boolean {
    return this.#files !== null;
  }

  /** Loads a bundled network with the bundled pictures, their labels and their preprocessing. */
  async openSample(id: SampleId, signal: AbortSignal): Promise<void> {
    const fetchFile = (path: string): Promise<Blob> => this.#environment.fetchFile(path);
    const open = async (path: string): Promise<OpenedFile> => ({ name: path.slice(path.lastIndexOf('/') + 1), blob: await fetchFile(path) });
    const [model, classes, labels, preprocess] = await Promise.all([
      open(sampleById(id).file), open(SAMPLE_LABELS), open(SAMPLE_PICTURES), open(SAMPLE_PREPROCESS),
    ]);
    const listed = JSON.parse(await labels.blob.text()) as SamplePicture[];
    const pictures = await Promise.all(listed.map(async ({ file }) => ({ name: file, blob: await fetchFile(SAMPLE_FOLDER + file) })));
    await this.#loadModel({ file: model }, id, signal);
    await this.#readPreprocess(preprocess, signal);
    await this.#replacePictures(pictures, 'sample', signal);
    this.#store.dispatch({ type: 'masksKnown', masks: Object.fromEntries(listed.map(({ file, mask }) => [file, SAMPLE_FOLDER + mask])) });
    await this.#setLabels(classes, signal);
    await this.#setLabels(labels, signal);
  }

  /**
   * Takes any mix of files, in the order that lets each find what it needs. What will hardly fit into
   * memory is not given to the engine, unless the user wants it `anyway`.
   */
  async open(files: OpenedFile[], signal: AbortSignal, anyway = false): Promise<void> {
    const sorted = await this.#sortWithWaiting(files);
    const [model, ...others] = sorted.models;
    if (Object.entries(sorted).every(([list, entries]) => list === 'all' || entries.length === 0)) return this.#notice('There is nothing in it that Bitlens opens.');
    const load = this.#loadOf(model, sorted);
    const problem = memoryProblem(load, willFit(load, this.#environment.machine()), files);
    if (problem && !(anyway && problem.anyway)) return this.#store.dispatch({ type: 'problemRaised', problem });
    const limit = memoryLimit(load.pictures, this.#environment.machine(), anyway);
    sorted.refused.push(...others.map(({ name }) => refusal(name, 'Only one network is compared at a time; the first one was taken.')));
    if (model && !(await this.#takeModel(model, sorted, { files, load, limit }, signal))) return this.#report(sorted.refused);
    if (!model) this.#keepWeights(sorted);
    for (const file of sorted.preprocess) await this.#attempt(file, sorted.refused, () => this.#readPreprocess(file, signal));
    if (sorted.pictures.length > 0) sorted.refused.push(...(await this.#takePictures(sorted.pictures, signal)));
    for (const file of sorted.labels) await this.#attempt(file, sorted.refused, () => this.#setLabels(file, signal));
    for (const { file, recipe } of sorted.recipes) await this.#attempt(file, sorted.refused, async () => this.#takeRecipe(parseRecipe(recipe)));
    this.#report(sorted.refused);
  }

  async setPreprocess(preprocess: Preprocess, signal: AbortSignal): Promise<void> {
    const { preprocess: view } = await this.#client.call('setPreprocess', { preprocess }, { signal });
    this.#store.dispatch({ type: 'preprocessSet', preprocess: view });
  }

  /** Opens again what a crashed engine held. Forgets it first: a file that broke two engines is not tried thrice. */
  async restore(signal: AbortSignal): Promise<void> {
    const files = this.#files;
    if (!files) return;
    this.#files = null;
    await this.#loadModel({ file: files.model, beside: files.weights }, files.source, signal);
    if (files.preprocess) await this.#readPreprocess(files.preprocess, signal);
    await this.#addPictures(files.pictures, files.source === 'dropped' ? 'dropped' : 'sample', signal);
    for (const file of files.labels) await this.#setLabels(file, signal);
  }

  /** What would be held with these files added. Pictures of the sample would make place. */
  #loadOf(model: OpenedFile | undefined, added: Sorted): Load {
    const state = this.#store.state.peek();
    const kept = state.picturesSource === 'dropped' ? (this.#files?.pictures ?? []) : [];
    const sizeOf = (files: OpenedFile[]): number => files.reduce((sum, { blob }) => sum + blob.size, 0);
    const network = model ? sizeOf([model, ...added.weights, ...added.unknown]) : state.modelSource === 'dropped' ? state.model?.sizeBytes : 0;
    return { network: network ?? 0, pictures: sizeOf([...kept, ...added.pictures]) };
  }

  /** Sorts what is dropped, together with what was dropped before if that waits for any of it. */
  async #sortWithWaiting(files: OpenedFile[]): Promise<Sorted> {
    const { files: before, missing } = this.#waiting;
    const sorted = await this.#sort(files);
    const isNetworks = sorted.models.length > 0 && missing.length === 0;
    const isForNetwork = sorted.models.length === 0 && sorted.all.some((file) => isOneOf(file, missing));
    return isNetworks || isForNetwork ? this.#sort([...before, ...sorted.all]) : sorted;
  }

  async #sort(files: OpenedFile[]): Promise<Sorted> {
    const sorted: Sorted = { all: [], models: [], weights: [], unknown: [], pictures: [], labels: [], preprocess: [], recipes: [], refused: [] };
    const waiting = [...files];
    const late: OpenedFile[] = [];
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const { name, blob } = file;
      const role = await classify(name, () => blob.text());
      if (role.role !== 'archive') sorted.all.push(file);
      if (role.role === 'unknown') sorted.unknown.push(file);
      if (role.role === 'model') sorted.models.push(file);
      else if (role.role === 'weights') sorted.weights.push(file);
      else if (role.role === 'picture') sorted.pictures.push(file);
      else if (role.role === 'pictureLabels') late.push(file);
      else if (role.role === 'labels') sorted.labels.push(file);
      else if (role.role === 'preprocess') sorted.preprocess.push(file);
      else if (role.role === 'recipe') sorted.recipes.push({ file, recipe: role.recipe });
      else if (role.role === 'unknown') sorted.refused.push(refusal(name, role.why));
      else if (role.role === 'archive') {
        const archive = file;
        await this.#attempt(archive, sorted.refused, async () => {
          const inside = await unzip(archive).catch((error: Error) => Promise.reject(new FileFault(`The archive cannot be opened: ${error.message}`)));
          waiting.push(...inside);
        });
      }
    }
    // They go the way of pictures, behind those that they label.
    sorted.pictures.push(...late);
    return sorted;
  }

  /** A dropped network. Keeps the pictures that are there when they fit; says so. False when it was refused. */
  async #takeModel(file: OpenedFile, sorted: Sorted, { files, load, limit }: Asked, signal: AbortSignal): Promise<boolean> {
    try {
      const used = await this.#loadModel({ file, beside: sorted.all, limit }, 'dropped', signal);
      const isLeft = ({ name }: { name: string }): boolean => !used.includes(name);
      this.#waiting = NOTHING;
      sorted.pictures = sorted.pictures.filter(isLeft);
      sorted.labels = sorted.labels.filter(isLeft);
      sorted.refused = [...sorted.refused.filter(isLeft), ...sorted.weights.filter(isLeft).map(({ name }) => refusal(name, 'It holds weights that this network does not ask for.'))];
    } catch (error) {
      if (!(error instanceof EngineRefusal)) throw error;
      if (error.detail.missing) return this.#waitFor(error, file, sorted);
      if (error.detail.neededBytes !== undefined) return this.#tooLarge(error.detail.neededBytes, load, files);
      this.#waiting = NOTHING;
      const others = sorted.pictures.length + sorted.labels.length + sorted.preprocess.length + sorted.recipes.length;
      const what = others === 0 ? 'The network was not loaded' : `The network was not loaded, nor ${plural(others, 'file')} dropped with it`;
      this.#store.dispatch({ type: 'problemRaised', problem: problemFrom(what, error, file.name) });
      return false;
    }
    const { model, picturesSource } = this.#store.state.peek();
    if (sorted.pictures.length > 0 || picturesSource !== 'sample' || !this.#files) return true;
    if (model?.channels !== 3) {
      await this.#clearPictures(signal);
      this.#notice(`${file.name} takes pictures of another kind than the sample’s. Drop pictures for it.`);
    } else {
      // Their true classes are the sample network's; to any other network they are just pictures.
      await this.#replacePictures(this.#files.pictures, 'sample', signal);
      this.#notice('Your network is looking at the sample pictures. Drop some pictures it was made for.');
    }
    return true;
  }

  /** Weights without a network: they are there when it comes. */
  #keepWeights(sorted: Sorted): void {
    if (sorted.weights.length === 0) return;
    this.#waiting = { ...this.#waiting, files: [...this.#waiting.files, ...sorted.weights] };
    sorted.refused.push(...sorted.weights.map(({ name }) => refusal(name, 'It holds weights: drop the .onnx file that they belong to as well.')));
  }

  /** A network that the engine says takes more memory than it may. */
  #tooLarge(needed: number, load: Load, files: OpenedFile[]): false {
    const problem = memoryProblem(load, refusedNetwork(needed, load.pictures, this.#environment.machine()), files);
    if (problem) this.#store.dispatch({ type: 'problemRaised', problem });
    return false;
  }

  /** Keeps a network, and what was dropped with it, until the files of its weights are there, too. */
  #waitFor(error: EngineRefusal, file: OpenedFile, sorted: Sorted): false {
    const missing = error.detail.missing ?? [];
    this.#waiting = { files: sorted.all, missing };
    sorted.refused = [];
    this.#store.dispatch({ type: 'problemRaised', problem: waitingProblem(error, file.name, missing) });
    return false;
  }

  /** The first dropped pictures replace the sample's, unless none of them can be read; later ones join them. */
  async #takePictures(files: OpenedFile[], signal: AbortSignal): Promise<Refused[]> {
    if (this.#store.state.peek().picturesSource === 'sample') {
      const refused = await this.#refusedBeforeTheFirst(files, signal);
      if (refused.length === files.length) return refused;
      await this.#clearPictures(signal);
    }
    return this.#addPictures(files, 'dropped', signal);
  }

  /** The files before the first one that the engine takes. All of them: the pictures are as they were. */
  async #refusedBeforeTheFirst(files: OpenedFile[], signal: AbortSignal): Promise<Refused[]> {
    const refused: Refused[] = [];
    for (const file of files) {
      const reply = await this.#client.call('addPictures', { names: [file.name] }, { files: [file.blob], signal });
      if (reply.refused.length === 0) return refused;
      refused.push(...reply.refused);
    }
    // Being asked, the engine has forgotten what it computed with its pictures.
    const { pictures, picturesSource } = this.#store.state.peek();
    this.#store.dispatch({ type: 'picturesChanged', pictures, source: picturesSource });
    return refused;
  }

  /** Gives the network those files of `beside` that it asks for. The names of what held its weights. */
  async #loadModel({ file, beside = [], limit }: Wanted, source: SampleId | 'dropped', signal: AbortSignal): Promise<string[]> {
    const name = baseName(file.name); // it names what is taken home, too
    const ask = (weights: OpenedFile[]) =>
      this.#client.call('loadModel', { name, weights: weights.map((one) => one.name), ...(limit !== undefined && { memoryLimit: limit }) }, { files: blobsOf([file, ...weights]), signal });
    const reply = await ask([]).catch((error: unknown) => {
      const missing = (error instanceof EngineRefusal && error.detail.missing) || [];
      const wanted = beside.filter((one) => isOneOf(one, missing));
      return wanted.length > 0 ? ask(wanted) : Promise.reject(error);
    });
    const weights = beside.filter((one) => reply.weights.includes(one.name));
    this.#files = { model: file, weights, source, pictures: this.#files?.pictures ?? [], labels: [], preprocess: null };
    this.#store.dispatch({ type: 'modelLoaded', model: reply.model, preprocess: reply.preprocess, source });
    return reply.weights;
  }

  async #readPreprocess(file: OpenedFile, signal: AbortSignal): Promise<void> {
    const { preprocess } = await this.#client.call('readPreprocess', { name: file.name }, { files: [file.blob], signal });
    if (this.#files) this.#files.preprocess = file;
    this.#store.dispatch({ type: 'preprocessSet', preprocess });
  }

  async #setLabels(file: OpenedFile, signal: AbortSignal): Promise<void> {
    const { classes, pictures } = await this.#client.call('setLabels', { name: file.name }, { files: [file.blob], signal });
    this.#files?.labels.push(file);
    this.#store.dispatch({ type: 'labelsSet', classes, pictures });
  }

  async #clearPictures(signal: AbortSignal): Promise<void> {
    await this.#client.call('clearPictures', {}, { signal });
    for (const url of this.#thumbnails.values()) this.#environment.revokeUrl(url);
    this.#thumbnails.clear();
    if (this.#files) this.#files.pictures = [];
    this.#store.dispatch({ type: 'picturesChanged', pictures: [], source: null });
  }

  async #replacePictures(files: OpenedFile[], source: 'sample' | 'dropped', signal: AbortSignal): Promise<void> {
    await this.#clearPictures(signal);
    this.#report(await this.#addPictures(files, source, signal));
  }

  async #addPictures(files: OpenedFile[], source: 'sample' | 'dropped', signal: AbortSignal): Promise<Refused[]> {
    const refused: Refused[] = [];
    let pictures: PictureView[] = this.#store.state.peek().pictures;
    for (let start = 0; start < files.length; start += BATCH) {
      const batch = files.slice(start, start + BATCH);
      const reply = await this.#client.call('addPictures', { names: batch.map(({ name }) => name) }, { files: blobsOf(batch), signal });
      pictures = reply.pictures;
      refused.push(...reply.refused);
      const done = start + batch.length;
      this.#store.dispatch({ type: 'jobProgressed', phase: 'reading pictures', done, total: files.length, at: this.#environment.now() });
    }
    if (this.#files) this.#files.pictures = [...new Set([...this.#files.pictures, ...files])];
    this.#showThumbnails(files, pictures, source);
    return refused;
  }

  /** Pictures that are files of their own serve as their thumbnails; those out of a set are drawn later. */
  #showThumbnails(files: OpenedFile[], pictures: PictureView[], source: 'sample' | 'dropped'): void {
    this.#store.dispatch({ type: 'picturesChanged', pictures, source: pictures.length > 0 ? source : null });
    const blobs = new Map(files.map(({ name, blob }) => [name, blob]));
    for (const picture of pictures) {
      const blob = blobs.get(picture.name);
      if (!blob) continue;
      const url = this.#thumbnails.get(picture.name) ?? this.#environment.makeUrl(blob);
      this.#thumbnails.set(picture.name, url);
      this.#store.dispatch({ type: 'thumbnailReady', picture: picture.index, url });
    }
  }

  #takeRecipe(recipe: Recipe): void {
    this.#store.dispatch({ type: 'recipeEdited', recipe, field: 'file', at: this.#environment.now() });
  }

  /** Does one file's work; if the file is at fault it joins the refused ones and the rest goes on. */
  async #attempt(file: OpenedFile, refused: Refused[], work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof EngineRefusal) refused.push({ name: file.name, error: error.detail });
      else if (error instanceof FileFault) refused.push(refusal(file.name, error.message));
      else throw error;
    }
  }

  #report(refused: Refused[]): void {
    const problem = refusedFiles(refused);
    if (problem) this.#store.dispatch({ type: 'problemRaised', problem });
  }

  #notice(text: string): void {
    this.#store.dispatch({ type: 'noticed', text });
  }
}

const NOTHING = { files: [], missing: [] };

/** Whether a file may be one of these: folders differ between where a network was written and here. */
const isOneOf = ({ name }: OpenedFile, paths: string[]): boolean => paths.some((path) => baseName(path) === baseName(name));

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const refusal = (name: string, message: string): Refused => ({ name, error: { code: 'page', message, node: null, hint: null } });

const blobsOf = (files: OpenedFile[]): Blob[] => files.map(({ blob }) => blob);
