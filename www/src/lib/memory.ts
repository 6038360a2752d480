/**
 * Whether what is dropped will fit into memory, before any of it is given to the engine.
 *
 * How large a network's activations are is not known before it is read, so this is an estimate from
 * the size of the file. Where it is only doubtful, the user decides.
 */

/** What is to be opened, and what is open beside it, in bytes of files. */
export interface Load {
  network: number;
  pictures: number;
}

export interface Machine {
  /** Its memory in GiB, as far as the browser says. */
  memoryGiB: number | null;
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

/*
 * How large the engine's memory grows, measured with `node tests/bench/memory.mjs` (version 0.1.0, both
 * builds alike). In MB: the file, then the memory once the network was opened, quantized for the first
 * time, compared and looked at on two pictures, and used with three more recipes:
 *
 *   mobilenet_v2 at 224²        14      58     83    171     171
 *   squeezenet_v1.1 at 224²      5      30     32     79      80
 *   resnet56 at 32²              3.5    14     21     29      35
 *   dense,  6 layers of 2048²  102     206    572    572     932
 *   dense, 12 layers of 2048²  203     425   1131   1131    1840
 *   dense, 24 layers of 2048²  404     828   2239   2239    3653
 *
 * Weights: 5.5 bytes for each of the file until the first result, 9 while one recipe follows another.
 * What is beyond that are activations, which grow with the picture and not with the file.
 */
const LEAST_PER_BYTE = 5.5;
const LIKELY_PER_BYTE = 9;

/** Twice what the activations of any of these networks take: deeper ones have more. */
const ACTIVATIONS = 200e6;

/** A tab shares the machine with its system and other tabs; a quarter is not much to ask for. */
const SURE_SHARE = 1 / 4;

/** What a machine is taken to have that does not say: Safari and Firefox tell nobody. */
const UNKNOWN_GIB = { handheld: 4, other: 8 };

export function willFit({ network, pictures }: Load, { memoryGiB, handheld }: Machine): Verdict {
  const memory = (memoryGiB ?? (handheld ? UNKNOWN_GIB.handheld : UNKNOWN_GIB.other)) * GIB;
  const most = Math.min(ADDRESSABLE, memory);
  const least = LEAST_PER_BYTE * network + pictures;
  if (least > most) return { fits: 'no', needed: least, limit: most };
  const needed = LIKELY_PER_BYTE * network + pictures + ACTIVATIONS;
  const limit = memory * SURE_SHARE;
  return { fits: needed > limit ? 'perhaps' : 'yes', needed, limit };
}
