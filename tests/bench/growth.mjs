// How the latency of a network grows with the size of the picture and with the number of channels.
//
//   node tests/bench/growth.mjs [--rounds N]
//
// `cargo xtask bench growth` builds, makes the networks (tests/bench/make_networks.py --growth) and calls this.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { median, withPage } from './browser.mjs';

const SIDE = 224;
const SIDES = [96, 128, 160, 192, 224, 320, 448];
const CHANNELS = [16, 32, 64, 128];
const WARM_UP = 3;
const rounds = Number(parseArgs({ options: { rounds: { type: 'string', default: '15' } } }).values.rounds);

const engines = [{ name: 'relaxed', kind: 'ours', address: '/built/relaxed.wasm' }];

await withPage(async (page, browser) => {
  const measure = async (name, suffix, side) => {
    const network = `/built/networks/growth_${name}${suffix}.onnx`;
    const [{ times }] = await page.evaluate((task) => window.race(task), { engines, network, rounds, warmUp: WARM_UP, side });
    return { median: median(times), least: Math.min(...times) };
  };
  const line = async (what, name, side, unit) => {
    const [full, int8] = [await measure(name, '', side), await measure(name, '_int8', side)];
    const per = (time) => `${((1e6 * time.least) / unit).toFixed(2)}`.padStart(8);
    const cell = (time) => `${time.median.toFixed(2)} (${time.least.toFixed(2)})`.padStart(18);
    console.log(`${what.padEnd(34)} full ${cell(full)} ms, ${per(full)}   int8 ${cell(int8)} ms, ${per(int8)}`);
  };
  console.log(`${cpus()[0].model}, Chromium ${browser}, build relaxed; median (least) of ${rounds} runs`);
  console.log('by the side of the picture; last figure of each: nanoseconds a pixel of the input');
  for (const name of ['resnet18_64', 'mobilenet_v2'])
    for (const side of SIDES) await line(`${name} ${side} × ${side}`, name, side, side * side);
  console.log('by the channels of the first layer, 224 × 224; last figure: nanoseconds per channel²');
  for (const channels of CHANNELS) await line(`resnet18 ${channels} channels`, `resnet18_${channels}`, SIDE, channels * channels);
});
