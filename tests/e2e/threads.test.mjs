// The build with threads: chosen on an isolated page only, and equal to the others in what it computes.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { quantizeWithSample, sampleFile, samplePictures, startEngine } from './engine.mjs';
import { openChromium } from './logits.mjs';
import * as person from './person.mjs';
import { serve } from './server.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const site = path('../../www/dist');

/** Where `cargo xtask build` could not have the standard library's sources there is no such build. */
const skip = existsSync(path('../../pkg/threads/start.js')) ? false : 'no build with threads';

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };
const PICTURES = 5;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** What the footer says, once the engine runs. */
const footer = (page) => page.getByTestId('version').innerText();

/** How many threads a page gets here. */
const expected = (page) => page.evaluate(() => Math.min(4, navigator.hardwareConcurrency));

/** Opens a folder as a site with these headers, and everything on it. */
const visit = async (context, folder, headers) => {
  const server = await serve(folder, { prefix: '/some/folder/', headers });
  context.after(() => server.close());
  const opened = await person.openSettled(browser, server.address);
  context.after(() => opened.page.context().close());
  return opened;
};

test('an isolated page runs on threads, under the strict policy, and says the same', { skip }, async (context) => {
  const { page, complaints } = await visit(context, site, isolation);
  const threads = await expected(page);
  if (threads < 2) return context.skip('one processor');
  assert.match(await footer(page), new RegExp(`relaxed SIMD, ${threads} threads`));
  assert.deepEqual(complaints, []);

  const alone = await visit(context, site, {});
  const [several, one] = [await person.headline(page), await person.headline(alone.page)];
  for (const numbers of [several, one]) delete numbers.latency;
  assert.deepEqual(several, one);
});

test('a page that is not isolated runs on one', { skip }, async (context) => {
  const { page, complaints } = await visit(context, site, {});
  assert.doesNotMatch(await footer(page), /threads/);
  assert.deepEqual(complaints, []);
});

test('where a thread cannot be loaded, the page runs on one and says why', { skip }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'bitlens-'));
  context.after(() => rm(folder, { recursive: true }));
  await cp(site, folder, { recursive: true });
  const assets = await readdir(join(folder, 'assets'));
  const scripts = assets.filter((name) => /^thread-/.test(name));
  assert.equal(scripts.length, 1, String(assets));
  await writeFile(join(folder, 'assets', scripts[0]), 'throw new Error("broken off");');
  const { page, complaints } = await visit(context, folder, isolation);
  assert.doesNotMatch(await footer(page), /threads/);
  if ((await expected(page)) > 1) assert.match(complaints.join('\n'), /one thread:.*broken off/);
});

for (const name of ['sample_resnet', 'sample_mobilenet']) {
  test(`${name} gives the same bits on any number of threads`, { skip }, async (context) => {
    const work = await mkdtemp(join(tmpdir(), 'bitlens-'));
    context.after(() => rm(work, { recursive: true }));
    const engine = await startEngine();
    await quantizeWithSample(engine, await sampleFile(`${name}.onnx`), int8);
    await writeFile(join(work, 'int8.onnx'), engine.bytes(engine.ask('exportModel').onnx));
    const sample = path('../../www/public/sample');
    const chromium = await openChromium({ '/sample/': sample, '/made/': work }, isolation);
    context.after(() => chromium.close());
    const pictures = (await samplePictures()).map((file) => `/sample/${file.name}`);
    const task = { preprocess: '/sample/preprocessor_config.json', pictures, count: PICTURES };
    for (const [model, quantize] of [
      [`/sample/${name}.onnx`, false],
      ['/made/int8.onnx', true],
    ]) {
      const relaxed = await chromium.logits('relaxed', { ...task, model, quantize });
      for (const threads of [1, 2, 3]) {
        const found = await chromium.logits(`threads ${threads}`, { ...task, model, quantize });
        assert.equal(found.threads, threads);
        assert.deepEqual(found.pictures, relaxed.pictures, `${model} on ${threads} threads`);
      }
      assert.equal(new Set(relaxed.pictures.map(({ full, quantized }) => (quantized ?? full).sha256)).size, PICTURES);
    }
  });
}

test('without isolation the package refuses to start threads', { skip }, async () => {
  const chromium = await openChromium({ '/sample/': path('../../www/public/sample') });
  try {
    const task = { model: '/sample/sample_resnet.onnx', preprocess: '', pictures: [], count: 0 };
    await assert.rejects(chromium.logits('threads 2', task), /not cross-origin isolated/);
  } finally {
    await chromium.close();
  }
});
