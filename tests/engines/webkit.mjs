// The system's WebKitGTK, driven over WebDriver (https://www.w3.org/TR/webdriver2/) by its own driver.
// It needs a screen, for which there is Xvfb; when that ends, so does all that was drawn there.
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Page } from './page.mjs';
import { onPath, start } from './processes.mjs';

/** Longer than any test waits for a script. */
const SCRIPT_MS = 600_000;

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** One command of the protocol. */
const command = async (base, method, path, body) => {
  const response = await fetch(`${base}${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
  return value;
};

/** Waits until the driver listens: it does not say so. */
const listening = async (base) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await command(base, 'GET', '/status');
    } catch (error) {
      if (attempt === 300) throw error;
      await sleep(100);
    }
  }
};

/** Runs an expression that promises a string. */
const evaluate = async (send, expression) => {
  const script = `const done = arguments[arguments.length - 1];
    ${expression}.then((value) => done({ value }), (error) => done({ error: String(error) }));`;
  const { value, error } = await send('POST', '/execute/async', { script, args: [] });
  if (error) throw new Error(error);
  return value;
};

/** Starts the driver on a screen of its own, and a browser session. */
const startSession = async (screen, port) => {
  const driver = await start(onPath('WebKitWebDriver'), [`--port=${port}`], {
    env: {
      DISPLAY: `:${screen}`,
      // Its sandbox wants rights that containers do not give; the pages are our own.
      WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
    },
  });
  const base = `http://127.0.0.1:${port}`;
  try {
    await listening(base);
    const capabilities = { alwaysMatch: { timeouts: { script: SCRIPT_MS } } };
    const session = await command(base, 'POST', '/session', { capabilities });
    return { driver, base: `${base}/session/${session.sessionId}`, ...session.capabilities };
  } catch (error) {
    await driver.end();
    throw error;
  }
};

/** Starts WebKitGTK on a screen that nobody sees. `open` shows a page, one at a time. */
export const launchWebKit = async () => {
  const screen = await start(
    onPath('Xvfb'),
    ['-displayfd', '3', '-screen', '0', '1600x1400x24', '-nolisten', 'tcp'],
    { says: /^(\d+)\n/m, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] },
  );
  const session = await startSession(screen.match[1], await freePort()).catch(async (error) => {
    await screen.end();
    throw error;
  });
  const send = (method, path, body) => command(session.base, method, path, body);
  return {
    name: `WebKitGTK ${session.browserVersion}`,
    async open(address, viewport) {
      await send('POST', '/window/rect', viewport);
      await send('POST', '/url', { url: address });
      const page = new Page((expression) => evaluate(send, expression));
      page.screenshot = async () => Buffer.from(await send('GET', '/screenshot'), 'base64');
      return page;
    },
    async close() {
      await send('DELETE', '');
      await session.driver.end();
      await screen.end();
    },
  };
};
