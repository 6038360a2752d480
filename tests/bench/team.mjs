// What a helper beside the engine gains on the page: calibrating and comparing with one worker and with two.
//
//   node tests/bench/team.mjs [--rounds N] [--pictures N] [NETWORK.onnx [FOLDER]]
//
// The page must be built; it is told that the machine has one core, or two. Without names: ResNet-18 with random
// weights (tests/bench/make_networks.py) and the sample's pictures, again and again where there are not enough.
import { readFile, readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch } from '../e2e/browser.mjs';
import * as person from '../e2e/person.mjs';
import { serve } from '../e2e/server.mjs';
import { folder, median } from './browser.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, pictures: { type: 'string', default: '64' } },
});
const network = resolve(positionals[0] ?? join(folder, 'networks/resnet18.onnx'));
const pictures = resolve(positionals[1] ?? path('../../www/public/sample'));
const found = (await readdir(pictures)).filter((name) => /\.(png|jpe?g)$/i.test(name)).sort();
const count = Number(values.pictures);

const files = [{ name: basename(network), buffer: await readFile(network) }];
for (let at = 0; at < count; at++) {
  const name = found[at % found.length];
  files.push({ name: `${String(at).padStart(3, '0')}_${name}`, buffer: await readFile(join(pictures, name)) });
}

const site = await serve(path('../../www/dist'));
const browser = await launch();

/** Milliseconds from the last picture read to the quantized network, and from there to the comparison. */
const visit = async (cores) => {
  const { page } = await person.openSettled(browser, site.address);
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setHardwareConcurrencyOverride', { hardwareConcurrency: cores });
  await page.evaluate((wanted) => {
    const find = (id) => document.querySelector(`[data-testid="${id}"]`);
    const state = (id) => find(id)?.dataset.state;
    const phases = [
      () => find('pictures-pill')?.textContent.includes(String(wanted)),
      () => state('headline-size') === 'current',
      () => state('headline-agreement') === 'current',
    ];
    window.reached = [];
    const look = () => {
      while (window.reached.length < phases.length && phases[window.reached.length]()) window.reached.push(performance.now());
      if (window.reached.length < phases.length) requestAnimationFrame(look);
    };
    look();
  }, count);
  await person.drop(page, files);
  await page.waitForFunction(() => window.reached.length === 3, null, { timeout: 10 * person.PATIENCE_MS });
  const [read, quantized, compared] = await page.evaluate(() => window.reached);
  await page.close();
  return { calibrating: quantized - read, comparing: compared - quantized };
};

try {
  console.log(`${cpus()[0].model}, Chromium ${browser.version()}; ${basename(network)}, ${count} pictures`);
  const visits = [];
  for (let round = 0; round < Number(values.rounds); round++) visits.push({ one: await visit(1), two: await visit(2) });
  for (const phase of ['calibrating', 'comparing']) {
    const times = (which) => visits.map((visited) => visited[which][phase] / 1000);
    const ratios = visits.map(({ one, two }) => one[phase] / two[phase]);
    const cell = (which) => `${median(times(which)).toFixed(2)} s (least ${Math.min(...times(which)).toFixed(2)})`;
    console.log(`${phase.padEnd(12)} one worker ${cell('one')}, two ${cell('two')}, gain ${median(ratios).toFixed(2)} (n = ${visits.length})`);
  }
} finally {
  await browser.close();
  await site.close();
}
