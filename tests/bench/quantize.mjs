// What it takes to quantize a network: in a browser by the page's own engine, and by onnxruntime's
// `quantize_static` in native Python, in turns; and how the engine's time and memory grow with the pictures.
//
//   node tests/bench/quantize.mjs [--rounds N] [--pictures N] [NETWORK.onnx [FOLDER]]
//
// Without names: ResNet-18 with random weights (tests/bench/make_networks.py) and the sample's pictures, again
// and again where there are not enough.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch, openPage } from '../e2e/browser.mjs';
import { serve } from '../e2e/server.mjs';
import { folder, median } from './browser.mjs';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '5' }, pictures: { type: 'string', default: '32' } },
});
const network = resolve(positionals[0] ?? join(folder, 'networks/resnet18.onnx'));
const pictures = resolve(positionals[1] ?? path('../../www/public/sample'));
const found = readdirSync(pictures).filter((name) => /\.(png|jpe?g)$/i.test(name) && !/mask/i.test(name)).sort();
/** So many pictures. */
const chosen = (count) => Array.from({ length: count }, (_, at) => found[at % found.length]);
const asked = Number(values.pictures);

const also = { '/pkg/': path('../../pkg'), '/network/': dirname(network), '/pictures/': pictures };
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
const server = await serve(path('.'), { prefix: '/bench/', headers, also: { ...also, '/e2e/': path('../e2e') } });
const browser = await launch();
const { page } = await openPage(browser, `${server.address}../e2e/worker.html`);

/** A worker of its own for each: a wasm memory only grows, so its size at the end is its peak. */
const ours = async (build, names) => {
  const task = { build, network: `/network/${basename(network)}`, pictures: names.map((name) => `/pictures/${encodeURIComponent(name)}`) };
  const { result, error } = await page.evaluate(async (given) => {
    const blob = async (address) => (await fetch(address)).blob();
    const worker = new Worker('/bench/quantize_bitlens.mjs', { type: 'module' });
    const message = { ...given, network: await blob(given.network), pictures: await Promise.all(given.pictures.map(blob)) };
    const answer = await new Promise((done) => {
      worker.onmessage = ({ data }) => done(data);
      worker.onerror = ({ message: text }) => done({ error: text ?? 'the worker did not load' });
      worker.postMessage(message);
    });
    worker.terminate();
    return answer;
  }, task);
  if (error) throw new Error(`${build}: ${error}`);
  return result;
};

const theirs = (names) => {
  const script = path('quantize_onnxruntime.py');
  const text = execFileSync('python3', [script, network, ...names.map((name) => join(pictures, name))], { stdio: ['ignore', 'pipe', 'ignore'] });
  return JSON.parse(text.toString().trim().split('\n').at(-1));
};

const builds = ['relaxed', 'simd128'];
const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
console.log(`${cpus()[0].model}, Chromium ${browser.version()}; ${basename(network)}, ${asked} pictures of ${pictures}`);
const taken = { onnxruntime: [], relaxed: [], simd128: [] };
let parts;
for (let round = 0; round < Number(values.rounds); round++) {
  taken.onnxruntime.push(theirs(chosen(asked)).total);
  for (const build of builds) {
    const result = await ours(build, chosen(asked));
    taken[build].push(result.total);
    parts ??= result.times;
  }
}
for (const [name, times] of Object.entries(taken)) {
  const ratios = taken.onnxruntime.map((time, round) => time / times[round]);
  console.log(`${name.padEnd(12)} median ${seconds(median(times))}, least ${seconds(Math.min(...times))}, onnxruntime ÷ this ${median(ratios).toFixed(2)} (n = ${times.length})`);
}
console.log(`relaxed, first round: ${Object.entries(parts).map(([what, ms]) => `${what} ${seconds(ms)}`).join(', ')}`);
for (const count of [8, 16, 32, 64, 128]) {
  const { times, before, peak } = await ours('relaxed', chosen(count));
  const MB = (bytes) => (bytes / 1e6).toFixed(1);
  console.log(`${String(count).padStart(4)} pictures: quantized in ${seconds(times.quantized)}, ${(times.quantized / count).toFixed(0)} ms each; memory ${MB(before)} MB with the pictures, ${MB(peak)} MB at most`);
}
await browser.close();
await server.close();
