/** What travels between the page and its worker. */
import type { BulkData, EngineError, EngineEvent, EngineRequest, EngineResponse } from './protocol';

/** Page to worker. */
export type ToWorker =
  | { kind: 'call'; id: number; request: EngineRequest; files: Blob[] }
  | { kind: 'cancel'; id: number };

/** Worker to page. After `crashed` the worker answers nothing more. */
export type FromWorker =
  | { kind: 'ready'; build: string }
  | { kind: 'events'; id: number; events: EngineEvent[] }
  | { kind: 'done'; id: number; response: EngineResponse; buffers: [number, BulkData][] }
  | { kind: 'failed'; id: number; error: EngineError }
  | { kind: 'cancelled'; id: number }
  | { kind: 'crashed'; message: string };

/** The part of a `Worker` (or of one end of a `MessageChannel`) that this protocol uses. */
export interface Port {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}
