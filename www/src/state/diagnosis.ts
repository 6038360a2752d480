/** What the page makes of a diagnosis: how much of it to ask for, what it offers, and what became of that. */
import type { Change, DiagnosisView, ModelView } from '../engine/protocol';
import { PRODUCTS_PER_MS } from '../lib/speed';
import { parseRecipe } from './recipe';
import type { AppState } from './state';
import { diagnosisKey } from './tasks';

/** More say little that is new; fewer say little at all. */
const MOST_PICTURES = 64;
const FEWEST_PICTURES = 16;
/** Runs that a picture takes besides one for each layer: ways to prepare it, halves, remedies. */
const OTHER_RUNS = 40;
/** About so long a diagnosis may take where that leaves enough pictures. */
const PATIENCE_MS = 60_000;

/** On how many pictures a network is diagnosed: fewer where it takes long. */
export function diagnosedPictures(model: Pick<ModelView, 'layers' | 'multiplyAccumulates'> | null): number {
  const pictureMs = ((model?.multiplyAccumulates ?? 0) * ((model?.layers ?? 0) + OTHER_RUNS)) / PRODUCTS_PER_MS;
  return Math.min(MOST_PICTURES, Math.max(FEWEST_PICTURES, Math.floor(PATIENCE_MS / Math.max(pictureMs, 1))));
}

/** The diagnosis of what is on screen; nothing where it is of another recipe. */
export const currentDiagnosis = (state: AppState): DiagnosisView | null => (state.diagnosis?.key === diagnosisKey(state) ? state.diagnosis.value : null);

/** Where the diagnosis of the shown settings stands; `none`: nobody has asked. */
export function diagnosisStage(state: AppState): 'none' | 'running' | 'stopped' | 'failed' | 'known' {
  const key = diagnosisKey(state);
  if (state.diagnosis?.key === key) return 'known';
  if (state.diagnosisAsked !== key) return 'none';
  const reason = state.givenUp.find((one) => one.key === key)?.reason;
  return reason === 'cancelled' ? 'stopped' : (reason ?? 'running');
}

/** Something that a diagnosis offers to do, as it was measured. */
export interface Offer {
  title: string;
  /** What it does, one line each, where it is several things. */
  steps: string[];
  change: Change;
}

/** All remedies together, where they help. */
export function allTogether({ suggestion, before }: DiagnosisView): Offer | null {
  if (!suggestion) return null;
  const { titles, recipe, after, sizeBytes } = suggestion;
  const [title, ...others] = titles;
  const named = title && others.length === 0 ? { title, steps: [] } : { title: 'Do all of it', steps: titles };
  return { ...named, change: { kind: 'recipe', recipe, before, after, sizeBytes } };
}

/** All offers of a diagnosis that change the recipe, each beside the recipe as it is written. */
const OFFERS = new WeakMap<DiagnosisView, [Offer, string][]>();

function recipeOffers(diagnosis: DiagnosisView): [Offer, string][] {
  const known = OFFERS.get(diagnosis);
  if (known) return known;
  const all = allTogether(diagnosis);
  const single = diagnosis.findings.flatMap(({ remedy }): Offer[] => (remedy ? [{ title: remedy.title, steps: [], change: remedy.change }] : []));
  const offers = [...single, ...(all ? [all] : [])].flatMap((offer): [Offer, string][] => (offer.change.kind === 'recipe' ? [[offer, JSON.stringify(parseRecipe(offer.change.recipe))]] : []));
  OFFERS.set(diagnosis, offers);
  return offers;
}

/** The offer that the recipe on screen is, when the diagnosis before it made it. */
export function takenOffer(state: AppState): Offer | null {
  const diagnosis = state.diagnosis?.value;
  if (!diagnosis || currentDiagnosis(state)) return null;
  const present = JSON.stringify(state.recipe.present);
  return recipeOffers(diagnosis).find(([, recipe]) => recipe === present)?.[0] ?? null;
}
