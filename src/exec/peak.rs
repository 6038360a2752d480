//! How much the values of a run take at least.

use super::schedule::schedule;
use super::weights::Weights;
use crate::ir::{GraphError, ValueId};
use crate::ops::{Graph, Kind};

/// The most bytes that computed values take at once in a run, of the sizes that `bytes_of` says: the
/// least that a run in the graph's order can do with. A node's inputs and outputs are there together,
/// unless it can write into an input that nobody reads afterwards. The network's inputs belong to the
/// caller and are not counted, nor are weights.
///
/// A sum that a convolution makes on its way ([`Op::as_sum_maker`](crate::ops::Op::as_sum_maker)) counts as
/// a node of its own: its runs may do with less.
///
/// Runs come near it without a plan of buffers, since values are freed after their last use
/// (`tests/it/memory.rs` holds them against it).
///
/// # Errors
/// [`GraphError::Cycle`].
pub fn least_peak(graph: &Graph, bytes_of: impl Fn(ValueId) -> usize) -> Result<usize, GraphError> {
    let weights = Weights::of(graph);
    let is_computed =
        |id: ValueId| graph.constant(id).is_none() && !weights.has(id) && !graph.inputs().contains(&id);
    let size = |id: ValueId| if is_computed(id) { bytes_of(id) } else { 0 };
    let (mut live, mut peak) = (0_usize, 0_usize);
    for step in schedule(graph, &weights)? {
        let Some(node) = graph.node(step.node) else { continue };
        let inputs = node.inputs.iter().zip(&step.last_use);
        let freed: Vec<usize> = inputs.filter(|(_, last)| **last).map(|(id, _)| id.map_or(0, size)).collect();
        let sum = |sizes: &[usize]| sizes.iter().fold(0_usize, |sum, &size| sum.saturating_add(size));
        let made: Vec<usize> = node.outputs.iter().map(|&id| size(id)).collect();
        let kept = made.iter().zip(&step.unused).filter(|(_, unused)| !**unused).map(|(&size, _)| size);
        let kept: Vec<usize> = kept.collect();
        let writes_in_place = matches!(node.op.facts().kind, Kind::Elementwise | Kind::Sum | Kind::Rearrange);
        let fresh = if writes_in_place && freed.contains(&sum(&made)) { 0 } else { sum(&made) };
        peak = peak.max(live.saturating_add(fresh));
        live = live.saturating_add(sum(&kept)).saturating_sub(sum(&freed));
    }
    Ok(peak)
}
