// Ours (both builds) and onnxruntime-web on the same files, in turns, in one Chromium process.
//
//   node tests/bench/peer.mjs [--rounds N] [NETWORK …]
//
// `cargo xtask bench peer` builds, makes the networks (tests/bench/make_networks.py) and calls this. Prints
// a table and writes target/bench/peer.json. A build whose output is not the peer's fails the bench: times
// of wrong numbers mean nothing.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { folder, median, withPage } from './browser.mjs';

const SIDE = 224;
const WARM_UP = 5;
/** Engines sum floats in their own order; a thousandth of the largest logit is far above that. */
const FLOAT_BOUND = 1e-3;
/**
 * The peer's wasm build rounds some codes otherwise than its native build with AVX2, whose codes ours are; next
 * to a half step such a code falls the other way and moves others. On MobileNetV2 the peer's own two builds
 * differ by 0.029 of the largest logit; on the other networks all are equal.
 */
const CODE_BOUND = 0.05;

const args = process.argv.slice(2);
const at = args.indexOf('--rounds');
const rounds = at < 0 ? 21 : Number(args.splice(at, 2)[1]);
const known = JSON.parse(readFileSync(join(folder, 'networks/networks.json'), 'utf8'));
const names = args.length ? args : known.networks;

const engines = [
  { name: 'peer', kind: 'peer', address: '/peer/' },
  { name: 'relaxed', kind: 'ours', address: '/built/relaxed.wasm' },
  { name: 'simd128', kind: 'ours', address: '/built/simd128.wasm' },
];

const rows = await withPage(async (page, browser) => {
  const found = [];
  for (const name of names)
    for (const [precision, suffix, bound] of [
      ['full', '', FLOAT_BOUND],
      ['int8', '_int8', CODE_BOUND],
    ]) {
      const network = `/built/networks/${name}${suffix}.onnx`;
      const results = await page.evaluate((task) => window.race(task), { engines, network, rounds, warmUp: WARM_UP, side: SIDE });
      const peer = results[0];
      for (const result of results.slice(1)) {
        // Round by round, so that what slows one round down is in both of its times.
        const ratios = peer.times.map((time, round) => time / result.times[round]);
        found.push({
          network: name,
          precision,
          build: result.name,
          rounds,
          peerMs: median(peer.times),
          oursMs: median(result.times),
          peerMinMs: Math.min(...peer.times),
          oursMinMs: Math.min(...result.times),
          ratio: median(ratios),
          difference: result.difference,
          sameAnswer: result.sameAnswer,
          sameOutput: result.difference <= bound,
          browser,
        });
        const row = found.at(-1);
        const cells = [row.network.padEnd(13), precision, result.name.padEnd(8), row.peerMs.toFixed(1).padStart(8), row.oursMs.toFixed(1).padStart(8)];
        console.log([...cells, `${row.ratio.toFixed(2)}×`.padStart(7), `min ${row.peerMinMs.toFixed(1)} / ${row.oursMinMs.toFixed(1)}`.padStart(20), `differs by ${row.difference.toExponential(1)}`].join('  '));
      }
    }
  return found;
});

const commit = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: import.meta.dirname }).toString().trim();
const result = { commit, machine: cpus()[0].model, peer: 'onnxruntime-web 1.30.0', made: known.versions, rows };
writeFileSync(join(folder, 'peer.json'), `${JSON.stringify(result, null, 1)}\n`);

for (const name of names) {
  const time = (precision) => rows.find((row) => row.network === name && row.precision === precision && row.build === 'relaxed').oursMs;
  console.log(`${name}: ours int8 ${(time('full') / time('int8')).toFixed(2)}× faster than ours full precision (relaxed)`);
}
console.log(`\nmedians of ${rounds} rounds in ms; columns: peer, ours, peer ÷ ours; ${join(folder, 'peer.json')}`);
const wrong = rows.filter((row) => !row.sameOutput);
for (const row of wrong) console.error(`${row.network} ${row.precision} (${row.build}): the output is not the peer's`);
process.exitCode = wrong.length ? 1 : 0;
