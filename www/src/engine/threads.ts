/**
 * The build with threads. It wants an isolated page, since threads share memory, and a site that has it:
 * where `cargo xtask build` could not make it, nothing is found here.
 */
import type { Engine } from './protocol';
import { threadsHere } from './features';

interface Threads {
  Engine: new () => Engine;
  start(threads: number): Promise<number>;
}

const made = import.meta.glob<Threads>('../../../pkg/threads/start.js');

/** An engine with threads, or null where one of the other builds is to run. Says why where it should have run. */
export async function startThreads(): Promise<{ engine: Engine; build: string } | null> {
  const [open] = Object.values(made);
  const threads = threadsHere();
  if (!open || threads < 2) return null;
  try {
    const { Engine, start } = await open();
    await start(threads);
    return { engine: new Engine(), build: 'threads' };
  } catch (error) {
    console.warn('Bitlens runs on one thread:', error instanceof Error ? error.message : error);
    return null;
  }
}
