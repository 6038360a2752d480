import type { InitInput } from './simd128/bitlens.js';

export * from './simd128/bitlens.js';

/** A wasm build: the baseline, or the one that uses relaxed SIMD instructions. */
export type Variant = 'simd128' | 'relaxed';

/** The build for this engine: `relaxed` where relaxed SIMD validates, else `simd128`. */
export declare const bestVariant: () => Variant;

/**
 * Loads a build, once per thread, before any other function of this package is called.
 *
 * @param variant which build; by default the best this engine accepts
 * @param wasm where the wasm file is, or its bytes; by default the file beside the loader
 * @returns the build that was loaded
 */
export declare function load(variant?: Variant, wasm?: InitInput): Promise<Variant>;
