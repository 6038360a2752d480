// A thread of the pool: an instance on the memory of the engine that it helps.
import { breakPool, enterPool, initSync } from './bitlens.js';

self.onmessage = ({ data: { module, memory } }) => {
  initSync({ module, memory });
  self.postMessage('entering');
  try {
    enterPool(); // stays there
  } catch (error) {
    breakPool(); // or the engine would wait for ever
    throw error;
  }
};
