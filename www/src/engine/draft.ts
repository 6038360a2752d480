// The boundary as the page expects it, word for word what the engine generates into its package.
// It stands in until the package exports these types; see protocol.ts.

export interface BufferRef { id: number; length: number }           // engine.takeBuffer(id) -> Uint8Array | Float32Array, once

export type Request =
  | { kind: "loadModel"; name: string }                              // inputs[0] = bytes of the .onnx file
  | { kind: "addPictures"; names: string[] }                         // inputs[i] = bytes of picture i (JPEG, PNG, WebP, BMP, GIF; CIFAR .bin; idx(.gz))
  | { kind: "clearPictures" }
  | { kind: "setLabels"; name: string }                              // inputs[0] = bytes of labels.txt|json|csv or config.json (id2label) or pictures.json
  | { kind: "readPreprocess"; name: string }                         // inputs[0] = bytes of preprocessor_config.json
  | { kind: "setPreprocess"; preprocess: Preprocess }
  | { kind: "quantize"; recipe: Recipe }                             // job: calibrates (once per set of pictures and preprocessing), quantizes
  | { kind: "compare" }                                              // job: all evaluation pictures, both networks; one event a picture
  | { kind: "lens"; picture: number; target: number | null }         // one picture in depth; target class null = full precision's top-1
  | { kind: "measureLatency"; runs: number }                         // job: both networks, interleaved, median
  | { kind: "preview"; picture: number }                             // the picture as the network sees it
  | { kind: "exportModel" }                                          // ONNX QDQ file
  | { kind: "engineInfo" };

export type Response =
  | { kind: "loadModel"; model: ModelView; preprocess: PreprocessView }
  | { kind: "addPictures"; pictures: PictureView[]; refused: Refused[] }   // pictures: the whole list after the change
  | { kind: "clearPictures" }
  | { kind: "setLabels"; classes: string[]; pictures: PictureView[] }
  | { kind: "readPreprocess"; preprocess: PreprocessView }
  | { kind: "setPreprocess"; preprocess: PreprocessView }
  | { kind: "quantize"; quantized: QuantizedView }
  | { kind: "compare"; summary: Summary; pictures: PictureComparison[] }
  | { kind: "lens"; lens: LensView }
  | { kind: "measureLatency"; latency: LatencyView }
  | { kind: "preview"; width: number; height: number; rgba: BufferRef }    // Uint8Array RGBA
  | { kind: "exportModel"; fileName: string; onnx: BufferRef; sizeBytes: number; verified: ExportCheck }
  | { kind: "engineInfo"; info: EngineInfo };

// Posted while a job runs.
export type Event =
  | { kind: "progress"; phase: string; done: number; total: number }       // phase is a sentence fragment: "calibrating", "comparing"
  | { kind: "pictureCompared"; comparison: PictureComparison };

export interface EngineError { code: string; message: string; node: string | null; hint: string | null }

export interface EngineInfo { version: string; isa: string; isas: string[]; probe: string }   // isa: "relaxed-simd" | "simd128" | "portable"; probe: what the start-up probe found, as a sentence

export interface ModelView {
  name: string; fileName: string; producer: string; opset: number;
  nodes: number; parameters: number; sizeBytes: number;
  inputName: string; inputShape: string;        // "batch×3×224×224"
  inputSize: [number, number] | null;           // [height, width] where fixed
  channels: number; classes: number;
  layers: number;                               // Conv/Gemm/MatMul with constant weight
  attributionLayer: string | null;              // the tensor Grad-CAM looks at
  warnings: string[];
}

export interface Preprocess {                    // as preprocessor_config.json, camelCase not applied: these keys are the file's own
  do_resize: boolean; size: { shortest_edge?: number; height?: number; width?: number } | null; resample: number;
  do_center_crop: boolean; crop_size: { height: number; width: number } | "largest_centre_square_before_resize" | null;
  do_rescale: boolean; rescale_factor: number;
  do_normalize: boolean; image_mean: number[]; image_std: number[];
  channel_order: "rgb" | "bgr" | "grey"; layout: "NCHW" | "NHWC"; label_offset: number;
}
export interface PreprocessView { preprocess: Preprocess; source: "file" | "guessed" | "edited"; range: [number, number]; notes: string[] }

export interface PictureView { index: number; name: string; width: number; height: number; label: number | null; role: "calib" | "eval" | "both" }
export interface Refused { name: string; error: EngineError }

export interface Recipe {                        // more fields come later; unknown fields are refused
  schema: 1;
  preset: string;                                // "int8"
  weightBits: number;                            // 2..8
  activationBits: number;                        // 2..8
}

export interface QuantizedView {
  recipe: Recipe;
  path: "int8" | "fakeQuant";                    // what will run: real integers, or float with rounding simulated
  pathReason: string;                            // a sentence
  calibrationPictures: number;
  sizeBytes: { full: number; quantized: number };   // the ONNX files
  layers: LayerView[];
}
export interface LayerView {
  name: string; op: string; weightShape: string; weights: number;
  weightBits: number; activationBits: number;
  sizeBytes: { full: number; quantized: number };
  path: "int8" | "float";
  outputRange: [number, number] | null;     // null where the output stays float
  weightSqnrDb: number | null;
}

export interface ClassProbability { class: number; name: string; probability: number }
export interface PictureComparison {
  picture: number;
  full: ClassProbability[]; quantized: ClassProbability[];      // top five
  flipped: boolean;
  kl: number; sqnrDb: number | null;                            // null: identical
  attribution: { spearman: number | null; kendallTauB: number | null } | null;
}
export interface Interval { value: number; low: number; high: number }   // 95 %
export interface Summary {
  images: number;
  agreement: Interval; kl: number; sqnrDb: number | null;
  top1: { full: number; quantized: number; labelled: number } | null;    // shares; null without labels
  attribution: { method: string; spearmanMean: number | null; kendallTauBMean: number | null; images: number };
}
export interface LatencyView { full: { medianMs: number; minMs: number }; quantized: { medianMs: number; minMs: number; path: "int8" | "fakeQuant" }; runs: number; isa: string }

export interface LensView {
  picture: number;
  target: ClassProbability;                                      // the class both maps explain
  answers: { class: number; name: string; full: number; quantized: number }[];   // union of both top fives, sorted by full
  fullTop: ClassProbability; quantizedTop: ClassProbability; flipped: boolean;
  map: { width: number; height: number; full: BufferRef; quantized: BufferRef; max: number } | null;  // Float32Array, row-major, >= 0
  expected: number | null;                                       // the output that is right, where a label says it
  spearman: number | null; kendallTauB: number | null; top10Overlap: number | null;
  layerSqnrDb: { layer: string; sqnrDb: number | null }[];       // accumulated, in order of execution
}

export interface ExportCheck { identical: boolean; pictures: number; note: string }   // the file, read back, gives the same logits

export type Step = { state: "running"; events: Event[] } | { state: "done"; events: Event[]; response: Response };
