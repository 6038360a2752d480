/** Boot: engine in a worker, state, page; then the sample opens by itself. */
import { options, render } from 'preact';
import './boot.css';
import { App } from './app';
import type { WorkerLike } from './engine/client';
import { Team } from './engine/team';
import { changeBuild, keepSite } from './offline/register';
import { beforeNextFrame } from './lib/frame';
import { roomForHelpers } from './lib/memory';
import { listenToKeys } from './views/help/keys';
import { Controller } from './state/controller';
import { browserEnvironment } from './state/environment';
import { followLinks } from './state/link';
import { StoreContext, createStore } from './state/store';
import { followTheme } from './state/theme';
import { testids } from './testids';

/** A helper knows by its name that it is one. (Vite reads these calls, so their options are written out.) */
const startWorker = (isHelper: boolean): WorkerLike =>
  isHelper
    ? new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module', name: 'helper' })
    : new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module' });

/** `vite --mode mock` replaces the engine by a stand-in; no other build contains it. */
const chooseEngine = async (): Promise<(isHelper: boolean) => WorkerLike> => {
  if (import.meta.env.MODE !== 'mock') return startWorker;
  const { mockWorker } = await import('./engine/mock');
  return () => mockWorker();
};

options.debounceRendering = beforeNextFrame;

/** Helpers that this machine has cores and memory for. */
const room = (bytes: number): number => roomForHelpers(bytes, browserEnvironment.machine());

const root = document.getElementById('app');
if (root && !(import.meta.env.PROD && (await changeBuild()))) {
  const store = createStore();
  followTheme(store);
  const sample = followLinks(store);
  new Controller(store, new Team(await chooseEngine(), room), browserEnvironment);
  store.dispatch({ type: 'sampleChosen', sample });
  listenToKeys(store, () => root.querySelector<HTMLElement>(`[data-testid="${testids.fileInput}"]`)?.click());
  render(
    <StoreContext.Provider value={store}>
      <App />
    </StoreContext.Provider>,
    root,
  );
  if (import.meta.env.PROD) keepSite(() => store.dispatch({ type: 'siteKept' }));
}
