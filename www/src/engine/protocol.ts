/**
 * The boundary to the engine, under names that do not shadow the browser's own `Request`,
 * `Response` and `Event`. To take the types from somewhere else, change the one import line.
 */
import type * as wire from './draft';

export type EngineRequest = wire.Request;
export type EngineResponse = wire.Response;
export type EngineEvent = wire.Event;
export type {
  BufferRef,
  ClassProbability,
  EngineError,
  EngineInfo,
  ExportCheck,
  Interval,
  LatencyView,
  LayerView,
  LensView,
  ModelView,
  PictureComparison,
  PictureView,
  Preprocess,
  PreprocessView,
  QuantizedView,
  Recipe,
  Refused,
  Step,
  Summary,
} from './draft';

/** The name of a request; every kind has a response of the same kind. */
export type Kind = EngineRequest['kind'];

/** What a request of this kind takes besides its name. */
export type ArgumentsOf<K extends Kind> = Omit<Extract<EngineRequest, { kind: K }>, 'kind'>;

/** What a request of this kind answers. */
export type ResponseOf<K extends Kind> = Extract<EngineResponse, { kind: K }>;

/** Bulk data that travels beside a message instead of inside it. */
export type BulkData = Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** The engine as the worker holds it; the wasm package and the stand-in of the tests both are one. */
export interface Engine {
  /** Starts a job. `inputs` are the files that the request speaks of, in its order. */
  begin(request: EngineRequest, inputs: Uint8Array[]): void;
  /** Works for about `budgetMs`; throws an `EngineError`, after which the job is gone. */
  step(budgetMs: number): wire.Step;
  /** Drops the job; what was computed before stays. */
  cancel(): void;
  /** Hands over the data of a reference, once. */
  takeBuffer(id: number): BulkData;
}

/** The references inside a response, so that the worker can send their data along. */
export function bufferRefs(response: EngineResponse): wire.BufferRef[] {
  switch (response.kind) {
    case 'lens':
      return response.lens.map ? [response.lens.map.full, response.lens.map.quantized] : [];
    case 'preview':
      return [response.rgba];
    case 'exportModel':
      return [response.onnx];
    default:
      return [];
  }
}
