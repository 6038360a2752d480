// Raw logits of real networks from the built engine in a worker of a real Chromium, either build.
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.mjs';
import { serve } from './server.mjs';

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The builds of `pkg/`. */
export const BUILDS = ['simd128', 'relaxed'];

/** Serves this folder, the builds, and the folders of `mounts` below their prefixes. */
export const serveWorker = (mounts, headers = {}) =>
  serve(folder('.'), { prefix: '/e2e/', headers, also: { '/pkg/': folder('../../pkg'), ...mounts } });

/**
 * What `logits_worker.mjs` answers to a task with a build, from a worker of its own in a page that shows
 * `worker.html`. The task's addresses begin with one of the prefixes that are served.
 */
export const logitsIn = async (page, build, task) => {
  const { result, error } = await page.evaluate(
    (message) =>
      new Promise((resolve) => {
        const worker = new Worker('logits_worker.mjs', { type: 'module' });
        const settle = (answer) => {
          worker.terminate();
          resolve(answer);
        };
        worker.onmessage = ({ data }) => settle(data);
        worker.onerror = ({ message: text }) =>
          settle({ error: text ?? 'the worker did not load' });
        worker.postMessage(message);
      }),
    { build, task },
  );
  if (error) throw new Error(`${task.model}, ${build}: ${error}`);
  return result;
};

/** Starts Chromium, which can read the folders of `mounts`, and gives `logits(build, task)`. */
export const openChromium = async (mounts, headers) => {
  const server = await serveWorker(mounts, headers);
  const browser = await launch();
  const { page } = await openPage(browser, `${server.address}worker.html`);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { logits: (build, task) => logitsIn(page, build, task), close };
};
