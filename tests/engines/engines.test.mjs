// The same integers in every engine: one with exact relaxed products (Chromium), one that saturates
// their sums (Firefox), one without relaxed SIMD (WebKitGTK), in Node, and natively. What an engine is
// taken for is printed and not demanded: a newer one may do better.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { quantizeWithSample, sampleFile, samplePictures, startEngine } from '../e2e/engine.mjs';
import { BUILDS, logitsIn, serveWorker } from '../e2e/logits.mjs';
import * as person from '../e2e/person.mjs';
import { serve } from '../e2e/server.mjs';
import { BROWSERS } from './browsers.mjs';

const inside = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const sample = inside('www/public/sample');
const data = process.env.BITLENS_DATA ?? inside('../shared/data');
const noData = existsSync(join(data, 'models')) ? false : 'no data';

const int8 = { schema: 2, preset: 'int8', weightBits: 8, activationBits: 8 };
const NETWORKS = ['sample_resnet', 'sample_mobilenet'];
const ISA = { simd128: 'simd128', relaxed: 'relaxed-simd' };

/** Pictures of the sample that its networks are asked about: one of each class. */
const PICTURES = 10;

/** A network that others quantized, with depthwise convolutions and pictures of 224 × 224. */
const REAL = 'mobilenet_v1_0.25_224';
const REAL_PICTURES = 3;

/** What the page calls the instructions of a build. */
const INSTRUCTIONS = { simd128: 'SIMD', relaxed: 'relaxed SIMD' };

/** Enough of a hash to tell logits apart, and little enough to print. */
const HASH_DIGITS = 16;
const sha256 = (numbers) =>
  createHash('sha256').update(numbers).digest('hex').slice(0, HASH_DIGITS);

/** The hashes of the integer networks' logits, of what a worker answered. */
const hashes = ({ pictures }) =>
  pictures.map(({ quantized }) => quantized.sha256.slice(0, HASH_DIGITS));

let work;
let workerServer;
let site;

/** Of each network quantized in Node: hashes of the integer network's logits, by picture file. */
const inNode = {};

/** The same of the first network, quantized as the worker does it: with all pictures, for lack of roles. */
let withoutRoles;

/** The engine in Node with the first network, which the page shows. */
let shownNetwork;

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'bitlens-'));
  workerServer = await serveWorker({ '/data/': data, '/sample/': sample, '/made/': work });
  site = await serve(inside('www/dist'), { prefix: '/some/folder/' });
  const pictures = (await samplePictures()).slice(0, PICTURES);
  for (const name of NETWORKS) {
    const engine = await startEngine();
    await quantizeWithSample(engine, await sampleFile(`${name}.onnx`), int8);
    shownNetwork ??= engine;
    const logits = (picture) => engine.take(engine.ask('logits', { picture }).quantized);
    inNode[name] = Object.fromEntries(
      pictures.map(({ name: file }, at) => [file, sha256(logits(at))]),
    );
    assert.equal(new Set(Object.values(inNode[name])).size, PICTURES, 'every picture its own');
    await writeFile(join(work, `${name}.onnx`), engine.bytes(engine.ask('exportModel').onnx));
  }
  withoutRoles = await quantizedWithoutRoles();
});

after(async () => {
  await workerServer?.close();
  await site?.close();
  if (work) await rm(work, { recursive: true });
});

const quantizedWithoutRoles = async () => {
  const { ask, take } = await startEngine();
  const pictures = await samplePictures();
  const network = await sampleFile(`${NETWORKS[0]}.onnx`);
  const { buffer } = await sampleFile('preprocessor_config.json');
  ask('loadModel', { name: network.name }, [network.buffer]);
  ask('readPreprocess', { name: 'preprocessor_config.json' }, [buffer]);
  const names = pictures.map(({ name }) => name);
  ask(
    'addPictures',
    { names },
    pictures.map((file) => file.buffer),
  );
  ask('quantize', { recipe: int8 });
  return names
    .slice(0, PICTURES)
    .map((_, picture) => sha256(take(ask('logits', { picture }).quantized)));
};

/** The pictures of the sample with the network that was quantized in Node. */
const sampleTask = async (name) => {
  const pictures = (await samplePictures()).map((file) => `/sample/${file.name}`);
  const preprocess = '/sample/preprocessor_config.json';
  return {
    model: `/made/${name}.onnx`,
    preprocess,
    pictures,
    count: PICTURES,
    quantize: true,
  };
};

const realTask = async () => {
  const golden = JSON.parse(await readFile(inside('tests/e2e/real_logits.json'), 'utf8'));
  const listing = JSON.parse(await readFile(join(data, 'images/imagenet/labels.json'), 'utf8'));
  const files = listing.filter(({ role }) => role === 'eval').slice(0, REAL_PICTURES);
  return {
    model: `/data/models/quantized/${REAL}_qdq.onnx`,
    preprocess: `/data/${golden.networks[REAL].preprocess}`,
    pictures: files.map(({ file }) => `/data/images/imagenet/${file}`),
    count: REAL_PICTURES,
    quantize: true,
  };
};

for (const name of NETWORKS) {
  test(`${name}: the native program gives the integers of Node`, (t) => {
    const programs = ['checked', 'release'].map((profile) => inside(`target/${profile}/bitlens`));
    const program = programs.find(existsSync);
    if (!program) return t.skip('no native build');
    const printed = execFileSync(program, [
      ...['run', join(work, `${name}.onnx`), '--data', sample, '--json'],
      ...['--preprocess', join(sample, 'preprocessor_config.json')],
    ]);
    const lines = printed
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const found = lines.map(({ file, logits }) => [file, sha256(Float32Array.from(logits))]);
    const pictures = found.filter(([file]) => file in inNode[name]);
    assert.deepEqual(Object.fromEntries(pictures), inNode[name]);
  });
}

/** Hashes of the real network's logits, of all browsers and builds: there may be one list only. */
const real = new Map();

for (const [key, launch] of Object.entries(BROWSERS))
  describe(key, () => {
    let browser;
    /** The builds that the browser can load. */
    let builds;
    /** What each of them said of itself. */
    const said = new Set();

    before(async () => {
      browser = await launch();
      const page = await openWorker();
      const takesRelaxed = await page.evaluate(async () => {
        const response = await fetch('/pkg/relaxed/bitlens_bg.wasm');
        return WebAssembly.validate(await response.arrayBuffer());
      });
      builds = takesRelaxed ? BUILDS : ['simd128'];
    });

    after(async () => {
      for (const words of said) console.log(`${browser.name}: ${words}`);
      await browser?.close();
    });

    const openWorker = () =>
      browser.open(`${workerServer.address}worker.html`, { width: 800, height: 600 });

    for (const name of NETWORKS)
      test(`${name}: the integers of Node, with every build`, async () => {
        const page = await openWorker();
        const task = await sampleTask(name);
        for (const build of builds) {
          const answer = await logitsIn(page, build, task);
          said.add(`${build}: ${answer.probe}`);
          assert.equal(answer.path, 'int8');
          assert.equal(answer.isa, ISA[build]);
          assert.equal(answer.best, builds.at(-1), 'the build that the page loads');
          assert.deepEqual(hashes(answer), Object.values(inNode[name]), build);
        }
      });

    test(`${NETWORKS[0]}: quantized here, the integers of Node`, async () => {
      const page = await openWorker();
      const task = { ...(await sampleTask(NETWORKS[0])), model: `/sample/${NETWORKS[0]}.onnx` };
      for (const build of builds)
        assert.deepEqual(hashes(await logitsIn(page, build, task)), withoutRoles, build);
    });

    test(`${REAL}: the same integers everywhere`, { skip: noData }, async () => {
      const page = await openWorker();
      const task = await realTask();
      for (const build of builds) {
        real.set(`${key} ${build}`, hashes(await logitsIn(page, build, task)));
      }
      const [[, first], ...others] = real;
      assert.equal(new Set(first).size, REAL_PICTURES, 'every picture has its own');
      for (const [where, found] of others) assert.deepEqual(found, first, where);
    });

    test('the page compares the sample, says what it runs on, and takes a file', async () => {
      const before = browser.complaints?.length;
      const page = await browser.open(site.address, { width: 1440, height: 1100 });
      await person.settled(page);
      await showsTheSample(page);
      await namesItsKernels(page, builds.at(-1));
      await movesTheSlider(page);
      await takesAFile(page);
      assert.deepEqual(browser.complaints?.slice(before) ?? [], []);
      const problems = () => document.querySelectorAll('[data-testid="problem"]').length;
      assert.equal(await page.evaluate(problems), 0);
      const { BITLENS_SCREENSHOTS: folder } = process.env;
      if (folder) await writeFile(join(folder, `${key}.png`), await page.screenshot());
    });
  });

/** Headline, answers and maps; the quantized answers are those of the engine in Node. */
const showsTheSample = async (page) => {
  const { size, agreement, attention, signal, latency } = await person.headline(page);
  assert.match(`${size} ${signal} ${latency}`, /^\d\.\d× \d+\.\d dB \d+(\.\d+)? ms$/);
  assert.match(`${agreement} ${attention}`, /^>?\d+\s% −?[01]\.\d\d$/);
  const [full, quantized] = [
    await person.drawn(page, 'map-full'),
    await person.drawn(page, 'map-quantized'),
  ];
  assert.ok(full.colours > 1000 && quantized.colours > 1000, 'both maps are drawn');
  assert.notEqual(full.sum, quantized.sum, 'the two maps are two');

  const chosen = await page.evaluate(() => {
    const thumbnail = document.querySelector('[data-testid="thumbnail"][aria-selected="true"]');
    return Number(thumbnail.dataset.picture);
  });
  const { answers } = shownNetwork.ask('lens', { picture: chosen, target: null }).lens;
  const written = new Map(
    answers.map((answer) => [answer.class, (100 * answer.quantized).toFixed(1)]),
  );
  const rows = await person.answers(page);
  assert.ok(rows.length > 1);
  for (const row of rows) assert.equal(row.quantized.toFixed(1), written.get(row.class), row.name);
};

/** The instructions stand at the bottom, and what their probe found in the explanation of the time. */
const namesItsKernels = async (page, build) => {
  const [bottom, headline] = await page.evaluate(() =>
    ['version', 'headline-latency'].map((id) =>
      document.querySelector(`[data-testid="${id}"]`).innerText.trim(),
    ),
  );
  const instructions = INSTRUCTIONS[build];
  assert.ok(bottom.endsWith(` · ${instructions}`), bottom);
  assert.ok(headline.endsWith(`, ${instructions}`), headline);
  const explanation = await page.evaluate(() => {
    const number = document.querySelector('[data-testid="headline-latency"]');
    number.click();
    const { innerText } = document.querySelector('[data-testid="explanation"]:popover-open');
    number.click();
    return innerText;
  });
  assert.match(explanation, /8-bit products run on/);
};

const movesTheSlider = async (page) => {
  const before = await person.headline(page);
  await page.evaluate(() => {
    const slider = document.querySelector('[data-testid="weight-bits"]');
    slider.value = '4';
    slider.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await person.settled(page);
  const coarse = await person.headline(page);
  const [kept, keptBefore] = [coarse, before].map(({ signal }) => person.numeric(signal));
  assert.ok(kept < keptBefore, 'fewer bits keep less signal');
};

/** Chooses a network in the file dialog, as far as a page can tell. */
const takesAFile = async (page) => {
  await page.evaluate(async () => {
    const response = await fetch('sample/sample_mobilenet.onnx');
    const chosen = new DataTransfer();
    chosen.items.add(new File([await response.blob()], 'chosen.onnx'));
    const input = document.querySelector('[data-testid="file-input"]');
    input.files = chosen.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
  const opened = () =>
    document.querySelector('[data-testid="model-pill"]').innerText.startsWith('chosen');
  await page.waitForFunction(opened, null, { timeout: person.PATIENCE_MS });
  await person.settled(page);
};
