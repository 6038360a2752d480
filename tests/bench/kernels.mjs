// Rates of the kernels by themselves, and what share that is of their instruction's rate in registers.
//
//   node tests/bench/kernels.mjs BUILD [FILTER]      for example: relaxed "int8 resnet18"
import { withPage } from './browser.mjs';

const [build, filter = ''] = process.argv.slice(2);
const figures = await withPage((page) => page.evaluate((task) => window.kernels(task), { address: `/built/${build}.wasm`, filter }));
for (const { name, unit, rate, peak } of figures) {
  const share = peak ? `${((100 * rate) / peak).toFixed(0).padStart(4)} %` : '';
  console.log(`${name.padEnd(46)} ${rate.toFixed(2).padStart(8)} ${unit} ${share}`);
}
