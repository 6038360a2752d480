//! From QuantizeLinear and DequantizeLinear nodes to integers.
//!
//! ```text
//! q ─Dequantize─▶ real ─op─▶ real ─Quantize─▶ q'      becomes      q ─op on codes─▶ q'
//! ```
//!
//! An operator is lowered when every activation that it reads is dequantized, every constant that
//! it multiplies with is, and its output is either quantized and nothing else, or read by float
//! operators only (its last step then gives real numbers). The operator itself says how
//! ([`Op::lower_int8`]); this pass finds the places and keeps the books: each quantized tensor may
//! exist in two layouts, and a transposition is written only where an operator wants the other one.
//! What cannot be lowered runs in float between DequantizeLinear and QuantizeLinear, as before.
//!
//! Codes of a DynamicQuantizeLinear come with a scale and a zero point that the run finds. Operators that
//! take those as inputs (convolutions and matrix products) make real numbers of them.
//!
//! Between a linear operator and its QuantizeLinear there may be an upper limit for each channel
//! ([`Op::channel_limits`]), as equalization leaves it of a Relu6: rounding keeps order, so the limits of
//! the reals become limits of the codes, and a part of the linear operator.

use super::PassError;
use crate::ir::{GraphBuilder, NodeId, ValueId, ValueMap};
use crate::ops::{
    Codes, DequantizeLinear, Graph, Kind, Layout, LowerContext, LowerInput, Lowered, Node, Op, QLookup,
    QTranspose,
};
use crate::tensor::{DType, Shape, Value};

/// A lowered graph, and what became of each node of the quantized one.
#[derive(Debug, Clone)]
pub struct LoweredGraph {
    /// The graph on integers.
    pub graph: Graph,
    /// Names of the nodes that compute on integers.
    pub integer_nodes: Vec<String>,
    /// Names of the nodes that compute in float, other than quantizing and dequantizing.
    pub float_nodes: Vec<String>,
}

/// Lowers a quantized graph to integer operators.
///
/// # Errors
/// [`PassError::Graph`] when the result is not valid.
pub fn lower_int8(graph: &Graph) -> Result<LoweredGraph, PassError> {
    let mut lowering = Lowering::new(graph);
    for &id in graph.inputs() {
        let value = graph.value(id);
        // A declared type is what makes an input; one without takes anything.
        let ty =
            value.ty.clone().unwrap_or_else(|| crate::tensor::TensorType::new(DType::F32, Shape::Unranked));
        let new = lowering.builder.input(value.name.clone(), ty);
        lowering.real.insert(id, new);
    }
    for id in graph.order()? {
        if let Some(node) = graph.node(id) {
            lowering.node(node);
        }
    }
    for &id in graph.outputs() {
        let id = lowering.real_value(id);
        lowering.builder.output(id);
    }
    let Lowering { builder, integer_nodes, float_nodes, .. } = lowering;
    let graph = super::eliminate_dead(&builder.finish()?)?.compacted()?;
    Ok(LoweredGraph { graph, integer_nodes, float_nodes })
}

/// A quantized tensor in the lowered graph.
#[derive(Debug, Clone, Copy, Default)]
struct Versions {
    nchw: Option<ValueId>,
    nhwc: Option<ValueId>,
}

/// The form of a node on codes.
struct Found<'a> {
    lowered: Lowered,
    /// What limits the channels of a linear operator and becomes a part of it.
    limit: Option<&'a Node>,
    /// The QuantizeLinear that follows the node, if one does.
    quantize: Option<&'a Node>,
    /// The codes that activations are to have first.
    requantize: Option<Codes>,
}

struct Lowering<'a> {
    graph: &'a Graph,
    producers: Vec<Option<NodeId>>,
    consumers: Vec<Vec<NodeId>>,
    builder: GraphBuilder<Op>,
    /// Real and other plain values, by their number in the old graph.
    real: ValueMap<ValueId>,
    /// Codes of activations, by the number of the QuantizeLinear output in the old graph.
    codes: ValueMap<Versions>,
    /// Outputs in the old graph of nodes that became a part of the one before.
    taken: ValueMap<()>,
    integer_nodes: Vec<String>,
    float_nodes: Vec<String>,
}

impl<'a> Lowering<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            producers: graph.producers(),
            consumers: graph.consumers(),
            builder: GraphBuilder::new(graph.name()),
            real: ValueMap::new(),
            codes: ValueMap::new(),
            taken: ValueMap::new(),
            integer_nodes: Vec::new(),
            float_nodes: Vec::new(),
        }
    }

    fn node(&mut self, node: &Node) {
        match node.op.facts().kind {
            // Written where, and if, somebody needs the real numbers.
            Kind::Dequantize if self.source_codes(node.outputs[0]).is_some() => {}
            Kind::Dequantize if self.dynamic_codes(node.outputs[0]).is_some() => {}
            Kind::Quantize if self.codes.contains(node.outputs[0]) => {}
            _ if node.outputs.first().is_some_and(|&output| self.taken.contains(output)) => {}
            Kind::Quantize if self.output_codes(node).is_some() => {
                let new = self.copy(node);
                self.codes.insert(node.outputs[0], Versions { nchw: Some(new[0]), nhwc: None });
            }
            _ if matches!(node.op, Op::DynamicQuantizeLinear(_)) => {
                let new = self.copy(node);
                self.codes.insert(node.outputs[0], Versions { nchw: Some(new[0]), nhwc: None });
                for (old, new) in node.outputs.iter().zip(new).skip(1) {
                    self.real.insert(*old, new);
                }
            }
            _ => self.compute(node),
        }
    }

    fn compute(&mut self, node: &Node) {
        if let Some(found) = self.try_lower(node) {
            self.integer_nodes.push(node.name.clone());
            if let Some(limit) = found.limit {
                self.integer_nodes.push(limit.name.clone());
                self.taken.insert(limit.outputs[0], ());
            }
            self.write_lowered(node, found);
            return;
        }
        if !matches!(node.op.facts().kind, Kind::Quantize | Kind::Dequantize) {
            self.float_nodes.push(node.name.clone());
        }
        let new = self.copy(node);
        for (old, new) in node.outputs.iter().zip(new) {
            self.real.insert(*old, new);
        }
    }

    /// The operator on codes for a node.
    fn try_lower(&self, node: &Node) -> Option<Found<'a>> {
        let [made] = node.outputs[..] else { return None };
        let mut inputs = node.inputs.iter().map(|&input| self.describe(input)).collect::<Option<Vec<_>>>()?;
        if inputs.iter().any(|input| matches!(input, LowerInput::Dynamic)) {
            return self.try_dynamic(node, (inputs, made));
        }
        let limit = self.limit_behind(node, made);
        let output = limit.as_ref().map_or(made, |(limit, _)| limit.outputs[0]);
        let readers: Vec<&'a Node> =
            self.consumers[output.index()].iter().filter_map(|&r| self.graph.node(r)).collect();
        let quantizers = readers.iter().filter(|r| r.op.facts().kind == Kind::Quantize).count();
        let is_result = self.graph.outputs().contains(&output);
        let quantize = match (quantizers, readers.len()) {
            (1, 1) if !is_result => Some(readers[0]),
            (0, _) => None,
            _ => return None,
        };
        let codes = match quantize {
            Some(quantize) => Some(self.output_codes(quantize)?),
            None => None,
        };
        if !inputs.iter().any(|i| matches!(i, LowerInput::Activation { .. })) {
            return None;
        }
        // What only moves or selects does so after its input has the codes of the output just as well.
        let requantize = codes.filter(|_| node.op.facts().kind == Kind::Rearrange);
        if let Some(output) = requantize {
            for input in &mut inputs {
                if let LowerInput::Activation { codes, .. } = input {
                    *codes = output;
                }
            }
        }
        let output_type = self.graph.value(output).ty.as_ref();
        let limits = limit.as_ref().zip(codes);
        let limits = limits.map_or_else(Vec::new, |((_, limits), codes)| {
            limits.iter().map(|&limit| codes.quantize(limit)).collect()
        });
        let context = LowerContext { inputs, output: codes, output_type, limits };
        let lowered = node.op.lower_int8(&context).or_else(|| lookup(&node.op, &context))?;
        Some(Found { lowered, limit: limit.map(|(limit, _)| limit), quantize, requantize })
    }

    /// The operator on codes for a node that reads some which are made while the network runs. What it makes
    /// are real numbers.
    fn try_dynamic(&self, node: &Node, (inputs, made): (Vec<LowerInput<'a>>, ValueId)) -> Option<Found<'a>> {
        let output_type = self.graph.value(made).ty.as_ref();
        let context = LowerContext { inputs, output: None, output_type, limits: Vec::new() };
        let lowered = node.op.lower_int8(&context)?;
        Some(Found { lowered, limit: None, quantize: None, requantize: None })
    }

    /// The node that alone reads the output of a linear operator, limits each of its channels, and is itself
    /// only quantized; and the limits.
    fn limit_behind(&self, node: &Node, output: ValueId) -> Option<(&'a Node, Vec<f32>)> {
        let Kind::Linear(linear) = node.op.facts().kind else { return None };
        let only_reader = |value: ValueId| {
            let [reader] = self.consumers[value.index()][..] else { return None };
            self.graph.node(reader).filter(|_| !self.graph.outputs().contains(&value))
        };
        let limit = only_reader(output).filter(|limit| limit.inputs.first() == Some(&Some(output)))?;
        let limits = limit.op.channel_limits(&super::type_inputs(self.graph, limit)?)?;
        let quantize = only_reader(*limit.outputs.first()?)?;
        // A product of matrices has its channels last, which is axis 1 only of two.
        let rank = |id: ValueId| self.graph.value(id).ty.as_ref()?.shape.rank();
        let is_of_channels = rank(output)? == rank((*node.inputs.get(linear.weight)?)?)?;
        (is_of_channels && quantize.op.facts().kind == Kind::Quantize).then_some((limit, limits))
    }

    fn describe(&self, input: Option<ValueId>) -> Option<LowerInput<'a>> {
        let Some(id) = input else { return Some(LowerInput::Absent) };
        if let Some(value) = self.graph.constant(id) {
            return Some(LowerInput::Constant(value));
        }
        if let Some((_, codes)) = self.source_codes(id) {
            return Some(LowerInput::Activation { codes, ty: self.graph.value(id).ty.as_ref() });
        }
        if self.dynamic_codes(id).is_some() {
            return Some(LowerInput::Dynamic);
        }
        let node = self.graph.node(self.producers[id.index()]?)?;
        if node.op.facts().kind != Kind::Dequantize {
            return None;
        }
        let constant = |slot: usize| self.graph.constant(node.inputs.get(slot).copied().flatten()?);
        let is_computed =
            |slot: usize| node.inputs.get(slot).is_some_and(Option::is_some) && constant(slot).is_none();
        if is_computed(2) {
            return None;
        }
        let zero_point = constant(2).filter(|zeros| !is_zero(zeros));
        let axis = match &node.op {
            Op::DequantizeLinear(op) if op.block_size == 0 => usize::try_from(op.axis).ok()?,
            _ => return None,
        };
        let scale = constant(1)?.as_slice::<f32>().ok()?;
        Some(LowerInput::Quantized { codes: constant(0)?, zero_point, scale, axis })
    }

    /// The codes behind a dequantized activation: the QuantizeLinear output that it comes from.
    fn source_codes(&self, real: ValueId) -> Option<(ValueId, Codes)> {
        let node = self.graph.node(self.producers[real.index()]?)?;
        if node.op.facts().kind != Kind::Dequantize {
            return None;
        }
        let source = node.inputs[0]?;
        self.codes.contains(source).then_some(())?;
        Some((source, self.parameters(node)?))
    }

    /// Codes, scale and zero point behind an activation that is quantized while the network runs, where a
    /// DynamicQuantizeLinear makes all three.
    fn dynamic_codes(&self, real: ValueId) -> Option<[ValueId; 3]> {
        let node = self.graph.node(self.producers[real.index()]?)?;
        let &[Some(codes), Some(scale), Some(zero)] = &node.inputs[..] else { return None };
        let made_by = self.graph.node(self.producers[codes.index()]?)?;
        let is_dynamic = matches!(
            (&node.op, &made_by.op),
            (Op::DequantizeLinear(DequantizeLinear { block_size: 0, .. }), Op::DynamicQuantizeLinear(_))
        );
        let found = [codes, scale, zero];
        (is_dynamic && made_by.outputs == found && self.codes.contains(codes)).then_some(found)
    }

    /// The codes that a QuantizeLinear makes, when an integer operator can make them.
    fn output_codes(&self, node: &Node) -> Option<Codes> {
        let codes = self.parameters(node)?;
        let Op::QuantizeLinear(op) = &node.op else { return None };
        let (min, max) = codes.limits(op.clamp);
        Some(Codes { min, max, ..codes })
    }

    /// Scale and zero point of a QuantizeLinear or DequantizeLinear of `uint8` with one scale.
    fn parameters(&self, node: &Node) -> Option<Codes> {
        let constant = |slot: usize| self.graph.constant(node.inputs.get(slot).copied().flatten()?);
        let [scale] = constant(1)?.as_slice::<f32>().ok()? else { return None };
        let zeros = match node.inputs.get(2).copied().flatten() {
            Some(id) => self.graph.constant(id)?,
            None => &Value::scalar(0_u8),
        };
        let [zero_point] = zeros.as_slice::<u8>().ok()? else { return None };
        Some(Codes { scale: *scale, zero_point: *zero_point, min: 0, max: 255 })
    }

    fn write_lowered(&mut self, node: &Node, found: Found<'_>) {
        let Found { lowered, quantize, requantize, .. } = found;
        let mut inputs: Vec<Option<ValueId>> = Vec::new();
        for &slot in &lowered.inputs {
            if let Some((_, value)) = lowered.constants.iter().find(|(at, _)| *at == slot) {
                let name = format!("{}_input{slot}", node.name);
                inputs.push(Some(self.builder.constant(name, value.clone())));
                continue;
            }
            let Some(id) = node.inputs.get(slot).copied().flatten() else {
                inputs.push(None);
                continue;
            };
            if let Some((source, codes)) = self.source_codes(id) {
                let value = self.codes_in(source, lowered.layout);
                inputs.push(Some(requantize.map_or(value, |output| self.requantized(value, codes, output))));
            } else if let Some([codes, scale, zero]) = self.dynamic_codes(id) {
                inputs.push(Some(self.codes_in(codes, lowered.layout)));
                inputs.extend([scale, zero].map(|id| Some(self.real_value(id))));
            } else {
                inputs.push(Some(self.real_value(id)));
            }
        }
        let (made, ty) = match quantize {
            // A narrower range than the type's is a clamp of the QuantizeLinear.
            Some(quantize) => (quantize.outputs[0], None),
            None => (node.outputs[0], self.graph.value(node.outputs[0]).ty.clone()),
        };
        let output = self.builder.value(self.graph.value(made).name.clone(), ty);
        let name = node.name.clone();
        self.builder.node(Node { name, op: lowered.op, inputs, outputs: vec![output] });
        if quantize.is_some() {
            let is_image = self.is_image(made);
            let versions = match lowered.layout {
                Layout::Nhwc if is_image => Versions { nchw: None, nhwc: Some(output) },
                _ => Versions { nchw: Some(output), nhwc: None },
            };
            self.codes.insert(made, versions);
        } else {
            self.real.insert(made, output);
        }
    }

    /// The same real numbers by other codes.
    fn requantized(&mut self, value: ValueId, codes: Codes, output: Codes) -> ValueId {
        if (codes.scale, codes.zero_point) == (output.scale, output.zero_point) {
            return value;
        }
        let name = format!("{}_requantized", self.builder.peek(value).name);
        self.builder.op(&name, QLookup::requantizing(codes, output).into(), &[value])
    }

    fn is_image(&self, id: ValueId) -> bool {
        self.graph.value(id).ty.as_ref().and_then(|ty| ty.shape.rank()) == Some(4)
    }

    /// The codes of a tensor in a layout, transposed when they only exist in the other one.
    fn codes_in(&mut self, source: ValueId, layout: Layout) -> ValueId {
        let versions = self.codes.get(source).copied().unwrap_or_default();
        let layout = if self.is_image(source) { layout } else { Layout::Nchw };
        let (have, want, suffix) = match layout {
            Layout::Nchw => (versions.nhwc, versions.nchw, "nchw"),
            Layout::Nhwc => (versions.nchw, versions.nhwc, "nhwc"),
        };
        if let Some(id) = want {
            return id;
        }
        // One of the two versions exists: `codes` only has entries of tensors that were written.
        let Some(have) = have else { return self.real_value(source) };
        let name = format!("{}_{suffix}", self.graph.value(source).name);
        let output = self.builder.value(name.clone(), None);
        let op = QTranspose { to: layout }.into();
        self.builder.node(Node { name, op, inputs: vec![Some(have)], outputs: vec![output] });
        let entry = self.codes.row(source).get_or_insert_default();
        match layout {
            Layout::Nchw => entry.nchw = Some(output),
            Layout::Nhwc => entry.nhwc = Some(output),
        }
        output
    }

    /// The plain value of the lowered graph that stands for one of the old graph: copied constants,
    /// computed values, and activations dequantized on demand.
    fn real_value(&mut self, id: ValueId) -> ValueId {
        if let Some(&new) = self.real.get(id) {
            return new;
        }
        if self.codes.contains(id) {
            return self.codes_in(id, Layout::Nchw);
        }
        let value = self.graph.value(id);
        let new = if let Some(constant) = &value.constant {
            self.builder.constant(value.name.clone(), constant.clone())
        } else if let Some(node) = self.producers[id.index()].and_then(|p| self.graph.node(p)) {
            // Only dequantized activations are left: everything else was written in order.
            self.copy(node)[0]
        } else {
            self.builder.value(value.name.clone(), value.ty.clone())
        };
        self.real.insert(id, new);
        new
    }

    /// Writes a node as it is; returns its outputs.
    fn copy(&mut self, node: &Node) -> Vec<ValueId> {
        let inputs: Vec<_> = node.inputs.iter().map(|id| id.map(|id| self.real_value(id))).collect();
        let outputs: Vec<_> = node
            .outputs
            .iter()
            .map(|&id| {
                let value = self.graph.value(id);
                self.builder.value(value.name.clone(), value.ty.clone())
            })
            .collect();
        self.builder.node(Node { inputs, outputs: outputs.clone(), ..node.clone() });
        outputs
    }
}

/// A table for an operator that works element by element.
fn lookup(op: &Op, context: &LowerContext<'_>) -> Option<Lowered> {
    let (input, output) = (context.activation(0)?, context.output?);
    if op.facts().kind != Kind::Elementwise {
        return None;
    }
    let other = |input: &LowerInput<'_>| match input {
        LowerInput::Absent => Some(None),
        LowerInput::Constant(value) => Some(Some((*value).clone())),
        _ => None,
    };
    let others = context.inputs.iter().skip(1).map(other).collect::<Option<Vec<_>>>()?;
    let op = QLookup::of(op, (input, output), &others).ok()?.into();
    Some(Lowered::new(op, vec![0], Layout::Nhwc))
}

fn is_zero(value: &Value) -> bool {
    match value.dtype() {
        DType::U8 => value.as_slice::<u8>().is_ok_and(|v| v.iter().all(|&z| z == 0)),
        DType::I8 => value.as_slice::<i8>().is_ok_and(|v| v.iter().all(|&z| z == 0)),
        DType::I32 => value.as_slice::<i32>().is_ok_and(|v| v.iter().all(|&z| z == 0)),
        _ => false,
    }
}
