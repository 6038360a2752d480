//! Where the logits are, and which tensor with places of the picture comes last before them.
//!
//! A convolutional network ends by pooling or flattening an image, channels first or last; what it
//! reads there is the last tensor with places. A network of tokens (ViT) ends by taking one token, or
//! the mean of all. The token that is taken knows of the others only through the attention before it,
//! so the tensors of tokens that everything passes through are candidates, from the last one on.

use super::places::{self, Places};
use crate::exec::Recording;
use crate::ir::{NameMap, NodeId, ValueId};
use crate::ops::{Graph, Kind};
use crate::tensor::{DType, Dim, TensorType};

/// The scores of the classes: what the last Softmax reads; the first output where there is none.
///
/// Going back from the first output, operators that only move values (Reshape, Flatten) or change
/// their representation (DequantizeLinear) are stepped over.
pub fn find_logits(graph: &Graph) -> Option<ValueId> {
    let producers = graph.producers();
    let output = *graph.outputs().first()?;
    let mut at = output;
    loop {
        let Some(node) = producers[at.index()].and_then(|id| graph.node(id)) else { return Some(output) };
        let facts = node.op.facts();
        let data = (*node.inputs.first()?)?;
        if facts.is_softmax {
            return Some(data);
        }
        // A shape that the network computes is not data (old exporters write Reshape that way).
        let is_data = |id: &&ValueId| {
            let value = graph.value(**id);
            value.constant.is_none()
                && value.ty.as_ref().is_none_or(|ty| ty.dtype.is_float() || ty.dtype.size_bytes() == 1)
        };
        let one_input = node.inputs.iter().flatten().filter(is_data).count() == 1;
        match facts.kind {
            Kind::Rearrange | Kind::Quantize | Kind::Dequantize if one_input => at = data,
            _ if facts.is_identity => at = data,
            _ => return Some(output),
        }
    }
}

/// A tensor with places, and how they lie in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The tensor.
    pub value: ValueId,
    /// How its elements are numbered.
    pub places: Places,
}

/// The tensors to read a map from, the best first; none where no tensor keeps the picture's rows and
/// columns.
///
/// The first is the input of the last operator that turns a tensor with places into one without
/// (docs/numerics.md). Where its places are tokens, the tensors of the same shape follow that all of
/// the network passes through, from the last to the first.
///
/// `sizes` are those of one run.
pub(super) fn find_targets(graph: &Graph, logits: ValueId, sizes: &Sizes) -> Vec<Target> {
    let Ok(order) = graph.order() else { return Vec::new() };
    let path = Path::new(graph, &order, logits, sizes);
    let Some(first) = path.last_with_places() else { return Vec::new() };
    let shape = |id: ValueId| (sizes.dtype(id) == Some(DType::F32)).then(|| sizes.shape(id));
    let mut targets = vec![first];
    if first.places.are_tokens {
        let alike = path.bottlenecks().into_iter().rev();
        let before = alike.skip_while(|(at, _)| path.made_after(*at, first.value)).map(|(_, id)| id);
        let same = before.filter(|&id| id != first.value && shape(id) == shape(first.value));
        targets.extend(same.map(|value| Target { value, ..first }));
    }
    targets
}

/// Type and sizes of the values of a run, by their numbers.
#[derive(Debug)]
pub(super) struct Sizes(Vec<Option<(DType, Vec<usize>)>>);

impl Sizes {
    /// What the graph's types say of a run on an input of these sizes: an open size that has a name is
    /// the same wherever that name stands. None where they leave a size open.
    pub(super) fn of_types(graph: &Graph, input: &[usize]) -> Option<Self> {
        let given = *graph.inputs().first()?;
        let dims = graph.value(given).ty.as_ref()?.shape.dims()?;
        let named = dims.iter().zip(input).filter_map(|(dim, &size)| match dim {
            Dim::Symbolic(name) => Some((name, size)),
            _ => None,
        });
        let sizes: NameMap<usize> = named.collect();
        let size = |dim: &Dim| match dim {
            Dim::Fixed(size) => Some(*size),
            Dim::Symbolic(name) => sizes.get(name).copied(),
            Dim::Unknown => None,
        };
        let known = |id: ValueId| {
            let value = graph.value(id);
            match (&value.constant, &value.ty) {
                (Some(constant), _) => Some((constant.dtype(), constant.shape().to_vec())),
                (None, Some(ty)) if id == given => Some((ty.dtype, input.to_vec())),
                (None, ty) => {
                    let TensorType { dtype, shape } = ty.as_ref()?;
                    Some((*dtype, shape.dims()?.iter().map(size).collect::<Option<_>>()?))
                }
            }
        };
        let mut sizes = vec![None; graph.value_count()];
        for id in graph.nodes().flat_map(|(_, node)| node.inputs.iter().flatten().chain(&node.outputs)) {
            sizes[id.index()] = Some(known(*id)?);
        }
        Some(Self(sizes))
    }

    /// What a run had; of values that are not in it, what the graph's types say.
    pub(super) fn of_run(graph: &Graph, recording: &Recording) -> Self {
        let typed = |id: ValueId| {
            let ty = graph.value(id).ty.as_ref()?;
            Some((ty.dtype, ty.shape.to_fixed()?))
        };
        let seen = |id: ValueId| recording.get(id).map(|value| (value.dtype(), value.shape().to_vec()));
        Self(graph.values().map(|(id, _)| seen(id).or_else(|| typed(id))).collect())
    }

    fn dtype(&self, id: ValueId) -> Option<DType> {
        self.0.get(id.index())?.as_ref().map(|(dtype, _)| *dtype)
    }

    fn shape(&self, id: ValueId) -> &[usize] {
        self.0.get(id.index()).and_then(Option::as_ref).map_or(&[], |(_, shape)| shape)
    }
}

/// What lies between the picture and the logits.
struct Path<'a> {
    graph: &'a Graph,
    order: &'a [NodeId],
    sizes: &'a Sizes,
    /// For each value whether it is data that depends on the picture and that the logits depend on.
    on_it: Vec<bool>,
}

impl<'a> Path<'a> {
    fn new(graph: &'a Graph, order: &'a [NodeId], logits: ValueId, sizes: &'a Sizes) -> Self {
        // Sizes are no data: an operator that asks for a shape does not look at the picture.
        let is_data = |id: &ValueId| matches!(sizes.dtype(*id), Some(DType::F32 | DType::U8 | DType::I8));
        let nodes = || order.iter().filter_map(|&id| graph.node(id));
        let mut depends = vec![false; graph.value_count()];
        graph.inputs().iter().for_each(|id| depends[id.index()] = true);
        for node in nodes() {
            if node.inputs.iter().flatten().any(|id| depends[id.index()]) {
                node.outputs.iter().filter(|id| is_data(id)).for_each(|id| depends[id.index()] = true);
            }
        }
        let mut on_it = vec![false; graph.value_count()];
        on_it[logits.index()] = depends[logits.index()];
        for node in order.iter().rev().filter_map(|&id| graph.node(id)) {
            if node.outputs.iter().any(|id| on_it[id.index()]) {
                let read = node.inputs.iter().flatten().filter(|id| depends[id.index()]);
                read.for_each(|id| on_it[id.index()] = true);
            }
        }
        Self { graph, order, sizes, on_it }
    }

    fn shape(&self, id: ValueId) -> &'a [usize] {
        self.sizes.shape(id)
    }

    fn is_on_it(&self, id: ValueId) -> bool {
        self.on_it[id.index()]
    }

    /// The input of the last operator that reads places and gives none.
    fn last_with_places(&self) -> Option<Target> {
        let picture = places::picture_size(self.shape(*self.graph.inputs().first()?))?;
        let patches = self.patches();
        let readings = |id: ValueId| places::readings(self.shape(id), picture, &patches);
        for &id in self.order.iter().rev() {
            let Some(node) = self.graph.node(id) else { continue };
            let mut made = node.outputs.iter().filter(|id| self.is_on_it(**id));
            let Some(&first) = made.next() else { continue };
            if node.outputs.iter().any(|&id| !readings(id).is_empty()) {
                continue;
            }
            for value in node.inputs.iter().flatten().copied().filter(|&id| self.is_on_it(id)) {
                let mut found = readings(value);
                if found.is_empty() && node.op.facts().kind == Kind::Average {
                    found.extend(places::channels_first(self.shape(value)));
                }
                let is_float = self.sizes.dtype(value) == Some(DType::F32);
                if let Some(places) = places::choose(&found, self.shape(first)).filter(|_| is_float) {
                    return Some(Target { value, places });
                }
            }
        }
        None
    }

    /// Rows and columns of what each convolution makes, in order: one of them cuts a picture into the
    /// patches that become tokens.
    fn patches(&self) -> Vec<[usize; 2]> {
        let size = |&id: &NodeId| {
            let node = self.graph.node(id)?;
            let Kind::Linear(linear) = node.op.facts().kind else { return None };
            let weight = (*node.inputs.get(linear.weight)?)?;
            match *self.shape(*node.outputs.first()?) {
                [1, _, height, width] if self.shape(weight).len() == 4 => Some([height, width]),
                _ => None,
            }
        };
        self.order.iter().filter_map(size).collect()
    }

    /// The values that all of the network passes through, each with the step that makes it.
    fn bottlenecks(&self) -> Vec<(usize, ValueId)> {
        let mut last_read = vec![0; self.graph.value_count()];
        let needed = |id: NodeId| {
            let node = self.graph.node(id)?;
            node.outputs.iter().any(|&id| self.is_on_it(id)).then_some(node)
        };
        let steps = || self.order.iter().enumerate().filter_map(|(at, &id)| Some((at, needed(id)?)));
        for (at, node) in steps() {
            node.inputs.iter().flatten().for_each(|id| last_read[id.index()] = at);
        }
        let mut alive = self.graph.inputs().iter().filter(|&&id| self.is_on_it(id)).count();
        let mut found = Vec::new();
        for (at, node) in steps() {
            for &id in node.inputs.iter().flatten() {
                if self.is_on_it(id) && last_read[id.index()] == at {
                    last_read[id.index()] = usize::MAX; // a node may read it twice
                    alive -= 1;
                }
            }
            let made: Vec<ValueId> = node.outputs.iter().copied().filter(|&id| self.is_on_it(id)).collect();
            alive += made.len();
            if let ([only], 1) = (&made[..], alive) {
                found.push((at, *only));
            }
        }
        found
    }

    /// Whether step `at` comes after the one that makes a value.
    fn made_after(&self, at: usize, value: ValueId) -> bool {
        let makes = |id: &NodeId| self.graph.node(*id).is_some_and(|node| node.outputs.contains(&value));
        !self.order.iter().skip(at).any(makes)
    }
}
