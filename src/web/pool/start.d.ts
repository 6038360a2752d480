export * from './bitlens.js';

/**
 * Loads the build with threads, in a dedicated worker of a cross-origin isolated page, before any other
 * function of this module is called.
 *
 * @param threads how many are to work, the calling worker included
 * @param address where the wasm file is; by default beside this one
 * @returns how many work; rejects, leaving nothing behind, where they cannot be started
 */
export declare function start(threads: number, address?: URL | string): Promise<number>;
