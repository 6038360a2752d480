/**
 * The boundary to the engine, under names that do not shadow the browser's own `Request`,
 * `Response` and `Event`. The types are generated from the engine's Rust with its documentation.
 */
import type * as wire from '../../../pkg/simd128/bitlens.js';

export type EngineRequest = wire.Request;
export type EngineResponse = wire.Response;
export type EngineEvent = wire.Event;
export type BufferRef = wire.BufferRef;
export type ClassProbability = wire.ClassProbability;
export type Change = wire.Change;
export type DiagnosisView = wire.DiagnosisView;
export type Effect = wire.Effect;
export type EngineError = wire.ErrorView;
export type EngineInfo = wire.EngineInfo;
export type Evidence = wire.Evidence;
export type ExportCheck = wire.ExportCheck;
export type Finding = wire.Finding;
export type InputEffect = wire.InputEffect;
export type Interval = wire.Interval;
export type LatencyView = wire.LatencyView;
export type LayerSensitivity = wire.LayerSensitivity;
export type LayerView = wire.LayerView;
export type LensView = wire.LensView;
export type Look = wire.Look;
export type ModelView = wire.ModelView;
export type NodeTime = wire.NodeTime;
export type NodeTimes = wire.NodeTimes;
export type OperatorView = wire.OperatorView;
export type PictureComparison = wire.PictureComparison;
export type PictureView = wire.PictureView;
export type Preprocess = wire.Preprocess;
export type PreprocessView = wire.PreprocessView;
export type ProfileView = wire.ProfileView;
export type QuantizedView = wire.QuantizedView;
/** As the engine takes it. */
export type AskedRecipe = wire.Recipe;
/** A whole one: the engine takes what is missing from the preset `int8`, the page leaves nothing out but rules. */
export type Recipe = Required<Omit<wire.Recipe, 'layers'>> & Pick<wire.Recipe, 'layers'>;
export type Refused = wire.Refused;
export type ActivationRange = wire.ActivationRange;
export type RangeChoiceView = wire.RangeChoiceView;
export type RoundingView = wire.RoundingView;
export type StepResult = wire.StepResult;
export type Summary = wire.Summary;
export type SupportView = wire.SupportView;

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
  /** Makes room for a file; the number under which its bytes come. */
  reserveUpload(length: number): number;
  /** Takes the next bytes of a file. */
  writeUpload(id: number, chunk: Uint8Array): void;
  /** Starts a job. `files` are the uploads that the request speaks of, in its order. */
  begin(request: EngineRequest, files: number[]): void;
  /** Works for about `budgetMs`; throws an `EngineError`, after which the job is gone. */
  step(budgetMs: number): StepResult;
  /** Drops the job and all uploads; what was computed before stays. */
  cancel(): void;
  /** Hands over the data of a reference, once. */
  takeBuffer(id: number): Uint8Array | Float32Array | undefined;
}

/** The references inside a response, so that the worker can send their data along. */
export function bufferRefs(response: EngineResponse): BufferRef[] {
  switch (response.kind) {
    case 'quantize':
      return response.look ? mapRefs(response.look) : [];
    case 'lens':
      return mapRefs(response);
    case 'logits':
      return [response.input, response.full, ...(response.quantized ? [response.quantized] : [])];
    case 'preview':
      return [response.rgba];
    case 'exportModel':
      return [response.onnx];
    case 'loadModel':
    case 'addPictures':
    case 'clearPictures':
    case 'setLabels':
    case 'readPreprocess':
    case 'setPreprocess':
    case 'compare':
    case 'measureLatency':
    case 'profile':
    case 'diagnose':
    case 'calibrateShare':
    case 'learnStatistics':
    case 'compareShare':
    case 'learnComparisons':
    case 'engineInfo':
      return [];
  }
}

const mapRefs = ({ map }: Look): BufferRef[] => (map ? [map.full, map.quantized] : []);
