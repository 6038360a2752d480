//! How much memory a network will take, known before most of it is taken.
//!
//! What the engine holds of a network of W bytes of weights (as float32), at the most, while one recipe
//! follows another, in multiples of W:
//!
//! ```text
//! full precision   weights, for quantizing them                     1
//!                  packed, for running them                         1
//! quantized        codes, packed codes, the exported file           3 × ¼
//!                  the definition's packed weights                  1
//! the one before   codes, packed codes, file                        3 × ¼     4.5 in all
//! ```
//!
//! To that come values of runs, and of the picture in the lens the outputs of all layers. A file that is
//! quantized has codes in place of the first row's weights and no network before it. docs/memory.md holds
//! this against measurements.

use super::SessionError;
use super::network::Network;
use super::runnable::is_quantized;
use crate::exec::least_peak;
use crate::ir::{NameMap, ValueId};
use crate::ops::{Graph, GraphPatch, Kind, Node};
use crate::passes;
use crate::tensor::{DType, Dim, Shape, TensorType};

/// Multiples of the weights' bytes that are held, in hundredths: what is counted above, and something for
/// gaps between what is freed and what takes its place.
const PER_WEIGHT_BYTE: usize = 480;

/// The same of a file that is quantized: codes, the definition's packed weights, packed codes and file
/// once and once more while it is made ready anew, what writing the file takes, and gaps.
const PER_WEIGHT_BYTE_QUANTIZED: usize = 330;

/// The engine itself, without a network.
const EMPTY: usize = 3_000_000;

/// What a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of its weights as float32.
    pub weights: usize,
    /// Bytes of values that a run needs at once, at least; sizes that are not known count nothing.
    pub activations: usize,
    /// Bytes of the outputs of all layers with weights.
    pub layers: usize,
    /// Multiply-accumulates of its layers with weights on one input; sizes that are not known count nothing.
    pub multiply_accumulates: u64,
    /// Whether its file is quantized.
    pub is_quantized: bool,
}

impl Footprint {
    /// Of a simplified network on an input of these sizes.
    ///
    /// # Errors
    /// When the graph has a cycle.
    pub fn of(graph: &Graph, input: &[usize]) -> Result<Self, SessionError> {
        let typed = at_size(graph, input).unwrap_or_else(|| graph.clone());
        let bytes = |id: ValueId| typed.value(id).ty.as_ref().and_then(size_bytes).unwrap_or(0);
        let constants = graph.values().filter_map(|(_, value)| value.constant.as_ref());
        let linear = graph.nodes().filter(|(_, node)| matches!(node.op.facts().kind, Kind::Linear(_)));
        let products = |(_, node): (_, &Node)| multiply_accumulates(&typed, node).unwrap_or(0);
        Ok(Self {
            weights: sum(constants.map(|value| value.len().saturating_mul(DType::F32.size_bytes()))),
            activations: least_peak(&typed, bytes).map_err(crate::exec::ExecError::from)?,
            layers: sum(linear.filter_map(|(_, node)| node.outputs.first().map(|&id| bytes(id)))),
            multiply_accumulates: graph.nodes().map(products).fold(0, u64::saturating_add),
            is_quantized: is_quantized(graph),
        })
    }

    /// Bytes that quantizing the network by several recipes, comparing it and looking at a picture
    /// take at most, about; pictures come beside.
    pub fn needed(&self) -> usize {
        let hundredths = if self.is_quantized { PER_WEIGHT_BYTE_QUANTIZED } else { PER_WEIGHT_BYTE };
        // The values of a run, and those that explaining it or a gradient holds beside them.
        let runs = self.activations.saturating_mul(2).saturating_add(self.layers);
        (self.weights / 100).saturating_mul(hundredths).saturating_add(runs).saturating_add(EMPTY)
    }
}

/// Multiply-accumulates of each layer with weights on one picture, by the name of its node; those whose sizes are
/// not known are left out.
pub(super) fn layer_products(network: &Network) -> Result<NameMap<u64>, SessionError> {
    let graph = network.graph();
    let typed = at_size(graph, network.probe()?.shape()).unwrap_or_else(|| graph.clone());
    let nodes = typed.nodes().map(|(_, node)| node);
    Ok(nodes.filter_map(|node| Some((node.name.clone(), multiply_accumulates(&typed, node)?))).collect())
}

/// Products of a layer: each number of the output sums as many as one channel of the weight has.
fn multiply_accumulates(typed: &Graph, node: &Node) -> Option<u64> {
    let Kind::Linear(linear) = node.op.facts().kind else { return None };
    let sizes = |id: ValueId| {
        let dims = typed.value(id).ty.as_ref()?.shape.dims()?;
        dims.iter().map(|dim| Some(dim.fixed()? as u64)).collect::<Option<Vec<u64>>>()
    };
    let count = |sizes: &[u64]| sizes.iter().fold(1_u64, |count, &size| count.saturating_mul(size));
    let weight = sizes(node.inputs.get(linear.weight).copied()??)?;
    let channels = *weight.get(linear.channel_axis)?;
    let outputs = count(&sizes(*node.outputs.first()?)?);
    Some(outputs.saturating_mul(count(&weight).checked_div(channels)?))
}

/// Refuses what takes more memory than it may.
pub(super) fn check(needed: usize, limit: Option<usize>) -> Result<(), SessionError> {
    match limit.filter(|&limit| needed > limit) {
        Some(limit) => Err(SessionError::Memory { needed, limit }),
        None => Ok(()),
    }
}

/// The graph with types for an input of these sizes; nothing where they do not fit.
fn at_size(graph: &Graph, input: &[usize]) -> Option<Graph> {
    let mut patch = GraphPatch::new(graph);
    patch.set_type(*graph.inputs().first()?, TensorType::new(DType::F32, Shape::fixed(input)));
    passes::infer_types(&graph.apply(patch).ok()?).ok()
}

fn size_bytes(ty: &TensorType) -> Option<usize> {
    let dims = ty.shape.dims()?.iter().map(Dim::fixed);
    let count = dims.collect::<Option<Vec<_>>>()?.into_iter().fold(1_usize, usize::saturating_mul);
    Some(count.saturating_mul(ty.dtype.size_bytes()))
}

fn sum(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::GraphBuilder;
    use crate::ops::{Flatten, GlobalAveragePool, MatMul, Op, Relu};
    use crate::tensor::Value;

    /// Relu, average, product: `[N, 3, H, W]` to `[N, 2]`.
    fn graph(dims: Vec<Dim>) -> Graph {
        let mut builder = GraphBuilder::<Op>::new("net");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::Ranked(dims)));
        let a = builder.op("a", Relu.into(), &[x]);
        let pool = builder.op("pool", GlobalAveragePool.into(), &[a]);
        let flat = builder.op("flat", Flatten { axis: 1 }.into(), &[pool]);
        let weight = builder.constant("w", Value::zeros::<f32>(&[3, 2]).unwrap());
        let y = builder.op("y", MatMul::default().into(), &[flat, weight]);
        builder.output(y);
        builder.finish().unwrap()
    }

    #[test]
    fn weights_values_and_layers_are_counted() {
        let open = vec![Dim::Symbolic("n".into()), Dim::Fixed(3), Dim::Unknown, Dim::Unknown];
        for dims in [open, [1, 3, 10, 20].map(Dim::Fixed).to_vec()] {
            let found = Footprint::of(&graph(dims), &[1, 3, 10, 20]).unwrap();
            let activations = 4 * (3 * 10 * 20 + 3);
            let expected = Footprint {
                weights: 24,
                activations,
                layers: 8,
                multiply_accumulates: 6,
                is_quantized: false,
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn sizes_beyond_numbers_are_no_panic() {
        let huge = [1, 3, 1 << 31, 1 << 31];
        let found = Footprint::of(&graph(huge.map(Dim::Fixed).to_vec()), &huge).unwrap();
        assert_eq!(found.needed(), usize::MAX);
        assert!(check(found.needed(), None).is_ok());
        let error = check(3_204_000_000, Some(2_100_000_000)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "To quantize and compare this network takes about 3.2 GB of memory, and 2.1 GB may be used."
        );
        assert_eq!(error.needed_bytes(), Some(3_204_000_000));
    }
}
