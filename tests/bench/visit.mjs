// How long a person waits on the page: for the sample after opening it, and for new answers and maps after
// moving the bits slider, on the sample and on another network.
//
//   node tests/bench/visit.mjs [NETWORK PREPROCESS PICTURES]     a folder of pictures; the page must be built
import { readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch } from '../e2e/browser.mjs';
import * as person from '../e2e/person.mjs';
import { serve } from '../e2e/server.mjs';
import { median } from './browser.mjs';

const VISITS = 9;
const MOST_PICTURES = 20;
/** Every move asks for bits that the one before did not show. */
const BITS = [5, 7, 4, 6, 3, 8, 2, 7, 5, 8, 6, 4, 3, 5, 8];

const [network, preprocess, folder] = process.argv.slice(2);
const site = await serve(fileURLToPath(new URL('../../www/dist', import.meta.url)));
const browser = await launch();
const show = (what, times) => {
  const [least, most] = [Math.min(...times), Math.max(...times)].map((ms) => ms.toFixed(0));
  console.log(`${what.padEnd(44)} median ${median(times).toFixed(0)} ms, ${least} to ${most} (n = ${times.length})`);
};

/** From navigation until the headline is compared and the maps are drawn, with nothing kept from before. */
const visit = async () => {
  const page = await browser.newPage({ serviceWorkers: 'block' });
  await page.addInitScript(() => {
    const check = () => {
      const current = (id) => document.querySelector(`[data-testid="${id}"]`);
      const lens = current('lens')?.dataset.current === 'true';
      const compared = current('headline-agreement')?.dataset.state === 'current';
      if (lens && compared) window.shown = performance.now();
      else requestAnimationFrame(check);
    };
    check();
  });
  await page.goto(site.address);
  await page.waitForFunction(() => window.shown, null, { timeout: person.PATIENCE_MS });
  const shown = await page.evaluate(() => window.shown);
  await page.close();
  return shown;
};

/** From the slider's event until the lens shows what belongs to it. */
const move = (page, testid, bits) =>
  page.evaluate(
    ([id, value]) =>
      new Promise((done) => {
        const slider = document.querySelector(`[data-testid="${id}"]`);
        const lens = document.querySelector('[data-testid="lens"]');
        const output = slider.parentElement.querySelector('output');
        const begin = performance.now();
        const watch = new MutationObserver(() => {
          // The page draws one state at a time: where the slider shows these bits, the lens says whether it does.
          if (output.textContent !== `${value} bits` || lens.dataset.current !== 'true') return;
          watch.disconnect();
          // The page is drawn as a frame begins; when the next one does, that one is done.
          requestAnimationFrame(() => done(performance.now() - begin));
        });
        watch.observe(lens, { attributes: true, attributeFilter: ['data-current'] });
        watch.observe(output, { childList: true, characterData: true, subtree: true });
        slider.value = String(value);
        slider.dispatchEvent(new Event('input', { bubbles: true }));
      }),
    [testid, bits],
  );

const moves = async (page, what) => {
  for (const testid of ['weight-bits', 'activation-bits']) {
    const times = [];
    for (const bits of BITS) {
      times.push(await move(page, testid, bits));
      await person.settled(page);
    }
    show(`${what}: slider of ${testid.replace('-', ' ')}`, times);
  }
};

try {
  const waits = [];
  for (let round = 0; round < VISITS; round++) waits.push(await visit());
  show('sample compared after navigation', waits);

  const { page } = await person.openSettled(browser, site.address);
  await moves(page, 'sample');
  if (network) {
    const names = (await readdir(folder)).filter((name) => /\.(jpe?g|png)$/i.test(name)).sort();
    const files = [
      { name: basename(network), buffer: await readFile(network) },
      { name: 'preprocessor_config.json', buffer: await readFile(preprocess) },
    ];
    for (const name of names.slice(0, MOST_PICTURES)) {
      files.push({ name, buffer: await readFile(join(folder, name)) });
    }
    await person.dropAndSettle(page, files, basename(network, '.onnx'));
    await moves(page, basename(network));
  }
} finally {
  await browser.close();
  await site.close();
}
