// Raw logits of real networks from the built engine in a worker of a real Chromium, either build.
import { fileURLToPath } from 'node:url';
import { launch, openPage } from './browser.mjs';
import { serve } from './server.mjs';

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The builds of `pkg/`. */
export const BUILDS = ['simd128', 'relaxed'];

/**
 * Starts a browser that can read the folders of `mounts` below their prefixes.
 * `logits(build, task)` gives what `logits_worker.mjs` answers, from a worker of its own; its
 * addresses begin with one of the prefixes.
 */
export const openChromium = async (mounts) => {
  const server = await serve(folder('.'), {
    prefix: '/e2e/',
    also: { '/pkg/': folder('../../pkg'), ...mounts },
  });
  const browser = await launch();
  const { page } = await openPage(browser, `${server.address}worker.html`);
  const logits = async (build, task) => {
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
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { logits, close };
};
