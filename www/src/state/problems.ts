/** From errors to cards: what, where, why, what to do. */
import { EngineRefusal } from '../engine/client';
import type { Refused } from '../engine/protocol';
import type { Problem } from './state';

type Card = Omit<Problem, 'id'>;

/** A card for something that failed while doing `what` ("The network was not loaded"). */
export function problemFrom(what: string, error: unknown, file: string | null = null): Card {
  if (error instanceof EngineRefusal) {
    const { message, node, hint } = error.detail;
    const where = [file, node ? `node ${node}` : null].filter((part) => part !== null).join(', ');
    return { what, where: where || null, why: sentence(message), todo: hint };
  }
  const why = error instanceof Error ? error.message : String(error);
  return { what, where: file, why, todo: null };
}

/** An inner message that the engine passes on may begin small. */
const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

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
