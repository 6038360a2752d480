// A page of any browser, with the few calls that these tests share with playwright's.
import { setTimeout as sleep } from 'node:timers/promises';

/** What the page is told to run: a function, called with an argument, its result as JSON. */
const call = (fn, argument) =>
  `(async () => JSON.stringify((await (${fn})(${JSON.stringify(argument)})) ?? null))()`;

export class Page {
  #run;

  /** `run` evaluates an expression in the page and gives the string that it promises. */
  constructor(run) {
    this.#run = run;
  }

  /** Calls a function in the page; argument and result are JSON. */
  async evaluate(fn, argument) {
    return JSON.parse(await this.#run(call(fn, argument)));
  }

  /** Waits until a function gives something true in the page. */
  async waitForFunction(fn, argument, { timeout }) {
    const end = Date.now() + timeout;
    while (!(await this.evaluate(fn, argument))) {
      if (Date.now() > end) throw new Error(`not within ${timeout} ms: ${fn}`);
      await sleep(50);
    }
  }
}
