// A thread of the pool: an instance on the memory of the engine that it helps.
import { breakPool, enterPool, initSync } from './bitlens.js';

/** As large as the engine's own; kernels take a small part of it. */
const STACK_BYTES = 1 << 20;

self.onmessage = ({ data: { module, memory } }) => {
  initSync({ module, memory, thread_stack_size: STACK_BYTES });
  self.postMessage('entering');
  try {
    enterPool(); // stays there
  } catch (error) {
    breakPool(); // or the engine would wait for ever
    throw error;
  }
};
