// The browsers whose engines differ in what their relaxed SIMD computes, or have none. Chromium has a
// driver that does more (tests/e2e); here it does what the others can.
import { launch, openPage } from '../e2e/browser.mjs';
import { launchFirefox } from './firefox.mjs';
import { launchWebKit } from './webkit.mjs';

const launchChromium = async () => {
  const browser = await launch();
  const heard = [];
  return {
    name: `Chromium ${browser.version()}`,
    get complaints() {
      return heard.flat();
    },
    async open(address, viewport) {
      const opened = await openPage(browser, address, { viewport });
      heard.push(opened.complaints);
      return opened.page;
    },
    close: () => browser.close(),
  };
};

/** How to start each. */
export const BROWSERS = { chromium: launchChromium, firefox: launchFirefox, webkit: launchWebKit };
