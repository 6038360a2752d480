// The build with threads on one thread and on several, in turns, in one instance.
//
//   node tests/bench/threads.mjs [--rounds N] [--threads 1,2] [NETWORK …]
//
// `cargo xtask bench threads` builds, makes the networks and calls this. Prints a table and writes
// target/bench/threads.json. Other bits on another number of threads fail the bench.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { folder, median, withPage } from './browser.mjs';

const args = process.argv.slice(2);
const option = (name, otherwise) => {
  const at = args.indexOf(name);
  return at < 0 ? otherwise : args.splice(at, 2)[1];
};
const rounds = Number(option('--rounds', '21'));
const counts = option('--threads', '1,2').split(',').map(Number);
const known = JSON.parse(readFileSync(join(folder, 'networks/networks.json'), 'utf8'));
const names = args.length ? args : known.networks;

const rows = await withPage(async (page, browser) => {
  const found = [];
  for (const name of names)
    for (const [precision, suffix] of [
      ['full', ''],
      ['int8', '_int8'],
    ]) {
      const task = { address: '/built/threads.wasm', network: `/built/networks/${name}${suffix}.onnx`, side: 224, counts, rounds, warmUp: 5 };
      const { same, racers } = await page.evaluate((what) => window.threads(what), task);
      const [one] = racers;
      for (const { count, times } of racers) {
        const ratio = median(one.times.map((time, round) => time / times[round]));
        const least = Math.min(...times);
        found.push({ network: name, precision, threads: count, rounds, ms: median(times), minMs: least, ratio, minRatio: Math.min(...one.times) / least, same, browser });
        const row = found.at(-1);
        console.log([name.padEnd(13), precision, String(count).padStart(2), row.ms.toFixed(1).padStart(8), `min ${least.toFixed(1)}`.padStart(10), `${ratio.toFixed(2)}×`.padStart(7), `of least ${row.minRatio.toFixed(2)}×`, same ? '' : 'OTHER BITS'].join('  '));
      }
    }
  return found;
});

const commit = execFileSync('git', ['describe', '--always', '--dirty'], { cwd: import.meta.dirname }).toString().trim();
writeFileSync(join(folder, 'threads.json'), `${JSON.stringify({ commit, machine: cpus()[0].model, rows }, null, 1)}\n`);
console.log(`\nmedians of ${rounds} rounds in ms, least, and one thread ÷ so many; ${join(folder, 'threads.json')}`);
process.exitCode = rows.every(({ same }) => same) ? 0 : 1;
