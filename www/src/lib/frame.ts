/** A page in the background has no frames: what waits for one is done after this time all the same. */
const LONGEST_WAIT_MS = 100;

/**
 * Calls back before the next frame is drawn. States that follow each other within a frame, as those of
 * short jobs do, are then rendered once, and the engine gets its next request before anything is drawn.
 */
export function beforeNextFrame(callback: () => void): void {
  const done = (): void => {
    clearTimeout(timeout);
    cancelAnimationFrame(frame);
    callback();
  };
  const timeout = setTimeout(done, LONGEST_WAIT_MS);
  const frame = requestAnimationFrame(done);
}

/** Calls back when the next frame is drawn. */
export function afterNextFrame(callback: () => void): void {
  beforeNextFrame(() => setTimeout(callback));
}
