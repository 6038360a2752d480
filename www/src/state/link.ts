/** Keeps the address bar and the state in step. */
import { effect } from '@preact/signals';
import { SAMPLES, type SampleId } from './samples';
import type { Store } from './store';
import { fromHash, toHash } from './url';

/** Browsers refuse more than some hundred address changes a minute; a dragged slider makes more. */
const SETTLE_MS = 300;

/** Takes the settings of the link over, keeps writing them back, and says which sample to open. */
export function followLinks(store: Store): SampleId {
  const scene = takeOver(store);
  let timer = 0;
  let written = location.hash;
  effect(() => {
    const hash = toHash(store.state.value);
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      if (store.state.peek().model === null || hash === written) return;
      written = hash;
      history.replaceState(null, '', hash);
    }, SETTLE_MS);
  });
  addEventListener('hashchange', () => {
    // A link to a place on the page is no scene: the address stays that of the scene.
    if (document.getElementById(location.hash.slice(1))) return history.replaceState(null, '', toHash(store.state.peek()));
    const { modelSource } = store.state.peek();
    const next = takeOver(store);
    if (next.sample && next.sample !== modelSource) store.dispatch({ type: 'sampleChosen', sample: next.sample });
  });
  return scene.sample ?? SAMPLES[0].id;
}

function takeOver(store: Store): ReturnType<typeof fromHash> {
  const scene = fromHash(location.hash);
  store.dispatch({ type: 'linkFollowed', recipe: scene.recipe, picture: scene.picture });
  if (scene.order) store.dispatch({ type: 'viewChanged', view: { stripOrder: scene.order } });
  return scene;
}
