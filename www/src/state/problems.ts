/** From errors to cards: what, where, why, what to do. */
import { EngineRefusal } from '../engine/client';
import type { Refused } from '../engine/protocol';
import { bytes, memory } from '../lib/format';
import type { Load, Verdict } from '../lib/memory';
import type { OpenedFile, Problem } from './state';

type Card = Omit<Problem, 'id'>;

/** A card for something that failed while doing `what` ("The network was not loaded"). */
export function problemFrom(what: string, error: unknown, file: string | null = null): Card {
  if (error instanceof EngineRefusal) {
    const { message, node, hint, support } = error.detail;
    const where = [file, node ? `node ${node}` : null].filter((part) => part !== null).join(', ');
    return { what, where: where || null, why: sentence(message), todo: hint, ...(support && { support }) };
  }
  const why = error instanceof Error ? error.message : String(error);
  return { what, where: file, why, todo: null };
}

/** A card for a network that waits for the files of its weights. */
export function waitingProblem(error: EngineRefusal, file: string, missing: string[]): Card {
  const card = problemFrom('The network waits for its weights', error, file);
  return { ...card, todo: `Drop ${missing.length === 1 ? 'the missing file' : 'the missing files'} too: what you dropped is kept until then.` };
}

/** An inner message that the engine passes on may begin small. */
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A card for what would not fit into memory; null when it will. */
export function memoryProblem(load: Load, { fits, needed, limit }: Verdict, files: OpenedFile[]): Card | null {
  if (fits === 'yes') return null;
  const sure = fits === 'no';
  const what = load.network > load.pictures ? 'the network' : 'the pictures';
  const sizes = [load.network > 0 && `${bytes(load.network)} of network`, load.pictures > 0 && `${bytes(load.pictures)} of pictures`].filter(Boolean);
  return {
    what: sure ? 'Too large for this browser: nothing was opened' : 'This may be too large for this device: nothing was opened yet',
    where: null,
    why: `To quantize and compare ${sizes.join(' and ')} takes ${sure ? 'at least' : 'about'} ${memory(needed)} of memory. ${sure ? `A page here can have ${memory(limit)} at most.` : `Beyond ${memory(limit)} a page on this device may be closed by the system.`}`,
    todo: sure
      ? `Use ${what === 'the network' ? 'a smaller network, or the command line, which has no such limit' : 'fewer or smaller pictures: 30 to 200 are enough'}.`
      : `Close other tabs and programs first${what === 'the network' ? ', or use a computer with more memory' : ', or use fewer pictures: 30 to 200 are enough'}.`,
    ...(sure ? {} : { anyway: files }),
  };
}

const MAX_LISTED = 5;

/** One card for all files that were not taken, the engine's reason beside each name. */
export function refusedFiles(refused: Refused[]): Card | null {
  if (refused.length === 0) return null;
  const listed = refused.slice(0, MAX_LISTED).map(({ name, error }) => `${name}: ${error.message}`);
  const more = refused.length - listed.length;
  const hints = new Set(refused.flatMap(({ error }) => error.hint ?? []));
  return {
    what: refused.length === 1 ? 'One file was not taken' : `${refused.length} files were not taken`,
    where: null,
    why: [...listed, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n'),
    todo: hints.size > 0 ? [...hints].join(' ') : null,
  };
}
