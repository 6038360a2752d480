/** What the browser must have, asked before anything is loaded. */
import { bestVariant } from '../../../pkg/loader.js';

// (module (func (result v128) i32.const 0, i8x16.splat, i8x16.popcnt)): validates with fixed-width SIMD only.
const simdProbe = new Uint8Array([
  0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00,
  0x0a, 0x0a, 0x01, 0x08, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x62, 0x0b,
]);

/** What is missing here, as a sentence for the user, or null. Which build to load is the package's choice. */
export function missingFeature(): string | null {
  if (typeof WebAssembly !== 'object') return 'This browser has WebAssembly switched off.';
  if (!WebAssembly.validate(simdProbe)) return 'This browser lacks WebAssembly SIMD (Chrome 91, Firefox 89, Safari 16.4 or newer have it).';
  return null;
}

/** More threads than these gain little on layers of this size, and take them from the rest of the computer. */
const MOST_THREADS = 4;

/** How many threads the engine may have here: one where memory cannot be shared, or without relaxed SIMD. */
export function threadsHere(): number {
  if (!globalThis.crossOriginIsolated || typeof SharedArrayBuffer !== 'function' || bestVariant() !== 'relaxed') return 1;
  return Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
}
