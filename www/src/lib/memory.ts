/**
 * Whether what is dropped fits into memory, and how much a network may take: the engine knows what a
 * network takes (`memoryBytes`, before it takes most of it), the page what there is.
 */

/** What is to be opened, and what is open beside it, in bytes of files. */
export interface Load {
  network: number;
  pictures: number;
}

export interface Machine {
  /** Its memory in GiB, as far as the browser says. */
  memoryGiB: number | null;
  /** Threads that it runs at once. */
  cores: number;
  /** Whether it is operated with fingers: a phone or a tablet. */
  handheld: boolean;
}

export interface Verdict {
  fits: 'yes' | 'perhaps' | 'no';
  /** Bytes that it will take, about; where it cannot fit, those that it takes at least. */
  needed: number;
  /** Bytes beyond which it is doubtful, or impossible. */
  limit: number;
}

const GIB = 2 ** 30;

/** The engine's addresses have 32 bits. */
const ADDRESSABLE = 4 * GIB;

/** What any network takes, by its file: the file, and the tensors that are made of it. The engine says more. */
const LEAST_PER_BYTE = 2;

/** A tab shares the machine with its system and other tabs; a quarter is not much to ask for. */
const SURE_SHARE = 1 / 4;

/** What a machine is taken to have that does not say: Safari and Firefox tell nobody. */
const UNKNOWN_GIB = { handheld: 4, other: 8 };

/** Bytes that a page may have: without a doubt, and at the very most. */
function limits({ memoryGiB, handheld }: Machine): { sure: number; most: number } {
  const memory = (memoryGiB ?? (handheld ? UNKNOWN_GIB.handheld : UNKNOWN_GIB.other)) * GIB;
  const most = Math.min(ADDRESSABLE, memory);
  return { sure: Math.min(most, memory * SURE_SHARE), most };
}

/** What can be said before anything is read. */
export function willFit({ network, pictures }: Load, machine: Machine): Verdict {
  const { sure, most } = limits(machine);
  const least = LEAST_PER_BYTE * network + pictures;
  if (least > most) return { fits: 'no', needed: least, limit: most };
  return { fits: least > sure ? 'perhaps' : 'yes', needed: least, limit: sure };
}

/** What to let the engine take for a network beside these pictures; if the user insists, all there is. */
export function memoryLimit(pictures: number, machine: Machine, insisted: boolean): number {
  const { sure, most } = limits(machine);
  return Math.max(0, (insisted ? most : sure) - pictures);
}

/** More engines than this hardly gain anything: they share the memory's bandwidth. */
const MOST_ENGINES = 4;

/** How many engines may stand beside the first, where each takes so many bytes. */
export function roomForHelpers(bytesEach: number, machine: Machine): number {
  const fitting = Math.floor(limits(machine).sure / Math.max(1, bytesEach));
  return Math.max(0, Math.min(MOST_ENGINES, machine.cores, fitting) - 1);
}

/** A network that takes so much beside these pictures, and so was refused. */
export function refusedNetwork(networkBytes: number, pictures: number, machine: Machine): Verdict {
  const { sure, most } = limits(machine);
  const needed = networkBytes + pictures;
  return needed > most ? { fits: 'no', needed, limit: most } : { fits: 'perhaps', needed, limit: sure };
}
