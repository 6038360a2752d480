// One headless Chromium with the bench page in it, for the scripts of this folder.
import { fileURLToPath } from 'node:url';
import { launch } from '../e2e/browser.mjs';
import { serve } from '../e2e/server.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** The folder with the builds and networks: target/bench, or what the environment says. */
export const folder = process.env.BITLENS_BENCH ?? path('../../target/bench');

/** Runs `use(page, version)` and closes everything. */
export const withPage = async (use) => {
  const headers = {
    // The precise clock of an isolated page; the peer's glue makes modules from blobs.
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Content-Security-Policy': "script-src 'self' blob: 'wasm-unsafe-eval'",
  };
  const also = { '/built/': folder, '/peer/': path('node_modules/onnxruntime-web/dist') };
  const server = await serve(path('.'), { headers, also });
  const browser = await launch();
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(String(error)));
    await page.goto(`${server.address}page.html`);
    await page.waitForFunction('window.ready');
    return await use(page, browser.version());
  } finally {
    await browser.close();
    await server.close();
  }
};

export const median = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
