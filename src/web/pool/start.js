// Starts the build with threads: the engine on the calling worker, helpers in workers of its own.
import initialize, { joinPool } from './bitlens.js';

export * from './bitlens.js';

/** Longer than workers take to load on any machine that gains by them. */
const PATIENCE_MS = 10_000;

/** A module may be compiled from a stream only where the server says that it is one. */
const compile = async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  if (response.headers.get('Content-Type') === 'application/wasm') return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
};

/** Settles when the worker is about to enter the pool, or cannot. */
const entering = (worker, message) =>
  new Promise((resolve, reject) => {
    worker.onmessage = () => {
      worker.onerror = null; // from now on an error is the engine's
      resolve();
    };
    worker.onerror = (event) => {
      event.preventDefault(); // or it would be the calling worker's, too
      reject(new Error(event.message ?? 'a thread could not be loaded'));
    };
    worker.postMessage(message);
  });

/** As `promise`, which has until `end`. */
const before = (end, promise) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the threads did not start in time')), end - performance.now());
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/**
 * Loads the build and gives the calling worker so many threads, itself included; how many there are. An
 * engine that runs here from then on divides its work among them. Rejects where that cannot be, and leaves
 * no worker behind.
 */
export async function start(threads, address = new URL('./bitlens_bg.wasm', import.meta.url)) {
  if (!globalThis.crossOriginIsolated) throw new Error('the page is not cross-origin isolated, so threads cannot share memory');
  if (!globalThis.WorkerGlobalScope) throw new Error('a page may not wait for threads: start them from a worker');
  const end = performance.now() + PATIENCE_MS;
  const module = await before(end, compile(address));
  const { memory } = await initialize({ module_or_path: module });
  const helpers = Array.from({ length: threads - 1 }, () => new Worker(new URL('./thread.js', import.meta.url), { type: 'module' }));
  try {
    await before(end, Promise.all(helpers.map((helper) => entering(helper, { module, memory }))));
    // They have only said that they are about to.
    while (joinPool() < threads) await before(end, new Promise((resume) => setTimeout(resume, 1)));
    return threads;
  } catch (error) {
    for (const helper of helpers) helper.terminate();
    throw error;
  }
}
