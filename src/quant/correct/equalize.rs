//! Cross-layer equalization: neighbouring layers are given weights of the same range in every channel
//! between them, which leaves the network's function as it is.
//!
//! Nagel, van Baalen, Blankevoort, Welling 2019 (arXiv 1906.04721), section 4.1; docs/numerics.md. With
//! a function `f` between two layers that is in proportion to its input, `f(s·x) = s·f(x)` for `s > 0`,
//! channel `c` of the value between them can be divided by any `S[c]`:
//!
//! ```text
//! r1[c] = max |W1[c, …]|    r2[c] = max |W2[:, c, …]|    S[c] = √(r1[c] / r2[c])
//! W1[c] /= S[c]             b1[c] /= S[c]                W2[:, c] *= S[c]
//! ```
//!
//! after which both ranges are `√(r1·r2)`. Layers that work channel by channel (depthwise) hand their
//! channels on, so the layers from one that mixes channels to the next that does form a *chain* of `n`
//! layers and `n − 1` values: `r_1 … r_n` become their geometric mean `R` at once. For three layers
//! that is the rule for a depthwise triplet, for two the one above. A layer that mixes channels ends one
//! chain and begins another, so chains are visited in turns until nothing moves any more.
//!
//! **Between two layers** there may be what says of itself that it is in proportion to each of its
//! channels ([`Operator::scaled_channels`](crate::ops::Operator::scaled_channels)): Relu, LeakyRelu,
//! PRelu, pooling, padding with zeros, also Flatten and Reshape, behind which a channel is several
//! columns. Every value on the way has exactly one reader and is no result of the network; so nothing is
//! equalized across a residual sum or a concatenation.
//!
//! **Relu6** is not in proportion to its input: the limit 6 becomes `6 / S[c]`. What to do is the
//! caller's choice, [`Relu6`].

use super::layer::{Edits, Layer};
use crate::ir::{NodeId, ValueId};
use crate::metrics::Agreement;
use crate::ops::{Clamp, Graph, Min};
use crate::passes::type_inputs;
use crate::quant::QuantError;
use crate::quant::recipe::WeightGranularity;
use crate::tensor::Value;
use serde::{Deserialize, Serialize};

/// Sweeps end when the mean |ln S| of one is below.
const CONVERGED: f64 = 1e-3;

/// Sweeps at most.
const MOST_SWEEPS: usize = 20;

/// Share of the network's own first answers that it must keep without the limits of its Relu6, so that
/// they may be left out.
pub const LEAST_AGREEMENT: f64 = 0.99;

/// What becomes of an upper limit (Relu6) on a value that is to be equalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relu6 {
    /// It stays, and the value is not equalized.
    #[default]
    Keep,
    /// It goes: the function changes, for values beyond it. [`Relu6::unless_answers_change`] decides
    /// whether that is harmless.
    AsRelu,
    /// It becomes a limit of its own for every channel: a `Min` with a constant, which on codes becomes a
    /// part of the layer before. Exact.
    PerChannelClip,
}

impl Relu6 {
    /// [`Relu6::AsRelu`] where a network without the limits gave the same first answers as with them on
    /// at least [`LEAST_AGREEMENT`] of the pictures, and `otherwise` elsewhere.
    #[must_use]
    pub fn unless_answers_change(agreement: Agreement, otherwise: Self) -> Self {
        let kept = agreement.agreed as f64 >= LEAST_AGREEMENT * agreement.total as f64;
        if kept && agreement.total > 0 { Self::AsRelu } else { otherwise }
    }

    /// What becomes of limits that answers depend on. Behind a limit of 6 channels have much the same range.
    /// Equalized weights with one scale are worth that they do not any more, each having a limit of its own
    /// under the one scale of the activation; weights with a scale for each channel gain nothing by it.
    pub fn where_needed(granularity: WeightGranularity) -> Self {
        match granularity {
            WeightGranularity::Tensor => Self::PerChannelClip,
            _ => Self::Keep,
        }
    }
}

/// What equalization did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EqualizeReport {
    /// Names of the two layers of every equalized pair, in the order of execution.
    pub pairs: Vec<(String, String)>,
    /// How many upper limits were left out or became limits of channels.
    pub limits: usize,
    /// Sweeps over all pairs.
    pub sweeps: usize,
    /// Mean |ln S| of the last sweep.
    pub last_move: f64,
    /// Largest factor, or its reciprocal, of any channel.
    pub largest_scale: f64,
    /// Channels that were left alone because a weight's range is zero there.
    pub skipped_channels: usize,
}

/// A graph with equalized weights.
#[derive(Debug, Clone)]
pub struct Equalized {
    /// The graph.
    pub graph: Graph,
    /// What was done.
    pub report: EqualizeReport,
}

/// Equalizes the weights of a simplified full-precision graph. Pure; the time goes into one look at
/// every weight and one new weight for each.
///
/// # Errors
/// [`QuantError::Graph`], [`QuantError::Pass`] when the graph is not valid.
pub fn equalize(graph: &Graph, relu6: Relu6) -> Result<Equalized, QuantError> {
    let layers = Layer::all(graph)?;
    let mut net = Net::of(graph, &layers, relu6)?;
    let chains = net.chains();
    let mut report = EqualizeReport { largest_scale: 1.0, ..EqualizeReport::default() };
    while !chains.is_empty() && report.sweeps < MOST_SWEEPS {
        let mut sweep = Sweep::default();
        for chain in &chains {
            net.visit(chain, &mut sweep);
        }
        report.sweeps += 1;
        report.skipped_channels = sweep.skipped;
        report.last_move = sweep.moved / sweep.channels.max(1) as f64;
        if report.last_move < CONVERGED {
            break;
        }
    }
    net.describe(graph, &layers, &mut report);
    Ok(Equalized { graph: net.write(graph, &layers, relu6)?, report })
}

/// A value between two layers, or several that scale together.
#[derive(Debug)]
pub(super) struct Link {
    /// Number of the layer that makes it.
    pub(super) from: usize,
    /// Number of the layer that reads it.
    pub(super) to: usize,
    /// Input channels of the reader for each channel.
    parts: usize,
    /// What the channel is multiplied with: `1 / S`.
    scale: Vec<f64>,
    /// The upper limit that is in the way.
    limit: Option<f32>,
    /// Whether the reader reads what the maker makes, with nothing in between.
    pub(super) is_direct: bool,
}

/// The links of a graph: which layer's channels go into which layer's.
pub(super) fn links(graph: &Graph, layers: &[Layer], relu6: Relu6) -> Vec<Link> {
    let consumers = graph.consumers();
    let mut number = vec![None; graph.node_slots()];
    layers.iter().enumerate().for_each(|(at, layer)| number[layer.node.index()] = Some(at));
    let of = |(from, layer): (usize, &Layer)| {
        let clamp = graph.node(layer.node)?.op.without_clamp().map(|(_, clamp)| clamp);
        let limit = match clamp {
            Some(clamp) if clamp.is_homogeneous() => None,
            Some(clamp) if clamp.min == 0.0 && relu6 != Relu6::Keep => Some(clamp.max),
            Some(_) => return None,
            None => None,
        };
        let (reader, parts, is_direct) = next_layer(graph, &consumers, &number, layer.output)?;
        let to = number[reader.index()]?;
        layers[to].groups(layer.channels * parts)?;
        Some(Link { from, to, parts, scale: vec![1.0; layer.channels], limit, is_direct })
    };
    layers.iter().enumerate().filter_map(of).collect()
}

/// The layer that a value goes into, through nothing but operators that are in proportion to each
/// channel; how many of its columns each channel becomes; and whether there is nothing in between.
fn next_layer(
    graph: &Graph,
    consumers: &[Vec<NodeId>],
    layers: &[Option<usize>],
    mut value: ValueId,
) -> Option<(NodeId, usize, bool)> {
    let (mut parts, mut is_direct) = (1_usize, true);
    loop {
        let [reader] = consumers[value.index()][..] else { return None };
        let node = graph.node(reader).filter(|_| !graph.outputs().contains(&value))?;
        let places = node.inputs.iter().filter(|&&input| input == Some(value)).count();
        if places != 1 || node.inputs.first() != Some(&Some(value)) {
            return None;
        }
        if layers[reader.index()].is_some() {
            return Some((reader, parts, is_direct));
        }
        parts = parts.checked_mul(node.op.scaled_channels(&type_inputs(graph, node)?)?)?;
        (value, is_direct) = (*node.outputs.first()?, false);
    }
}

/// What one sweep did.
#[derive(Debug, Default)]
struct Sweep {
    /// Sum of |ln S|.
    moved: f64,
    channels: usize,
    skipped: usize,
}

/// A layer's largest weights, and the links on both sides of it.
#[derive(Debug)]
struct Ranges {
    /// `max |w|` over the taps, for each output channel and column of its group.
    largest: Vec<f32>,
    rows: usize,
    inner: usize,
    groups: usize,
    before: Option<usize>,
    after: Option<usize>,
}

impl Ranges {
    /// Whether the layer hands each channel on by itself.
    fn is_depthwise(&self) -> bool {
        self.inner == 1 && self.groups == self.rows
    }

    /// The column that a row reads.
    fn column(&self, row: usize, inner: usize) -> usize {
        row / (self.rows / self.groups) * self.inner + inner
    }
}

/// Layers, what is between them, and how it is scaled so far.
struct Net {
    ranges: Vec<Ranges>,
    links: Vec<Link>,
}

impl Net {
    fn of(graph: &Graph, layers: &[Layer], relu6: Relu6) -> Result<Self, QuantError> {
        let links = links(graph, layers, relu6);
        let mut ranges = Vec::with_capacity(layers.len());
        for (at, layer) in layers.iter().enumerate() {
            let before = links.iter().position(|link| link.to == at);
            let after = links.iter().position(|link| link.from == at);
            let (rows, inner) = (layer.channels, layer.columns_per_group());
            let columns = before.map(|link| links[link].scale.len() * links[link].parts);
            let groups = columns.and_then(|columns| layer.groups(columns)).unwrap_or(1);
            let mut largest = Vec::new();
            if before.or(after).is_some() {
                largest.resize(rows * inner, 0.0);
                layer.for_each_block(|row, column, taps| {
                    let worst =
                        taps.iter().fold(0.0, |m: f32, w| if w.is_nan() { *w } else { m.max(w.abs()) });
                    largest[row * inner + column] = worst;
                })?;
            }
            ranges.push(Ranges { largest, rows, inner, groups, before, after });
        }
        Ok(Self { ranges, links })
    }

    /// Numbers of links, each list from a layer that mixes channels to the next one.
    fn chains(&self) -> Vec<Vec<usize>> {
        let hands_on = |layer: usize| {
            let ranges = &self.ranges[layer];
            let whole = ranges.before.is_some_and(|link| self.links[link].parts == 1);
            ranges.after.filter(|_| whole && ranges.is_depthwise())
        };
        let begins = (0..self.links.len()).filter(|&link| hands_on(self.links[link].from).is_none());
        let chain = |first: usize| {
            std::iter::successors(Some(first), |&link| hands_on(self.links[link].to)).collect::<Vec<_>>()
        };
        begins.map(chain).collect()
    }

    /// What a weight of that row and column of the group is multiplied with.
    fn factor(&self, layer: usize, row: usize, inner: usize) -> f64 {
        let ranges = &self.ranges[layer];
        let after = ranges.after.map_or(1.0, |link| self.links[link].scale[row]);
        let before = ranges.before.map_or(1.0, |link| {
            let link = &self.links[link];
            link.scale[ranges.column(row, inner) / link.parts]
        });
        after / before
    }

    /// Calls `visit(row, column of the layer, largest weight as scaled so far)`.
    fn for_each_range(&self, layer: usize, mut visit: impl FnMut(usize, usize, f64)) {
        let ranges = &self.ranges[layer];
        for (at, &largest) in ranges.largest.iter().enumerate() {
            let (row, inner) = (at / ranges.inner, at % ranges.inner);
            visit(row, ranges.column(row, inner), f64::from(largest) * self.factor(layer, row, inner));
        }
    }

    /// For each channel of a link the range of the weights that make it.
    fn made_with(&self, link: usize) -> Vec<f64> {
        let link = &self.links[link];
        let mut found = vec![0.0; link.scale.len()];
        self.for_each_range(link.from, |row, _, range| found[row] = larger(found[row], range));
        found
    }

    /// For each channel of a link the range of the weights that read it.
    fn read_with(&self, link: usize) -> Vec<f64> {
        let link = &self.links[link];
        let mut found = vec![0.0; link.scale.len()];
        self.for_each_range(link.to, |_, column, range| {
            let channel = column / link.parts;
            found[channel] = larger(found[channel], range);
        });
        found
    }

    /// Gives the weights of all layers of a chain one range per channel.
    fn visit(&mut self, chain: &[usize], sweep: &mut Sweep) {
        let mut ranges: Vec<Vec<f64>> = chain.iter().map(|&link| self.made_with(link)).collect();
        ranges.extend(chain.last().map(|&last| self.read_with(last)));
        let channels = ranges.first().map_or(0, Vec::len);
        for channel in 0..channels {
            let logs: Vec<f64> = ranges.iter().map(|of| libm::log(of[channel])).collect();
            if logs.iter().any(|log| !log.is_finite()) {
                sweep.skipped += 1;
                continue;
            }
            let mean = logs.iter().sum::<f64>() / logs.len() as f64;
            let mut scale = 0.0;
            for (&link, log) in chain.iter().zip(&logs) {
                scale += mean - log;
                self.links[link].scale[channel] *= libm::exp(scale);
                sweep.moved += scale.abs();
                sweep.channels += 1;
            }
        }
    }

    /// States the pairs and scales in a report.
    fn describe(&self, graph: &Graph, layers: &[Layer], report: &mut EqualizeReport) {
        let name = |layer: usize| graph.node(layers[layer].node).map_or_else(String::new, |n| n.name.clone());
        for link in &self.links {
            report.pairs.push((name(link.from), name(link.to)));
            report.limits += usize::from(link.limit.is_some());
            let largest = link.scale.iter().map(|&s| s.max(1.0 / s)).fold(1.0, f64::max);
            report.largest_scale = report.largest_scale.max(largest);
        }
    }

    /// The graph with the scaled weights and biases.
    fn write(&self, graph: &Graph, layers: &[Layer], relu6: Relu6) -> Result<Graph, QuantError> {
        let mut edits = Edits::new(graph);
        for (at, layer) in layers.iter().enumerate() {
            let ranges = &self.ranges[at];
            if ranges.before.or(ranges.after).is_none() {
                continue;
            }
            let mut weight = Vec::with_capacity(layer.weight.len());
            layer.for_each_block(|row, inner, taps| {
                let factor = self.factor(at, row, inner);
                weight.extend(taps.iter().map(|&w| (f64::from(w) * factor) as f32));
            })?;
            edits.set_weight(layer, Value::from_vec(layer.weight.shape(), weight)?);
            let Some(link) = ranges.after.map(|link| &self.links[link]) else { continue };
            if let Some(bias) = &layer.bias {
                let scaled = bias.iter().zip(&link.scale).map(|(&b, s)| (f64::from(b) * s) as f32);
                edits.set_bias(layer, scaled.collect())?;
            }
            if let Some(limit) = link.limit {
                write_limit(&mut edits, layer, (limit, &link.scale), relu6)?;
            }
        }
        edits.finish()
    }
}

/// Replaces an upper limit.
fn write_limit(
    edits: &mut Edits<'_>,
    layer: &Layer,
    (limit, scale): (f32, &[f64]),
    relu6: Relu6,
) -> Result<(), QuantError> {
    let Some(node) = edits.node(layer.node) else { return Ok(()) };
    let unlimited = node.op.without_clamp().and_then(|(op, _)| op.fuse_clamp(Clamp::RELU));
    if let Some(op) = unlimited {
        node.op = op;
    }
    if relu6 == Relu6::PerChannelClip {
        let name = node.name.clone();
        let limits = scale.iter().map(|s| (f64::from(limit) * s) as f32).collect();
        // One number per channel: behind it come the spatial axes.
        let mut shape = vec![1; layer.weight.rank()];
        shape[1] = layer.channels;
        let limits = edits.patch.add_constant(format!("{name}_limits"), Value::from_vec(&shape, limits)?);
        edits.insert_behind(layer.output, (&format!("{name}_Min"), Min.into()), &[limits]);
    }
    Ok(())
}

/// The larger one; NaN stays.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Add, Flatten, GlobalAveragePool, LeakyRelu, MaxPool, Relu, Rounding};
    use crate::quant::correct::testing::{Net as Build, largest, outputs, relative_difference};

    /// Ranges on both sides of every link, as they are in a graph.
    fn ranges(graph: &Graph, relu6: Relu6) -> Vec<(f64, f64)> {
        let layers = Layer::all(graph).unwrap();
        let net = Net::of(graph, &layers, relu6).unwrap();
        let both = |link| net.made_with(link).into_iter().zip(net.read_with(link)).collect::<Vec<_>>();
        (0..net.links.len()).flat_map(both).collect()
    }

    /// A convolution, a depthwise triplet, groups, pooling, and a matrix product behind Flatten.
    fn network() -> Graph {
        let mut net = Build::new([1, 3, 9, 9], 5);
        let x = net.input;
        let x = net.conv("first", x, [8, 3, 3, 3], 1, Some(Clamp::RELU));
        let x = net.conv("depthwise", x, [8, 1, 3, 3], 8, None);
        let x = net.op("leaky", LeakyRelu { alpha: 0.25 }.into(), &[x]);
        let x = net.conv("pointwise", x, [6, 8, 1, 1], 1, Some(Clamp::RELU));
        let pool = MaxPool { window: Build::window(2), rounding: Rounding::Down, indices: None };
        let x = net.op("pool", pool.into(), &[x]);
        let x = net.conv("grouped", x, [6, 3, 1, 1], 2, None);
        let x = net.op("flat", Flatten { axis: 1 }.into(), &[x]);
        let x = net.gemm("classifier", x, [6 * 4 * 4, 5]);
        net.finish(&[x])
    }

    #[test]
    fn the_function_stays_and_the_ranges_of_neighbours_become_equal() {
        let graph = network();
        let made = equalize(&graph, Relu6::Keep).unwrap();
        let names: Vec<(&str, &str)> =
            made.report.pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let expected = [
            ("first", "depthwise"),
            ("depthwise", "pointwise"),
            ("pointwise", "grouped"),
            ("grouped", "classifier"),
        ];
        assert_eq!(names, expected);
        assert!(made.report.last_move < CONVERGED && made.report.sweeps < MOST_SWEEPS, "{:?}", made.report);
        assert!(made.report.largest_scale > 10.0, "{:?}", made.report);
        let before = ranges(&graph, Relu6::Keep);
        assert!(before.iter().any(|(made, read)| (made / read - 1.0).abs() > 1.0));
        for (made, read) in ranges(&made.graph, Relu6::Keep) {
            assert!((made / read - 1.0).abs() < 0.01, "{made} and {read}");
        }
        // Products are the same; each of its factors is rounded once more, 2⁻²⁴ of it, in each layer.
        assert!(relative_difference(&graph, &made.graph) < 1e-5);
    }

    #[test]
    fn a_chain_of_three_meets_at_the_geometric_mean_at_once() {
        let mut net = Build::new([1, 2, 4, 4], 9);
        let x = net.conv("a", net.input, [4, 2, 1, 1], 1, Some(Clamp::RELU));
        let x = net.conv("b", x, [4, 1, 3, 3], 4, Some(Clamp::RELU));
        let x = net.conv("c", x, [3, 4, 1, 1], 1, None);
        let graph = net.finish(&[x]);
        let before = ranges(&graph, Relu6::Keep);
        let made = equalize(&graph, Relu6::Keep).unwrap();
        assert_eq!(made.report.sweeps, 2); // the second one finds nothing to do
        let after = ranges(&made.graph, Relu6::Keep);
        for channel in 0..4 {
            let ((r1, r2), (_, r3)) = (before[channel], before[4 + channel]);
            let mean = libm::cbrt(r1 * r2 * r3);
            for (made, read) in [after[channel], after[4 + channel]] {
                assert!((made / mean - 1.0).abs() < 1e-5 && (read / mean - 1.0).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn nothing_is_equalized_where_somebody_else_looks() {
        let residual = |also_result: bool| {
            let mut net = Build::new([1, 4, 4, 4], 3);
            let a = net.conv("a", net.input, [4, 4, 1, 1], 1, Some(Clamp::RELU));
            let b = net.conv("b", a, [4, 4, 1, 1], 1, None);
            if also_result {
                return net.finish(&[a, b]);
            }
            let sum = net.op("sum", Add::default().into(), &[a, b]);
            let c = net.conv("c", sum, [4, 4, 1, 1], 1, None);
            net.finish(&[c])
        };
        for graph in [residual(false), residual(true)] {
            let made = equalize(&graph, Relu6::Keep).unwrap();
            assert_eq!((made.report.pairs.len(), made.report.sweeps), (0, 0));
            assert_eq!(outputs(&made.graph), outputs(&graph));
        }
    }

    #[test]
    fn a_channel_without_weights_stays() {
        let mut net = Build::new([1, 2, 3, 3], 4);
        net.empty_row = Some(1);
        let x = net.conv("a", net.input, [3, 2, 1, 1], 1, Some(Clamp::RELU));
        let x = net.op("pool", GlobalAveragePool.into(), &[x]);
        let x = net.conv("b", x, [2, 3, 1, 1], 1, None);
        let graph = net.finish(&[x]);
        let made = equalize(&graph, Relu6::Keep).unwrap();
        assert_eq!(made.report.skipped_channels, 1);
        assert!(relative_difference(&graph, &made.graph) < 1e-6);
        assert!(made.report.largest_scale.is_finite());
    }

    #[test]
    fn upper_limits_are_kept_left_out_or_given_to_each_channel() {
        let relu6 = Clamp { min: 0.0, max: 0.5 };
        let mut net = Build::new([1, 3, 5, 5], 6);
        let x = net.conv("a", net.input, [4, 3, 3, 3], 1, Some(relu6));
        let x = net.op("again", Relu.into(), &[x]);
        let x = net.conv("b", x, [2, 4, 1, 1], 1, None);
        let graph = net.finish(&[x]);
        let made = |relu6| equalize(&graph, relu6).unwrap();
        assert_eq!(made(Relu6::Keep).report.pairs.len(), 0);
        let exact = made(Relu6::PerChannelClip);
        assert_eq!((exact.report.limits, exact.report.pairs.len()), (1, 1));
        assert!(relative_difference(&graph, &exact.graph) < 1e-6);
        // Without the limit it is another function where the limit was reached, as it is here.
        let without = made(Relu6::AsRelu);
        assert!(without.report.limits == 1 && relative_difference(&graph, &without.graph) > 0.1);
        let has_limit = |graph: &Graph| {
            graph.nodes().any(|(_, n)| n.op.without_clamp().is_some_and(|(_, c)| c.max.is_finite()))
        };
        assert!(has_limit(&graph) && !has_limit(&without.graph));
        assert!(largest(&outputs(&without.graph)) > 0.0);
    }

    #[test]
    fn two_layers_that_share_a_weight_get_their_own() {
        let mut net = Build::new([1, 4, 4, 4], 8);
        let a = net.conv("a", net.input, [4, 4, 1, 1], 1, Some(Clamp::RELU));
        let shared = net.last_weight();
        let b = net.op("b", Build::convolution(1, None), &[a, shared]);
        let graph = net.finish(&[b]);
        let made = equalize(&graph, Relu6::Keep).unwrap();
        assert_eq!(made.report.pairs.len(), 1);
        assert!(relative_difference(&graph, &made.graph) < 1e-6);
    }

    #[test]
    fn a_limit_goes_only_where_answers_stay() {
        for otherwise in [Relu6::Keep, Relu6::PerChannelClip] {
            let of = |agreed, total| Relu6::unless_answers_change(Agreement { agreed, total }, otherwise);
            assert_eq!((of(99, 100), of(98, 100), of(0, 0)), (Relu6::AsRelu, otherwise, otherwise));
        }
    }
}
