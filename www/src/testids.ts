/** The handles by which end-to-end tests find things. Stable: a test elsewhere relies on each. */
export const testids = {
  app: 'app',
  version: 'version',
  offline: 'offline',
  modelPill: 'model-pill',
  picturesPill: 'pictures-pill',
  openMenu: 'open-menu',
  sample: 'sample', // + `-resnet`, `-mobilenet`
  fileInput: 'file-input',
  folderInput: 'folder-input',
  dropZone: 'drop-zone',
  undo: 'undo',
  redo: 'redo',
  theme: 'theme',
  share: 'share',
  takeHome: 'take-home',
  headlineSize: 'headline-size',
  headlineAgreement: 'headline-agreement',
  headlineAttention: 'headline-attention',
  headlineSignal: 'headline-signal',
  headlineLatency: 'headline-latency', // each number also carries data-state="current|updating|empty"
  explanation: 'explanation',
  lens: 'lens',
  swipe: 'swipe',
  mapFull: 'map-full',
  mapQuantized: 'map-quantized',
  overlay: 'overlay',
  outline: 'outline',
  outlineToggle: 'outline-toggle',
  pointing: 'pointing',
  sentence: 'sentence',
  truth: 'truth',
  answers: 'answers',
  answer: 'answer', // one row a class, data-class
  strip: 'strip',
  thumbnail: 'thumbnail', // data-picture, data-flipped
  stripOrder: 'strip-order',
  flippedOnly: 'flipped-only',
  recipe: 'recipe',
  fixed: 'fixed', // in place of the sliders, for a file that is quantized already
  preset: 'preset',
  weightBits: 'weight-bits',
  activationBits: 'activation-bits',
  moreOptions: 'more-options',
  path: 'path', // data-path="int8|fakeQuant"
  preprocess: 'preprocess',
  preprocessEdit: 'preprocess-edit',
  preprocessDialog: 'preprocess-dialog',
  preprocessApply: 'preprocess-apply',
  preview: 'preview',
  triage: 'triage', // data-state="healthy|poor|running|stopped|current|outdated"
  triageStart: 'triage-start',
  diagnosis: 'diagnosis', // data-state="current|outdated"
  diagnosisSummary: 'diagnosis-summary',
  diagnosisPart: 'diagnosis-part', // one row, data-part
  finding: 'finding', // data-cause, data-layer
  findingLayer: 'finding-layer',
  remedy: 'remedy',
  suggestion: 'suggestion',
  layers: 'layers',
  layerRow: 'layer-row', // data-layer
  depthChart: 'depth-chart',
  measure: 'measure', // data-state="current|outdated|empty"
  measureStart: 'measure-start',
  nodeRow: 'node-row', // data-node
  takeHomeDialog: 'take-home-dialog',
  downloadModel: 'download-model',
  downloadRecipe: 'download-recipe',
  commandLine: 'command-line',
  verified: 'verified',
  keysDialog: 'keys-dialog',
  operators: 'operators',
  problem: 'problem',
  problemDismiss: 'problem-dismiss',
  problemSupport: 'problem-support',
  tryAnyway: 'try-anyway',
  notice: 'notice',
  progress: 'progress',
  cancel: 'cancel',
  resume: 'resume',
} as const;

export type TestId = (typeof testids)[keyof typeof testids];
