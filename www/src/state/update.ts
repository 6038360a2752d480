/** The one place where state changes: a pure function of the state and what happened. */
import type { PictureComparison, PictureView } from '../engine/protocol';
import * as history from './history';
import type { AppEvent, AppState } from './state';

export function update(state: AppState, event: AppEvent): AppState {
  switch (event.type) {
    case 'filesOpened':
    case 'sampleChosen':
    case 'preprocessEdited':
    case 'cancelAsked':
    case 'exportAsked':
      return state; // requests to the controller; the state changes when the engine has answered
    case 'recipeEdited':
      if (sameRecipe(state, event.recipe)) return state;
      return { ...state, recipe: history.edit(state.recipe, event.recipe, event.field, event.at) };
    case 'linkFollowed':
      return { ...state, recipe: history.begin(event.recipe), wanted: event.picture };
    case 'undone':
      return { ...state, recipe: history.undo(state.recipe) };
    case 'redone':
      return { ...state, recipe: history.redo(state.recipe) };
    case 'pictureSelected':
      return state.pictures.some((picture) => picture.index === event.picture) ? { ...state, selected: event.picture, wanted: null } : state;
    case 'profileAsked':
      // The figures of before stay in sight, as those of another question, until the new ones are there.
      return { ...state, profileAsked: event.key, profile: state.profile && { ...state.profile, key: '' }, givenUp: state.givenUp.filter(({ key }) => key !== event.key) };
    case 'diagnosisAsked':
      return { ...state, diagnosisAsked: event.key, givenUp: state.givenUp.filter(({ key }) => key !== event.key) };
    case 'continueAsked':
      return { ...state, givenUp: [] };
    case 'problemDismissed':
      return { ...state, problems: state.problems.filter((problem) => problem.id !== event.id) };
    case 'noticeDismissed':
      return { ...state, notice: null };
    case 'noticed':
      return { ...state, notice: event.text };
    case 'siteKept':
      return { ...state, offline: true };
    case 'viewChanged':
      return { ...state, view: { ...state.view, ...event.view } };
    default:
      return report(state, event);
  }
}

/** What the engine reported. */
function report(state: AppState, event: Exclude<AppEvent, { type: 'recipeEdited' }>): AppState {
  switch (event.type) {
    case 'engineReady':
      return { ...state, engine: { ...state.engine, status: 'ready', build: event.build } };
    case 'engineDescribed':
      return { ...state, engine: { ...state.engine, info: event.info } };
    case 'engineFailed':
      return { ...state, engine: { ...state.engine, status: 'failed' }, job: null };
    case 'engineRestarted':
      return forget(state);
    case 'modelLoaded':
      return loaded(state, event);
    case 'picturesChanged':
      return withPictures(state, event.pictures, event.source);
    case 'labelsSet':
      return { ...withPictures(state, event.pictures, state.picturesSource), classes: event.classes };
    case 'preprocessSet':
      return { ...dataChanged(state), preprocess: event.preprocess };
    case 'masksKnown':
      return { ...state, masks: event.masks };
    case 'thumbnailReady':
      return { ...state, thumbnails: { ...state.thumbnails, [event.picture]: event.url } };
    case 'problemRaised':
      return { ...state, problems: [...state.problems, { ...event.problem, id: nextId(state) }].slice(-MAX_PROBLEMS) };
    case 'gaveUp':
      return { ...state, givenUp: [...state.givenUp, { key: event.key, reason: event.reason }].slice(-MAX_GIVEN_UP) };
    default:
      return result(state, event);
  }
}

/** A job's progress and results. */
function result(state: AppState, event: AppEvent): AppState {
  switch (event.type) {
    case 'jobStarted':
      return { ...state, job: { key: event.key, phase: event.phase, done: 0, total: 0, startedAt: event.at, at: event.at } };
    case 'jobProgressed':
      return state.job ? { ...state, job: progressed(state.job, event) } : state;
    case 'jobEnded':
      return { ...state, job: null };
    case 'quantized':
      return { ...state, quantized: { key: event.key, value: event.quantized }, lens: event.lens ?? state.lens };
    case 'quantizingWithdrawn':
      return { ...state, quantized: state.quantized && { ...state.quantized, key: '' } };
    case 'lensReady':
      return { ...state, lens: { key: event.key, value: event.data } };
    case 'previewReady':
      return { ...state, preview: { key: event.key, value: event.preview } };
    case 'picturesCompared':
      return withComparisons(state, event.key, event.comparisons);
    case 'compared':
      return {
        ...state,
        summary: { key: event.key, value: event.summary },
        ranking: rank(event.pictures),
        comparisons: { key: event.key, value: byPicture(event.pictures) },
      };
    case 'latencyMeasured':
      return { ...state, latency: { key: event.key, value: event.latency } };
    case 'profiled':
      return { ...state, profile: { key: event.key, value: event.profile } };
    case 'diagnosed':
      return { ...state, diagnosis: { key: event.key, value: event.diagnosis } };
    case 'exported':
      return { ...state, exported: { key: event.key, value: event.file } };
    default:
      return state;
  }
}

/** More cards than this would hide the page they speak of. */
const MAX_PROBLEMS = 4;
const MAX_GIVEN_UP = 8;

const nextId = (state: AppState): number => Math.max(0, ...state.problems.map((problem) => problem.id)) + 1;

function sameRecipe(state: AppState, recipe: AppState['recipe']['present']): boolean {
  return JSON.stringify(recipe) === JSON.stringify(state.recipe.present);
}

/** A phase that follows another begins its own count and its own clock. */
function progressed(job: NonNullable<AppState['job']>, event: Extract<AppEvent, { type: 'jobProgressed' }>): NonNullable<AppState['job']> {
  const startedAt = event.phase === job.phase ? job.startedAt : event.at;
  return { ...job, phase: event.phase, done: event.done, total: event.total, at: event.at, startedAt };
}

/** A new network: nothing that was computed with the old one may stay on screen as if it were its. */
function loaded(state: AppState, event: Extract<AppEvent, { type: 'modelLoaded' }>): AppState {
  return {
    ...state,
    model: event.model,
    modelSource: event.source,
    preprocess: event.preprocess,
    classes: [],
    versions: { ...state.versions, model: state.versions.model + 1 },
    ...nothingComputed,
    view: { ...state.view, layer: null },
  };
}

const nothingComputed = {
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
  givenUp: [],
} satisfies Partial<AppState>;

const dataChanged = (state: AppState): AppState => ({
  ...state,
  versions: { ...state.versions, data: state.versions.data + 1 },
  diagnosis: null,
  diagnosisAsked: null,
  givenUp: [],
});

function withPictures(state: AppState, pictures: PictureView[], source: AppState['picturesSource']): AppState {
  const names = new Map(state.pictures.map((picture) => [picture.index, picture.name]));
  const kept = pictures.filter((picture) => names.get(picture.index) === picture.name && state.thumbnails[picture.index]);
  const thumbnails = Object.fromEntries(kept.map((picture) => [picture.index, state.thumbnails[picture.index] as string]));
  const visible = evaluated(pictures);
  const asked = state.wanted ?? state.selected;
  const selected = visible.some((picture) => picture.index === asked) ? asked : (visible[0]?.index ?? 0);
  const cleared = pictures.length === 0 ? nothingComputed : {};
  const masks = source === 'sample' ? state.masks : {};
  return { ...dataChanged(state), ...cleared, pictures, picturesSource: source, masks, thumbnails, selected };
}

/** The pictures that are compared; all of them when every one is set aside for calibration. */
export function evaluated(pictures: PictureView[]): PictureView[] {
  const compared = pictures.filter((picture) => picture.role !== 'calib');
  return compared.length > 0 ? compared : pictures;
}

/** A comparison of a new question starts a new set, so that two recipes never mix in one strip. */
function withComparisons(state: AppState, key: string, comparisons: PictureComparison[]): AppState {
  const before = state.comparisons?.key === key ? state.comparisons.value : {};
  return { ...state, comparisons: { key, value: { ...before, ...byPicture(comparisons) } } };
}

const byPicture = (comparisons: PictureComparison[]): Record<number, PictureComparison> => Object.fromEntries(comparisons.map((one) => [one.picture, one]));

/** Most changed first: flipped answers before kept ones, then the least alike maps. */
function rank(comparisons: PictureComparison[]): number[] {
  const change = ({ flipped, attribution }: PictureComparison): number => (flipped ? 10 : 0) - (attribution?.spearman ?? 1);
  return [...comparisons].sort((a, b) => change(b) - change(a) || a.picture - b.picture).map(({ picture }) => picture);
}

/** The engine lost everything; what stays on screen is what the user chose. */
function forget(state: AppState): AppState {
  return {
    ...state,
    ...nothingComputed,
    engine: { ...state.engine, status: 'starting' },
    model: null,
    modelSource: null,
    preprocess: null,
    pictures: [],
    picturesSource: null,
    classes: [],
    masks: {},
    thumbnails: {},
    job: null,
  };
}
