// The system's Firefox, driven over WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), which it
// speaks without a driver. playwright-core wants a Firefox newer than the extended support release.
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Page } from './page.mjs';
import { onPath, start } from './processes.mjs';

const require = createRequire(new URL('../../www/package.json', import.meta.url));
const { WebSocket } = require('ws');

/** Commands and their answers over one socket; `listen` hears of events. */
const connect = async (address, listen) => {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map();
  const giveUp = () => {
    for (const { reject } of waiting.values()) reject(new Error('Firefox has gone'));
    waiting.clear();
  };
  socket.on('close', giveUp);
  socket.on('message', (data) => {
    const { type, id, result, error, message, method, params } = JSON.parse(data);
    if (type === 'event') return listen(method, params);
    const { resolve, reject, command } = waiting.get(id);
    waiting.delete(id);
    if (type === 'success') resolve(result);
    else reject(new Error(`${command}: ${error}: ${message}`));
  });
  let count = 0;
  const send = (command, params = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject, command });
      socket.send(JSON.stringify({ id: count, method: command, params }));
    });
  return { send, close: () => socket.terminate() };
};

/** Runs an expression that promises a string. */
const evaluate = async (send, context, expression) => {
  const { type, result, exceptionDetails } = await send('script.evaluate', {
    expression,
    target: { context },
    awaitPromise: true,
  });
  if (type === 'exception') throw new Error(exceptionDetails.text);
  return result.value;
};

/** Records what no page of ours may say: errors and warnings, and requests that failed. */
const recordComplaints = (complaints) => (method, params) => {
  if (method === 'log.entryAdded' && ['error', 'warn'].includes(params.level))
    complaints.push(params.text);
  if (method === 'network.fetchError') complaints.push(`failed: ${params.request.url}`);
};

/** Starts Firefox without a window. `open` gives a page, `complaints` what all of them said. */
export const launchFirefox = async () => {
  const profile = await mkdtemp(join(tmpdir(), 'bitlens-firefox-'));
  const flags = ['--headless', '--no-remote', '--remote-debugging-port', '0', '--profile', profile];
  const says = /WebDriver BiDi listening on (ws:\/\/\S+)/;
  const program = await start(onPath('firefox-esr', 'firefox'), flags, { says });
  const complaints = [];
  const { send, close } = await connect(
    `${program.match[1]}/session`,
    recordComplaints(complaints),
  );
  const { capabilities } = await send('session.new', { capabilities: {} });
  await send('session.subscribe', { events: ['log.entryAdded', 'network.fetchError'] });
  return {
    name: `Firefox ${capabilities.browserVersion}`,
    complaints,
    async open(address, viewport) {
      const { context } = await send('browsingContext.create', { type: 'tab' });
      await send('browsingContext.setViewport', { context, viewport });
      await send('browsingContext.navigate', { context, url: address, wait: 'complete' });
      const page = new Page((expression) => evaluate(send, context, expression));
      page.screenshot = async () => {
        const { data } = await send('browsingContext.captureScreenshot', { context });
        return Buffer.from(data, 'base64');
      };
      return page;
    },
    async close() {
      close();
      await program.end();
      await rm(profile, { recursive: true, maxRetries: 5 });
    },
  };
};
