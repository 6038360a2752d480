// cargo's runner of wasm tests in a browser: `node wasm_tests.mjs BROWSER XTASK TEST.wasm [ARGUMENT…]`.
// wasm-bindgen's own runner (`XTASK wasm-test-runner`) serves a page that runs the tests in a worker;
// here a browser is sent to it that has no driver which that runner knows, and what the page says is
// printed as it comes.
import { setTimeout as sleep } from 'node:timers/promises';
import { BROWSERS } from './browsers.mjs';
import { start } from './processes.mjs';

/** As `.cargo/config.toml` has it for the other browsers. */
const LIMIT_MS = 1000 * Number(process.env.WASM_BINDGEN_TEST_TIMEOUT ?? 300);

const [browserName, xtask, ...tests] = process.argv.slice(2);

/** The page's last words: of the tests, or of a worker that did not get so far. */
const LAST = /^(test result: |Worker error: ).*$/m;

/** Prints the page's lines until it has said the result, and returns that. */
const follow = async (page) => {
  const end = Date.now() + LIMIT_MS;
  let printed = 0;
  for (;;) {
    const text = await page.evaluate(() => document.getElementById('output').textContent);
    process.stdout.write(text.slice(printed));
    printed = text.length;
    const last = LAST.exec(text);
    if (last) return last[0];
    if (Date.now() > end) throw new Error(`no result of the tests within ${LIMIT_MS} ms`);
    await sleep(100);
  }
};

const server = await start(xtask, ['wasm-test-runner', ...tests], {
  says: /now available at (http:\S+)|no tests to run/,
  env: {
    NO_HEADLESS: '1',
    WASM_BINDGEN_TEST_ADDRESS: '127.0.0.1:0',
    WASM_BINDGEN_USE_DEDICATED_WORKER: '1',
  },
});
const [, address] = server.match;
if (!address) {
  console.log('no tests to run');
  process.exit();
}
const browser = await BROWSERS[browserName]();
try {
  console.log(`wasm tests in a worker of ${browser.name}`);
  const page = await browser.open(address, { width: 800, height: 600 });
  if (!(await follow(page)).startsWith('test result: ok.')) process.exitCode = 1;
} finally {
  await browser.close();
  await server.end();
}
