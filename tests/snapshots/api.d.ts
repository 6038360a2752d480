// Written by `cargo xtask codegen` from the built package: do not edit, regenerate.

/* tslint:disable */
/* eslint-disable */

/**
 * What is done to a picture before the network sees it, in the form of `preprocessor_config.json`.
 */
export interface Preprocess {
    do_resize: boolean;
    size: { shortest_edge: number } | { height: number; width: number } | null;
    resample: number;
    do_center_crop: boolean;
    crop_size: { height: number; width: number } | "largest_centre_square_before_resize" | null;
    do_rescale: boolean;
    rescale_factor: number;
    do_normalize: boolean;
    image_mean: number[] | null;
    image_std: number[] | null;
    channel_order: "rgb" | "bgr" | "grey";
    layout: "NCHW" | "NHWC";
    label_offset: number;
}


/**
 * A change that helps.
 */
export type Change = { kind: "recipe"; recipe: Recipe; before: Effect; after: Effect; sizeBytes: number } | { kind: "preprocess"; preprocess: Preprocess; before: InputEffect; after: InputEffect };

/**
 * A class and its probability.
 */
export interface ClassProbability {
    /**
     * Output of the network.
     */
    class: number;
    /**
     * Its name.
     */
    name: string;
    /**
     * 0 to 1.
     */
    probability: number;
}

/**
 * A class in both answers.
 */
export interface AnswerRow {
    /**
     * Output of the network.
     */
    class: number;
    /**
     * Its name.
     */
    name: string;
    /**
     * Probability in full precision.
     */
    full: number;
    /**
     * Probability in the quantized network.
     */
    quantized: number;
}

/**
 * A file that could not be used.
 */
export interface Refused {
    /**
     * Its name.
     */
    name: string;
    /**
     * Why, and what to do.
     */
    error: ErrorView;
}

/**
 * A kind of layer.
 */
export type LayerKind = "conv" | "pointwise" | "depthwise" | "dense";

/**
 * A layer with weights.
 */
export interface LayerView {
    /**
     * Name of its node.
     */
    name: string;
    /**
     * Its operator.
     */
    op: string;
    /**
     * Shape of its weight, as text.
     */
    weightShape: string;
    /**
     * Elements of its weight.
     */
    weights: number;
    /**
     * Bits of a weight.
     */
    weightBits: number;
    /**
     * Bits of an activation.
     */
    activationBits: number;
    /**
     * Bytes of weight, bias, scales and zero points.
     */
    sizeBytes: ByteSizes;
    /**
     * What runs.
     */
    path: LayerPath;
    /**
     * Range of its quantized output; none where the output stays float.
     */
    outputRange: [number, number] | null;
    /**
     * Signal-to-quantization-noise ratio of its weight in dB; none where nothing was lost.
     */
    weightSqnrDb: number | null;
}

/**
 * A named set of choices to start from.
 */
export type Preset = "int8" | "int8-corrected" | "int8-per-tensor" | "w4a8" | "w4a4" | "weight-only-4" | "fixed-point";

/**
 * A network as it was opened.
 */
export interface ModelView {
    /**
     * Name of the network.
     */
    name: string;
    /**
     * Name of the file.
     */
    fileName: string;
    /**
     * Tool that wrote the file; may be empty.
     */
    producer: string;
    /**
     * Version of the ONNX operators.
     */
    opset: number;
    /**
     * Nodes in the file.
     */
    nodes: number;
    /**
     * Elements of all weights.
     */
    parameters: number;
    /**
     * Bytes of the file.
     */
    sizeBytes: number;
    /**
     * Name of the picture input.
     */
    inputName: string;
    /**
     * Its shape, as text: `batch×3×224×224`.
     */
    inputShape: string;
    /**
     * Height and width, where they are fixed.
     */
    inputSize: [number, number] | null;
    /**
     * Channels of the picture.
     */
    channels: number;
    /**
     * Outputs of the network; 0 where the file leaves it open.
     */
    classes: number;
    /**
     * Layers with weights.
     */
    layers: number;
    /**
     * Operators of the simplified network.
     */
    operators: OperatorView[];
    /**
     * Whether the file is quantized already: then it is run as it is.
     */
    quantized: boolean;
    /**
     * Bytes of memory that quantizing and comparing it take at most, about; pictures come beside.
     */
    memoryBytes: number;
    /**
     * Multiply-accumulates of one picture in layers with weights, as far as sizes are known.
     */
    multiplyAccumulates: number;
    /**
     * The tensor that Grad-CAM looks at; none where no tensor has positions.
     */
    attributionLayer: string | null;
    /**
     * What the user should know.
     */
    warnings: string[];
}

/**
 * A node that cannot be read.
 */
export interface RefusedNodeView {
    /**
     * Its name.
     */
    node: string;
    /**
     * Why.
     */
    reason: string;
}

/**
 * A number that a finding rests on.
 */
export interface Evidence {
    /**
     * What it is.
     */
    name: string;
    /**
     * How much.
     */
    value: number;
}

/**
 * A part of the pictures.
 */
export interface Share {
    /**
     * Which part, from 0.
     */
    part: number;
    /**
     * How many parts there are.
     */
    of: number;
}

/**
 * A picture of the session.
 */
export interface PictureView {
    /**
     * Its number.
     */
    index: number;
    /**
     * Name of its file.
     */
    name: string;
    /**
     * Width in pixels.
     */
    width: number;
    /**
     * Height in pixels.
     */
    height: number;
    /**
     * Class it is known to show.
     */
    label: number | null;
    /**
     * What it is used for.
     */
    role: "calib" | "eval" | "both";
}

/**
 * A quantized network.
 */
export interface QuantizedView {
    /**
     * What was asked.
     */
    recipe: Recipe;
    /**
     * What runs when it is asked.
     */
    path: RunPath;
    /**
     * Why, as a sentence.
     */
    pathReason: string;
    /**
     * Pictures that ranges were measured on.
     */
    calibrationPictures: number;
    /**
     * Sizes of the ONNX files.
     */
    sizeBytes: ByteSizes;
    /**
     * Layers with weights, in order of execution.
     */
    layers: LayerView[];
    /**
     * Operators of the simplified network, and which of their nodes run on integers.
     */
    operators: OperatorView[];
    /**
     * What became of each weight, where the recipe asks for other codes or ranges than the usual.
     */
    rounding?: RoundingView[];
    /**
     * The rule for ranges of activations, where the recipe left it to be found by measuring.
     */
    range?: RangeChoiceView;
}

/**
 * A recipe under a budget.
 */
export interface Allocated {
    /**
     * The recipe.
     */
    recipe: Recipe;
    /**
     * What it costs, in the budget's unit, as the network is quantized.
     */
    cost: number;
    /**
     * Sum of what layers lose alone, in nats.
     */
    predictedKl: number;
    /**
     * What it does to the answers.
     */
    measured: Effect;
    /**
     * Bytes of the ONNX file.
     */
    sizeBytes: number;
}

/**
 * A share with its 95 % interval (Wilson).
 */
export interface Interval {
    /**
     * 0 to 1.
     */
    value: number;
    /**
     * Lower end.
     */
    low: number;
    /**
     * Upper end.
     */
    high: number;
}

/**
 * A typed array that waits to be fetched, once.
 */
export interface BufferRef {
    /**
     * What to ask for.
     */
    id: number;
    /**
     * Elements.
     */
    length: number;
}

/**
 * All remedies that help together.
 */
export interface Suggestion {
    /**
     * What is done, in the order in which it was tried.
     */
    titles: string[];
    /**
     * The recipe.
     */
    recipe: Recipe;
    /**
     * What it does.
     */
    after: Effect;
    /**
     * Bytes of the ONNX file.
     */
    sizeBytes: number;
}

/**
 * An error for people: what, where, why, what to do.
 */
export interface ErrorView {
    /**
     * Stable name of the kind of error.
     */
    code: string;
    /**
     * What is wrong, naming node or file.
     */
    message: string;
    /**
     * The node to blame.
     */
    node: string | null;
    /**
     * What to do.
     */
    hint: string | null;
    /**
     * Names of the files that are missing, where that is what is wrong.
     */
    missing?: string[];
    /**
     * The network's operators, where some of its nodes cannot be read.
     */
    support?: SupportView;
    /**
     * Bytes of memory that would be needed, where that is what is wrong.
     */
    neededBytes?: number;
}

/**
 * An operator as a network uses it.
 */
export interface OperatorView {
    /**
     * Its name, with the domain in front unless it is ONNX's own.
     */
    opType: string;
    /**
     * Nodes that use it.
     */
    nodes: number;
    /**
     * Those among them that run on integers when everything is quantized; none where that is not
     * known.
     */
    integerNodes: number | null;
    /**
     * Names of those that run in float then.
     */
    floatNodes: string[];
    /**
     * Nodes that cannot be read, and why.
     */
    refused: RefusedNodeView[];
}

/**
 * Bits for each layer under a budget.
 */
export interface AllocationView {
    /**
     * What the budget counts: `bytes` of weights or `bops`, products times bits of both factors.
     */
    unit: string;
    /**
     * The budget.
     */
    budget: number;
    /**
     * How bits were chosen.
     */
    method: string;
    /**
     * Layers in order of execution.
     */
    layers: AllocatedLayer[];
    /**
     * What was chosen.
     */
    chosen: Allocated;
    /**
     * The same bits in every layer, as many as the budget allows; none where it allows none.
     */
    uniform: Allocated | null;
    /**
     * What it was decided by.
     */
    sensitivity: SensitivityView;
}

/**
 * Both networks on all evaluation pictures.
 */
export interface Summary {
    /**
     * Pictures compared.
     */
    images: number;
    /**
     * Share with the same first answer.
     */
    agreement: Interval;
    /**
     * Mean Kullback–Leibler divergence in nats.
     */
    kl: number;
    /**
     * Signal-to-quantization-noise ratio of all logits in dB; none where they are identical.
     */
    sqnrDb: number | null;
    /**
     * Right answers; none without labels.
     */
    top1: Top1 | null;
    /**
     * Of the maps.
     */
    attribution: AttributionSummary;
}

/**
 * Both networks on one picture.
 */
export interface PictureComparison {
    /**
     * Number of the picture.
     */
    picture: number;
    /**
     * Five most probable classes in full precision.
     */
    full: ClassProbability[];
    /**
     * Five most probable classes of the quantized network.
     */
    quantized: ClassProbability[];
    /**
     * Whether the first answers differ.
     */
    flipped: boolean;
    /**
     * Kullback–Leibler divergence of the quantized probabilities from full precision's, in nats.
     */
    kl: number;
    /**
     * Signal-to-quantization-noise ratio of the logits in dB; none where they are identical.
     */
    sqnrDb: number | null;
    /**
     * Of the maps that explain full precision's answer; none without a tensor with positions.
     */
    attribution: MapCorrelation | null;
}

/**
 * Bytes of two files.
 */
export interface ByteSizes {
    /**
     * Full precision.
     */
    full: number;
    /**
     * Quantized.
     */
    quantized: number;
}

/**
 * How a weight was rounded in the end. Errors are shares of what losing the weight would be: of the
 * layer's output, or for `hqq`, which sees no output, of the weights to the power of 0.7.
 */
export interface RoundingView {
    /**
     * Name of the layer's node.
     */
    layer: string;
    /**
     * How its codes were found.
     */
    rounding: RoundingChoice;
    /**
     * Error of nearest codes; none where it was not measured.
     */
    nearest: number | null;
    /**
     * Error of what was accepted, at most that.
     */
    accepted: number | null;
    /**
     * Why nearest codes were kept, where others were asked for.
     */
    note: string | null;
}

/**
 * How each layer makes up for what quantizing changes of its channels (methods §1.3, §3).
 */
export type BiasChoice = "none" | "empirical" | "analytic" | "deviations" | "least-squares";

/**
 * How many scales a weight has (methods §0.2).
 */
export type WeightGranularity = "tensor" | "channel" | "group-16" | "group-32" | "group-64" | "group-128";

/**
 * How much quantizing a layer costs.
 */
export interface LayerSensitivity {
    /**
     * Name of its node.
     */
    layer: string;
    /**
     * What kind of layer it is.
     */
    kind: LayerKind;
    /**
     * Elements of its weight.
     */
    weights: number;
    /**
     * Multiply-accumulates of one picture; 0 where sizes are not known.
     */
    multiplyAccumulates: number;
    /**
     * What becomes of its output.
     */
    output: LayerNoise;
    /**
     * This layer alone as the recipe has it; none where the recipe leaves it in full precision.
     */
    alone: Effect | null;
    /**
     * All layers up to this one as the recipe has them; none where that was not asked for.
     */
    accumulated: Effect | null;
    /**
     * Its weight alone with other numbers of bits, in the order asked for.
     */
    weightBits: BitsEffect[];
    /**
     * What it reads alone with other numbers of bits.
     */
    activationBits: BitsEffect[];
}

/**
 * How much signal is left behind a layer.
 */
export interface LayerSqnr {
    /**
     * Name of the layer's node.
     */
    layer: string;
    /**
     * In dB, all layers before it quantized too; none where nothing was lost.
     */
    sqnrDb: number | null;
}

/**
 * How the codes of weights are found (methods §3).
 */
export type RoundingChoice = "nearest" | "gptq" | "comq" | "adaround" | "hqq";

/**
 * How the range of a weight is chosen.
 */
export type WeightRange = "max" | "mse" | "output";

/**
 * How the range of an activation is chosen (methods §2). All but the last two are read from one look at the pictures.
 */
export type ActivationRange = "max" | "ema" | "percentile" | "mse" | "kl" | "kl-tolerant" | "aciq" | "best" | "held-out" | "dynamic";

/**
 * How weights are kept in the file.
 */
export type Storage = "int8" | "packed";

/**
 * Latency here and now.
 */
export interface LatencyView {
    /**
     * Full precision.
     */
    full: Times;
    /**
     * Quantized.
     */
    quantized: QuantizedTimes;
    /**
     * Samples of each: single runs, or means of as many as fill 10 ms.
     */
    runs: number;
    /**
     * Instruction set that ran.
     */
    isa: string;
}

/**
 * Names of classes and labels of pictures.
 */
export interface LabelsView {
    /**
     * Names, by class.
     */
    classes: string[];
    /**
     * All pictures.
     */
    pictures: PictureView[];
}

/**
 * One picture in depth.
 */
export interface LensView {
    /**
     * Number of the picture.
     */
    picture: number;
    /**
     * The class that both maps explain, with full precision's probability.
     */
    target: ClassProbability;
    /**
     * Both networks' first five, by full precision's probability.
     */
    answers: AnswerRow[];
    /**
     * First answer in full precision.
     */
    fullTop: ClassProbability;
    /**
     * First answer of the quantized network.
     */
    quantizedTop: ClassProbability;
    /**
     * Whether they differ.
     */
    flipped: boolean;
    /**
     * Spearman's ρ of the maps.
     */
    spearman: number | null;
    /**
     * Kendall's τ-b of the maps.
     */
    kendallTauB: number | null;
    /**
     * Share of the strongest tenth of places that both maps have in common.
     */
    top10Overlap: number | null;
    /**
     * How much signal is left behind each layer.
     */
    layerSqnrDb: LayerSqnr[];
    /**
     * The output that is right, where a label says it.
     */
    expected: number | null;
}

/**
 * One picture in depth.
 */
export interface Look {
    /**
     * Answers and correlations.
     */
    lens: LensView;
    /**
     * Both maps; null without a tensor with positions.
     */
    map: MapRef | null;
}

/**
 * Rank correlations of two maps; none where a map is constant.
 */
export interface MapCorrelation {
    /**
     * Spearman's ρ, −1 to 1.
     */
    spearman: number | null;
    /**
     * Kendall's τ-b, −1 to 1.
     */
    kendallTauB: number | null;
}

/**
 * Rank correlations over pictures.
 */
export interface AttributionSummary {
    /**
     * Method of the maps.
     */
    method: string;
    /**
     * Mean of Spearman's ρ.
     */
    spearmanMean: number | null;
    /**
     * Mean of Kendall's τ-b.
     */
    kendallTauBMean: number | null;
    /**
     * Pictures with a correlation.
     */
    images: number;
}

/**
 * Shares of right answers.
 */
export interface Top1 {
    /**
     * Full precision.
     */
    full: number;
    /**
     * Quantized.
     */
    quantized: number;
    /**
     * Pictures with a label.
     */
    labelled: number;
}

/**
 * Signal-to-quantization-noise ratios of a layer's output in dB; none where nothing was lost or
 * nothing is quantized.
 */
export interface LayerNoise {
    /**
     * This layer alone quantized: its weight and what it reads.
     */
    aloneDb: number | null;
    /**
     * Its weight alone.
     */
    weightDb: number | null;
    /**
     * What it reads alone.
     */
    inputDb: number | null;
    /**
     * All layers before it quantized too, as in the quantized network.
     */
    accumulatedDb: number | null;
}

/**
 * Something that is wrong.
 */
export interface Finding {
    /**
     * What.
     */
    cause: Cause;
    /**
     * The layer in which it does harm; none where it is the whole network.
     */
    layer: string | null;
    /**
     * The layer that makes what this one reads badly, where that is the matter.
     */
    origin: string | null;
    /**
     * What was found, a sentence or two with numbers.
     */
    message: string;
    /**
     * The numbers.
     */
    evidence: Evidence[];
    /**
     * What helps most of all that was tried; none where nothing did.
     */
    remedy: Remedy | null;
}

/**
 * The bits of a layer.
 */
export interface AllocatedLayer {
    /**
     * Name of its node.
     */
    layer: string;
    /**
     * Bits of its weight; 32 in full precision.
     */
    weightBits: number;
    /**
     * Bits of what it reads; 32 in full precision.
     */
    activationBits: number;
    /**
     * What it costs, in the budget's unit.
     */
    cost: number;
    /**
     * What it loses alone: divergence in nats.
     */
    kl: number;
}

/**
 * The preprocessing in force.
 */
export interface PreprocessView {
    /**
     * In the form of `preprocessor_config.json`.
     */
    preprocess: Preprocess;
    /**
     * Where it comes from.
     */
    source: PreprocessSource;
    /**
     * Smallest and largest value that the network can see.
     */
    range: [number, number];
    /**
     * What the user should know.
     */
    notes: string[];
}

/**
 * The rule for ranges that was chosen by measuring.
 */
export interface RangeChoiceView {
    /**
     * The rule.
     */
    rule: ActivationRange;
    /**
     * All rules, in the order in which they are offered.
     */
    tried: TriedRangeView[];
    /**
     * Number of pictures that they were measured on.
     */
    pictures: number;
    /**
     * Whether there were too few pictures to hold any out: ranges were found on the same ones.
     */
    allSeen: boolean;
}

/**
 * Times of one picture on the quantized network.
 */
export interface QuantizedTimes {
    /**
     * Median in milliseconds.
     */
    medianMs: number;
    /**
     * Minimum in milliseconds.
     */
    minMs: number;
    /**
     * What ran.
     */
    path: RunPath;
}

/**
 * Times of one picture.
 */
export interface Times {
    /**
     * Median in milliseconds.
     */
    medianMs: number;
    /**
     * Minimum in milliseconds.
     */
    minMs: number;
}

/**
 * Two maps on one scale.
 */
export interface MapRef {
    /**
     * Columns.
     */
    width: number;
    /**
     * Rows.
     */
    height: number;
    /**
     * `Float32Array`, row-major, at least 0: full precision's.
     */
    full: BufferRef;
    /**
     * `Float32Array`: the quantized network's.
     */
    quantized: BufferRef;
    /**
     * Largest value of both.
     */
    max: number;
}

/**
 * What a network asks for, and what of it there is.
 */
export interface SupportView {
    /**
     * Its nodes; functions of the file are written out.
     */
    nodes: number;
    /**
     * Nodes that can be read and need no result of one that cannot.
     */
    computable: number;
    /**
     * Its operators, in the order of their first use.
     */
    operators: OperatorView[];
}

/**
 * What a node takes in both networks.
 */
export interface NodeTimes {
    /**
     * Name of the node, or of those that run as one, with ` + ` between.
     */
    name: string;
    /**
     * Shape of what it makes, as text.
     */
    shape: string;
    /**
     * In full precision; none where only the quantized network has it.
     */
    full: NodeTime | null;
    /**
     * In the quantized network; none where another node does it as well.
     */
    quantized: NodeTime | null;
}

/**
 * What a rule for ranges came to.
 */
export interface TriedRangeView {
    /**
     * The rule.
     */
    rule: ActivationRange;
    /**
     * Mean divergence from full precision, in nats.
     */
    kl: number;
}

/**
 * What can be wrong.
 */
export type Cause = "channelOrder" | "inputRange" | "constantAnswers" | "undecided" | "weightChannelDominates" | "depthwiseOneScale" | "fewWeightLevels" | "activationChannelDominates" | "activationOutlier" | "unlikeScales" | "fewActivationLevels" | "unexplained" | "errorsAddUp";

/**
 * What every node takes, here and now.
 */
export interface ProfileView {
    /**
     * In the order in which they run.
     */
    nodes: NodeTimes[];
    /**
     * Milliseconds of full precision as a whole, measured in the same runs.
     */
    fullMs: number;
    /**
     * Milliseconds of the quantized network.
     */
    quantizedMs: number;
    /**
     * What ran in the quantized network.
     */
    path: RunPath;
    /**
     * Runs of each that the times are means of: the faster half of all.
     */
    runs: number;
    /**
     * Instruction set that ran.
     */
    isa: string;
}

/**
 * What first and last layers keep: what they lose is lost for all others.
 */
export type Ends = "same" | "eight" | "float";

/**
 * What full precision says of the pictures when they are prepared in some way.
 */
export interface InputEffect {
    /**
     * Pictures.
     */
    images: number;
    /**
     * Share of right answers; none without labels.
     */
    top1: number | null;
    /**
     * Mean probability of the first answer.
     */
    confidence: number;
    /**
     * Different first answers.
     */
    answers: number;
    /**
     * How much an answer says about its picture, in nats: the mean logarithm of the probability of what is
     * right where labels say it, otherwise of how much more probable the first answer stays on the picture
     * moved by a few pixels than on any picture.
     */
    information: number;
}

/**
 * What helps, measured.
 */
export interface Remedy {
    /**
     * What is done.
     */
    title: string;
    /**
     * The change, with what it brings.
     */
    change: Change;
}

/**
 * What one call of `step` came to.
 */
export type StepResult = { state: "running"; events: Event[] } | { state: "done"; events: Event[]; response: Response };

/**
 * What one layer costs at a number of bits, all else in full precision.
 */
export interface BitsEffect {
    /**
     * Bits.
     */
    bits: number;
    /**
     * What they do.
     */
    effect: Effect;
}

/**
 * What one node takes.
 */
export interface NodeTime {
    /**
     * Milliseconds.
     */
    ms: number;
    /**
     * Its operator; one on codes is named with `bitlens.` in front. Of nodes that run as one all of
     * them, with ` + ` between.
     */
    op: string;
    /**
     * Name of the kernel that ran, where the operator has a choice.
     */
    kernel: string | null;
}

/**
 * What quantizing costs, layer by layer.
 */
export interface SensitivityView {
    /**
     * What was asked for.
     */
    recipe: Recipe;
    /**
     * Pictures that ranges come from.
     */
    calibrationPictures: number;
    /**
     * The whole network by that recipe.
     */
    whole: Effect;
    /**
     * Layers that can be quantized, in order of execution.
     */
    layers: LayerSensitivity[];
}

/**
 * What quantizing something does to the answers, beside full precision's on the same pictures.
 */
export interface Effect {
    /**
     * Pictures.
     */
    images: number;
    /**
     * Share with the same first answer, 0 to 1.
     */
    agreement: number;
    /**
     * Mean Kullback–Leibler divergence of the probabilities in nats; null where one is no number.
     */
    kl: number;
    /**
     * Mean squared difference of a logit.
     */
    distortion: number;
    /**
     * Signal-to-quantization-noise ratio of the logits in dB; none where they are identical.
     */
    sqnrDb: number | null;
    /**
     * Share of right answers among pictures with a label; none without labels.
     */
    top1: number | null;
}

/**
 * What reading an exported file back showed.
 */
export interface ExportCheck {
    /**
     * Whether the file gave the same logits, bit for bit.
     */
    identical: boolean;
    /**
     * Pictures that were tried.
     */
    pictures: number;
    /**
     * A sentence.
     */
    note: string;
}

/**
 * What runs here.
 */
export interface EngineInfo {
    /**
     * Version of the crate.
     */
    version: string;
    /**
     * Instruction set in use.
     */
    isa: string;
    /**
     * Instruction sets of this build that run here.
     */
    isas: string[];
    /**
     * Threads that work on a layer.
     */
    threads: number;
    /**
     * What the start-up probe of relaxed SIMD found, as a sentence.
     */
    probe: string;
}

/**
 * What runs in one layer.
 */
export type LayerPath = "int8" | "float";

/**
 * What runs when the quantized network is asked.
 */
export type RunPath = "int8" | "fakeQuant";

/**
 * What some layers have instead of what the recipe says of all. The layers are those that fit every
 * condition given; of two rules that fit, the later one counts.
 */
export interface LayerRule {
    /**
     * Name of the node; `*` stands for any characters.
     */
    name?: string;
    /**
     * Kind of the layer.
     */
    kind?: LayerKind;
    /**
     * Left in full precision.
     */
    float?: boolean;
    /**
     * Bits of its weights, 2–8.
     */
    weightBits?: number;
    /**
     * Bits of the activation that it reads: 2–8, or 16.
     */
    activationBits?: number;
}

/**
 * What the page asks. Files travel beside it, as `Uint8Array`s or as numbers of uploads.
 */
export type Request = { kind: "loadModel"; name: string; weights?: string[]; memoryLimit?: number } | { kind: "addPictures"; names: string[] } | { kind: "clearPictures" } | { kind: "setLabels"; name: string } | { kind: "readPreprocess"; name: string } | { kind: "setPreprocess"; preprocess: Preprocess } | { kind: "quantize"; recipe: Recipe; picture?: number } | { kind: "compare" } | { kind: "calibrateShare"; share: Share } | { kind: "learnStatistics"; parts: unknown[] } | { kind: "compareShare"; share: Share } | { kind: "learnComparisons"; rows: ComparedPicture[] } | { kind: "lens"; picture: number; target: number | null } | { kind: "logits"; picture: number } | { kind: "measureLatency"; runs: number } | { kind: "profile" } | { kind: "diagnose"; recipe: Recipe; pictures: number } | { kind: "preview"; picture: number } | { kind: "exportModel" } | { kind: "engineInfo" };

/**
 * What the page is told while a job runs.
 */
export type Event = { kind: "progress"; phase: string; done: number; total: number } | { kind: "pictureCompared"; comparison: PictureComparison };

/**
 * What the page is told: of the same kind as the request.
 */
export type Response = { kind: "loadModel"; model: ModelView; preprocess: PreprocessView; weights: string[] } | { kind: "addPictures"; pictures: PictureView[]; refused: Refused[] } | { kind: "clearPictures" } | { kind: "setLabels"; classes: string[]; pictures: PictureView[] } | { kind: "readPreprocess"; preprocess: PreprocessView } | { kind: "setPreprocess"; preprocess: PreprocessView } | { kind: "quantize"; quantized: QuantizedView; look: Look | null } | { kind: "compare"; summary: Summary; pictures: PictureComparison[] } | { kind: "calibrateShare"; statistics: unknown } | { kind: "learnStatistics" } | { kind: "compareShare"; rows: ComparedPicture[] } | { kind: "learnComparisons" } | ({ kind: "lens" } & Look) | { kind: "logits"; input: BufferRef; inputShape: number[]; full: BufferRef; quantized: BufferRef | null } | { kind: "measureLatency"; latency: LatencyView } | { kind: "profile"; profile: ProfileView } | { kind: "diagnose"; diagnosis: DiagnosisView } | { kind: "preview"; width: number; height: number; rgba: BufferRef } | { kind: "exportModel"; fileName: string; onnx: BufferRef; sizeBytes: number; verified: ExportCheck } | { kind: "engineInfo"; info: EngineInfo };

/**
 * What the summary needs of one picture.
 */
export interface ComparedPicture {
    /**
     * Sum of the squares of full precision's logits.
     */
    signal: number;
    /**
     * Sum of the squares of the differences of the logits.
     */
    noise: number;
    /**
     * Whether each network is right, full precision first, where a label says what is.
     */
    correct: [boolean, boolean] | null;
    /**
     * What the page shows.
     */
    comparison: PictureComparison;
}

/**
 * What the user asked for. Fields that are not known are refused: a recipe means one thing. Fields that
 * are missing are those of the preset `int8`.
 */
export interface Recipe {
    /**
     * Version of this format.
     */
    schema?: number;
    /**
     * What the other fields started from.
     */
    preset?: Preset;
    /**
     * Bits of a weight, 2–8.
     */
    weightBits?: number;
    /**
     * Bits of an activation: 2–8, 16, or 32 where activations are not quantized.
     */
    activationBits?: number;
    /**
     * The numbers that codes of weights stand for.
     */
    weightGrid?: WeightGrid;
    /**
     * How many scales a weight has.
     */
    weightGranularity?: WeightGranularity;
    /**
     * Whether symmetric weights use the most negative code as well (−128 … 127).
     */
    weightFullRange?: boolean;
    /**
     * How ranges of weights are chosen.
     */
    weightRange?: WeightRange;
    /**
     * How the codes of weights are found.
     */
    rounding?: RoundingChoice;
    /**
     * The numbers that codes of activations stand for.
     */
    activationGrid?: ActivationGrid;
    /**
     * How ranges of activations are chosen.
     */
    activationRange?: ActivationRange;
    /**
     * Whether the two inputs of a sum have one scale.
     */
    shareSumScales?: boolean;
    /**
     * Whether layers are equalized before anything else.
     */
    equalize?: boolean;
    /**
     * Whether what channels always have moves into the next layer's bias.
     */
    absorb?: boolean;
    /**
     * Whether rounded weights get back each channel's deviation.
     */
    weightMoments?: boolean;
    /**
     * How layers are corrected for what quantizing changes.
     */
    biasCorrection?: BiasChoice;
    /**
     * What the first and the last layer keep.
     */
    ends?: Ends;
    /**
     * How codes of weights are kept in the file.
     */
    storage?: Storage;
    /**
     * What single layers have instead.
     */
    layers?: LayerRule[];
}

/**
 * What was found out about a quantized network.
 */
export interface DiagnosisView {
    /**
     * What was asked for.
     */
    recipe: Recipe;
    /**
     * Whether there is nothing to repair.
     */
    healthy: boolean;
    /**
     * All of it in a sentence or two.
     */
    summary: string;
    /**
     * What full precision says of the pictures.
     */
    input: InputEffect;
    /**
     * The quantized network as it runs.
     */
    before: Effect;
    /**
     * Weights rounded to nearest, activations in full precision; without corrections that come after
     * rounding.
     */
    weightsOnly: Effect;
    /**
     * Activations quantized, weights in full precision; without those corrections, too.
     */
    activationsOnly: Effect;
    /**
     * Bytes of the ONNX file.
     */
    sizeBytes: number;
    /**
     * What is wrong, the worst first.
     */
    findings: Finding[];
    /**
     * The remedies of recipes together; none where none helps.
     */
    suggestion: Suggestion | null;
    /**
     * Every layer, alone and accumulated; none where pictures are prepared wrongly.
     */
    layers: LayerSensitivity[];
}

/**
 * Where the preprocessing comes from.
 */
export type PreprocessSource = "file" | "network" | "guessed" | "edited";

/**
 * Which real numbers the codes of a weight stand for (methods §0.1).
 */
export type WeightGrid = "symmetric" | "asymmetric" | "power-of-two";

/**
 * Which real numbers the codes of an activation stand for (methods §0.1).
 */
export type ActivationGrid = "asymmetric" | "symmetric" | "symmetric-unsigned" | "power-of-two";


/**
 * One user's work, in one worker.
 */
export class Engine {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Starts a piece of work; one that is under way is dropped, and so are uploads that are not among
     * `files`.
     *
     * # Errors
     * Throws `{code, message, node, hint}`.
     */
    begin(request: Request, files: (Uint8Array | number)[]): void;
    /**
     * Drops the work under way and all uploads; what it found before stays.
     */
    cancel(): void;
    /**
     * An engine without a network.
     */
    constructor();
    /**
     * Makes room for a file of `length` bytes; its number, to be given in place of an array.
     *
     * # Errors
     * Throws `{code, message, node, hint}` when there is not enough memory.
     */
    reserveUpload(length: number): number;
    /**
     * Works for about `budget_ms` milliseconds, at least one step.
     *
     * # Errors
     * Throws `{code, message, node, hint}`; the work is then gone.
     */
    step(budget_ms: number): StepResult;
    /**
     * A typed array that a response named; `undefined` the second time.
     */
    takeBuffer(id: number): Uint8Array | Float32Array | undefined;
    /**
     * Takes the next bytes of an upload; `chunk` is copied before this returns.
     *
     * # Errors
     * Throws `{code, message, node, hint}` when the file becomes longer than was said.
     */
    writeUpload(id: number, chunk: Uint8Array): void;
}

/**
 * The version of the crate this module was built from, for the page's footer and for reports.
 */
export function version(): string;
