/** Everything the page knows, and everything that can happen to it. No functions, no DOM, no clock. */
import type {
  DiagnosisView,
  EngineInfo,
  ExportCheck,
  LatencyView,
  LensView,
  ModelView,
  PictureComparison,
  PictureView,
  Preprocess,
  PreprocessView,
  ProfileView,
  QuantizedView,
  Recipe,
  Summary,
  SupportView,
} from '../engine/protocol';
import type { ObjectMask } from '../lib/object';
import type { History } from './history';
import { presetRecipe } from './recipe';
import type { SampleId } from './samples';

export const DEFAULT_RECIPE: Recipe = presetRecipe(null);
export const MIN_BITS = 2;
export const MAX_BITS = 8;
/** Of a number that is not quantized. */
export const FLOAT_BITS = 32;

/** A card about something that did not work: what, where, why, what to do. */
export interface Problem {
  id: number;
  what: string;
  where: string | null;
  why: string;
  todo: string | null;
  /** The operators of a network that cannot be read as a whole. */
  support?: SupportView;
  /** Files that were not opened for want of memory, for the user to insist on. */
  anyway?: OpenedFile[];
}

/** A result and the key of the question it answers; an older key means that it is being replaced. */
export interface Keyed<T> {
  key: string;
  value: T;
}

/** Both maps of a picture, row-major, not negative, on one scale that ends at `max`. */
export interface LensMaps {
  width: number;
  height: number;
  max: number;
  full: Float32Array;
  quantized: Float32Array;
}

export interface LensData {
  lens: LensView;
  /** Null where the network has no layer with places. */
  maps: LensMaps | null;
}

/** A picture as the network sees it. */
export interface Preview {
  width: number;
  height: number;
  rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** The picture of the lens, with the object that it is known to show. */
export interface Seen extends Preview {
  object: ObjectMask | null;
}

/** What the engine is doing, for the progress line. Times in ms of one clock. */
export interface Job {
  key: string;
  phase: string;
  done: number;
  total: number;
  startedAt: number;
  at: number;
}

export interface ExportedFile {
  fileName: string;
  url: string;
  sizeBytes: number;
  verified: ExportCheck;
}

export type StripOrder = 'changed' | 'file';
export type LayerColumn = 'order' | 'name' | 'bits' | 'shape' | 'bytes' | 'alone' | 'sqnr' | 'lost' | 'layerAlone' | 'accumulated';
export type Theme = 'auto' | 'light' | 'dark';
export type DialogName = 'takeHome' | 'keys' | 'preprocess';

export interface AppState {
  engine: { status: 'starting' | 'ready' | 'failed'; build: string | null; info: EngineInfo | null };
  model: ModelView | null;
  modelSource: SampleId | 'dropped' | null;
  /** Raised whenever what the engine holds changes, so that keys of old results no longer match. */
  versions: { model: number; data: number };
  preprocess: PreprocessView | null;
  pictures: PictureView[];
  picturesSource: 'sample' | 'dropped' | null;
  classes: string[];
  /** Files of the sample's object masks by picture name. */
  masks: Record<string, string>;
  /** Addresses of thumbnails by picture index. */
  thumbnails: Record<number, string>;
  recipe: History<Recipe>;
  selected: number;
  /** The picture that a link asks for, until the user chooses one. */
  wanted: number | null;
  quantized: Keyed<QuantizedView> | null;
  lens: Keyed<LensData> | null;
  preview: Keyed<Seen> | null;
  comparisons: Keyed<Record<number, PictureComparison>> | null;
  summary: Keyed<Summary> | null;
  /** Picture indices, most changed first, as of the last complete comparison: the strip keeps still while the next one runs. */
  ranking: number[];
  latency: Keyed<LatencyView> | null;
  profile: Keyed<ProfileView> | null;
  /** The key of the profile that the user asked for. */
  profileAsked: string | null;
  /** What went wrong with the network as some recipe quantizes it; current only under its key. */
  diagnosis: Keyed<DiagnosisView> | null;
  /** The key of the diagnosis that the user asked for. */
  diagnosisAsked: string | null;
  exported: Keyed<ExportedFile> | null;
  job: Job | null;
  /** Keys that the user stopped or that failed: not tried again until the question changes. */
  givenUp: { key: string; reason: 'cancelled' | 'failed' }[];
  problems: Problem[];
  notice: string | null;
  /** Whether the page works without a network from now on. */
  offline: boolean;
  view: {
    /** Where the divider of the lens stands, 0 to 1. */
    split: number;
    overlay: number;
    outline: boolean;
    stripOrder: StripOrder;
    flippedOnly: boolean;
    /** Indices of the pictures that the strip holds now, those in view first: only they need thumbnails. */
    stripHolds: number[];
    layerColumn: LayerColumn;
    layerDescending: boolean;
    layer: string | null;
    theme: Theme;
    dialog: DialogName | null;
  };
}

/** One file that the user dropped, picked or pasted. */
export interface OpenedFile {
  /** With the folder inside the drop, so that equal names in two folders stay apart. */
  name: string;
  blob: Blob;
}

export type UserEvent =
  | { type: 'filesOpened'; files: OpenedFile[]; anyway?: boolean }
  | { type: 'sampleChosen'; sample: SampleId }
  | { type: 'recipeEdited'; recipe: Recipe; field: string; at: number }
  | { type: 'linkFollowed'; recipe: Recipe; picture: number | null }
  | { type: 'undone' }
  | { type: 'redone' }
  | { type: 'pictureSelected'; picture: number }
  | { type: 'preprocessEdited'; preprocess: Preprocess }
  | { type: 'cancelAsked' }
  | { type: 'continueAsked' }
  | { type: 'exportAsked' }
  | { type: 'profileAsked'; key: string }
  | { type: 'diagnosisAsked'; key: string }
  | { type: 'problemDismissed'; id: number }
  | { type: 'noticeDismissed' }
  | { type: 'viewChanged'; view: Partial<AppState['view']> };

export type EngineReport =
  | { type: 'engineReady'; build: string }
  | { type: 'engineDescribed'; info: EngineInfo }
  | { type: 'engineFailed' }
  | { type: 'engineRestarted' }
  | { type: 'modelLoaded'; model: ModelView; preprocess: PreprocessView; source: SampleId | 'dropped' }
  | { type: 'picturesChanged'; pictures: PictureView[]; source: 'sample' | 'dropped' | null }
  | { type: 'labelsSet'; classes: string[]; pictures: PictureView[] }
  | { type: 'preprocessSet'; preprocess: PreprocessView }
  | { type: 'thumbnailReady'; picture: number; url: string }
  | { type: 'quantized'; key: string; quantized: QuantizedView; lens?: Keyed<LensData> | null }
  | { type: 'quantizingWithdrawn' }
  | { type: 'lensReady'; key: string; data: LensData }
  | { type: 'previewReady'; key: string; preview: Seen }
  | { type: 'masksKnown'; masks: Record<string, string> }
  | { type: 'picturesCompared'; key: string; comparisons: PictureComparison[] }
  | { type: 'compared'; key: string; summary: Summary; pictures: PictureComparison[] }
  | { type: 'latencyMeasured'; key: string; latency: LatencyView }
  | { type: 'profiled'; key: string; profile: ProfileView }
  | { type: 'diagnosed'; key: string; diagnosis: DiagnosisView }
  | { type: 'exported'; key: string; file: ExportedFile }
  | { type: 'jobStarted'; key: string; phase: string; at: number }
  | { type: 'jobProgressed'; phase: string; done: number; total: number; at: number }
  | { type: 'jobEnded' }
  | { type: 'gaveUp'; key: string; reason: 'cancelled' | 'failed' }
  | { type: 'problemRaised'; problem: Omit<Problem, 'id'> }
  | { type: 'noticed'; text: string }
  | { type: 'siteKept' };

export type AppEvent = UserEvent | EngineReport;

export const initialState: AppState = {
  engine: { status: 'starting', build: null, info: null },
  model: null,
  modelSource: null,
  versions: { model: 0, data: 0 },
  preprocess: null,
  pictures: [],
  picturesSource: null,
  classes: [],
  masks: {},
  thumbnails: {},
  recipe: { past: [], present: DEFAULT_RECIPE, future: [], last: null },
  selected: 0,
  wanted: null,
  quantized: null,
  lens: null,
  preview: null,
  comparisons: null,
  summary: null,
  ranking: [],
  latency: null,
  profile: null,
  profileAsked: null,
  diagnosis: null,
  diagnosisAsked: null,
  exported: null,
  job: null,
  givenUp: [],
  problems: [],
  notice: null,
  offline: false,
  view: {
    split: 0.5,
    overlay: 0.8,
    outline: true,
    stripOrder: 'changed',
    flippedOnly: false,
    stripHolds: [],
    layerColumn: 'order',
    layerDescending: false,
    layer: null,
    theme: 'auto',
    dialog: null,
  },
};
