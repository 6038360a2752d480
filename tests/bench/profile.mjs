// What each node of a network takes in one of our builds: the least of several runs.
//
//   node tests/bench/profile.mjs BUILD NETWORK [RUNS]      for example: relaxed resnet18_int8
import { withPage } from './browser.mjs';

const [build, network, runs = 15] = process.argv.slice(2);
const nodes = await withPage((page) =>
  page.evaluate((task) => window.profile(task), {
    address: `/built/${build}.wasm`,
    network: `/built/networks/${network}.onnx`,
    runs: Number(runs),
    side: 224,
  }),
);
const total = nodes.reduce((sum, node) => sum + node.ms, 0);
const rate = ({ macs, ms }) => (macs ? `${(macs / ms / 1e6).toFixed(1)} GMAC/s` : '');
for (const node of nodes) {
  const shape = `[${node.shape}]`.padEnd(20);
  const weight = (node.weight.length ? `w [${node.weight}]${node.groups > 1 ? ` / ${node.groups}` : ''}${node.stride > 1 ? ` stride ${node.stride}` : ''}` : '').padEnd(32);
  console.log(`${node.op.padEnd(24)} ${shape} ${weight} ${node.ms.toFixed(3).padStart(9)} ms  ${((100 * node.ms) / total).toFixed(1).padStart(5)} %  ${rate(node)}`);
}
const sums = {};
for (const node of nodes) {
  const kernel = node.weight.length === 4 ? `${node.op} ${node.groups > 1 ? 'depthwise' : node.weight[1] <= 4 ? 'first layer' : node.weight[2] === 1 ? 'pointwise' : `${node.weight[2]}x${node.weight[3]}`}` : node.op;
  sums[kernel] ??= { ms: 0, macs: 0 };
  sums[kernel].ms += node.ms;
  sums[kernel].macs += node.macs;
}
console.log('');
for (const [kernel, sum] of Object.entries(sums).sort(([, a], [, b]) => b.ms - a.ms)) console.log(`${kernel.padEnd(28)} ${sum.ms.toFixed(2).padStart(9)} ms  ${((100 * sum.ms) / total).toFixed(1).padStart(5)} %  ${rate(sum)}`);
console.log(`${'all'.padEnd(28)} ${total.toFixed(2).padStart(9)} ms`);
