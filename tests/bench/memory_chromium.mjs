// Peak memory of the engine and of onnxruntime-web in one Chromium: the table of docs/memory.md.
//
//   node tests/bench/memory_chromium.mjs [--build simd128] [--only-bitlens] NETWORK.onnx …
//
// Each figure has a worker of its own, since a wasm memory only grows: its size at the end is its peak.
// `full precision` and `int8` open a file and run it on one picture, the same file in both; the int8 file is
// what the engine exports of the network. `visit` is all that the page does with the network, beside the estimate
// that the engine makes before it takes most of it. What JavaScript
// holds beside is not in it: onnxruntime-web takes the file as an array, the engine reads it as a stream.
// onnxruntime-web is installed into target/bench, at the version below; nothing else uses it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch, openPage } from '../e2e/browser.mjs';
import { serve } from '../e2e/server.mjs';

const ONNXRUNTIME = '1.30.0';
const PICTURES = ['boat_0.png', 'car_0.png'];
const folder = (path) => fileURLToPath(new URL(path, import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { build: { type: 'string', default: 'relaxed' }, 'only-bitlens': { type: 'boolean', default: false } },
});
const withOthers = !values['only-bitlens'];

/** Where onnxruntime-web's files are. */
const onnxruntime = () => {
  const prefix = folder('../../target/bench');
  const installed = `${prefix}/node_modules/onnxruntime-web`;
  const version = (path) => existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).version;
  if (version(`${installed}/package.json`) !== ONNXRUNTIME)
    execFileSync('npm', ['install', '--no-save', '--prefix', prefix, `onnxruntime-web@${ONNXRUNTIME}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  return `${installed}/dist`;
};

const mounts = { '/pkg/': folder('../../pkg'), '/sample/': folder('../../www/public/sample'), '/e2e/': folder('../e2e') };
positionals.forEach((path, at) => (mounts[`/${at}/`] = dirname(path)));
if (withOthers) mounts['/ort/'] = onnxruntime();
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const server = await serve(folder('.'), { prefix: '/bench/', headers, also: mounts });
const browser = await launch();

/** Lets a worker of that script do a task; files of the page are named. The int8 file stays in the page. */
const ask = async (page, script, task) => {
  const { result, error } = await page.evaluate(
    async ({ script: path, task: { network, pictures = [], ...rest } }) => {
      const blob = async (address) => (await fetch(address)).blob();
      const file = network === 'int8' ? globalThis.int8 : await blob(network);
      const worker = new Worker(path, { type: 'module' });
      const message = { ...rest, file, pictures: await Promise.all(pictures.map(blob)) };
      const answer = await new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message: text }) => resolve({ error: text ?? 'the worker did not load' });
        worker.postMessage(message);
      });
      worker.terminate();
      if (answer.result?.int8) globalThis.int8 = answer.result.int8;
      return { error: answer.error, result: answer.result && { ...answer.result, int8: answer.result.int8?.size, file: file.size } };
    },
    { script, task },
  );
  if (error) throw new Error(`${script}, ${task.network}: ${error}`);
  return result;
};

const MB = (bytes) => (bytes / 1e6).toFixed(1);
const { page } = await openPage(browser, `${server.address}../e2e/worker.html`);
console.log(`${cpus()[0].model}, Chromium ${browser.version()}, build ${values.build}, onnxruntime-web ${ONNXRUNTIME}; MB of wasm memory`);
for (const [at, path] of positionals.entries()) {
  const network = `/${at}/${encodeURIComponent(basename(path))}`;
  const pictures = PICTURES.map((name) => `/sample/${name}`);
  const bitlens = (task, which) => ask(page, '/bench/memory_bitlens.mjs', { build: values.build, task, network: which, pictures });
  const visits = [['full precision', await bitlens('visit', network)], ['int8', await bitlens('visit', 'int8')]];
  const [full, int8] = [await bitlens('run', network), await bitlens('run', 'int8')];
  console.log(`${basename(path)}: ${MB(full.file)} MB, int8 ${MB(int8.file)} MB`);
  console.log(`  bitlens          full precision ${MB(full.opened)} opened, ${MB(full.ran)} run, ${MB(full.again)} after 30 more; int8 ${MB(int8.opened)} opened, ${MB(int8.ran)} run, ${MB(int8.again)} after 30 more`);
  for (const [which, visit] of visits) {
    const steps = ['opened', 'quantized', 'compared', 'exported'].map((step) => `${MB(visit[step])} ${step}`);
    const estimate = `estimate ${MB(visit.estimate)}, ${(visit.estimate / visit.exported).toFixed(2)} of it`;
    const times = Object.values(visit.times).map((time) => time.toFixed(1));
    console.log(`  visit ${which}: ${steps.join(', ')}; ${estimate}; ${times[0]} ms a run, ${times[1]} ms quantized`);
  }
  if (!withOthers) continue;
  const others = (which) => ask(page, '/bench/memory_onnxruntime.mjs', { network: which, size: full.size });
  const [theirs, theirInt8] = [await others(network), await others('int8')];
  console.log(`  onnxruntime-web  full precision ${MB(theirs.opened)} opened, ${MB(theirs.ran)} run; int8 ${MB(theirInt8.opened)} opened, ${MB(theirInt8.ran)} run (${theirs.version})`);
}
await browser.close();
await server.close();
