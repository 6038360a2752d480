//! Writing a plan into a graph: QuantizeLinear and DequantizeLinear nodes, integer constants.

use super::affine::{scale_shape, weight_codes};
use super::plan::{data_input, data_slot, quantizable_linear};
use super::{Granularity, QuantError, QuantPlan, TensorQuant};
use crate::ir::{ValueId, ValueMap};
use crate::ops::{
    Clamp, DequantizeLinear, DynamicQuantizeLinear, Graph, GraphPatch, Linear, Node, Operator as _,
    QuantizeLinear,
};
use crate::tensor::{DType, I2, I4, Value};

/// A network with QuantizeLinear and DequantizeLinear nodes, and the plan that they express.
#[derive(Debug, Clone)]
pub struct Quantized {
    /// The network: run in float, it is the definition of the quantized network.
    pub graph: Graph,
    /// What was done to it.
    pub plan: QuantPlan,
}

/// Quantizes a graph by a plan.
///
/// Every planned activation is followed by QuantizeLinear and DequantizeLinear, and every reader
/// reads the latter; results of the network keep the unquantized value. Where the scale is found while
/// the network runs, DynamicQuantizeLinear takes the place of QuantizeLinear, and quantized layers alone
/// read what it makes; their biases stay real. A planned weight becomes signed codes, a byte each or
/// packed, its operator's bias `int32` codes of scale `input scale · weight scale` (methods §0.3), each
/// behind a DequantizeLinear.
///
/// # Errors
/// [`QuantError::Tensor`] when the plan is of another graph, [`QuantError::Graph`].
pub fn apply(graph: &Graph, plan: &QuantPlan) -> Result<Quantized, QuantError> {
    let mut writer = Writer::new(graph, plan);
    writer.tensors()?;
    for (id, node) in graph.nodes() {
        let inputs = writer.inputs_of(node)?;
        if inputs != node.inputs {
            writer.patch.replace_node(id, Node { inputs, ..node.clone() });
        }
    }
    let graph = crate::passes::infer_types(&graph.apply(writer.patch)?)?;
    let graph = crate::passes::eliminate_dead(&graph)?.compacted()?;
    Ok(Quantized { graph, plan: plan.clone() })
}

/// Writes what a plan says into a patch.
pub(super) struct Writer<'a> {
    graph: &'a Graph,
    plan: &'a QuantPlan,
    /// What was written.
    pub(super) patch: GraphPatch,
    /// What readers of a value are to read instead.
    replaced: ValueMap<ValueId>,
    /// What quantized layers are to read instead.
    dynamic: ValueMap<ValueId>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(graph: &'a Graph, plan: &'a QuantPlan) -> Self {
        let (replaced, dynamic) = (ValueMap::new(), ValueMap::new());
        Self { graph, plan, patch: GraphPatch::new(graph), replaced, dynamic }
    }

    /// Every tensor of the plan, beside what it stands for: readers stay as they are.
    ///
    /// # Errors
    /// As [`apply`].
    pub(super) fn tensors(&mut self) -> Result<(), QuantError> {
        for (id, value) in self.graph.values() {
            if value.constant.is_some()
                && let Some(quant) = self.plan.weights.get(&value.name)
            {
                self.weight(id, quant)?;
            } else if let Some(quant) = self.plan.activations.get(&value.name) {
                self.activation(id, quant);
            } else if self.plan.is_dynamic(&value.name) {
                self.dynamic_activation(id);
            }
        }
        Ok(())
    }

    fn activation(&mut self, id: ValueId, quant: &TensorQuant) {
        let name = &self.graph.value(id).name;
        let (spec, scale, zero_point) = (&quant.spec, quant.params.scale[0], quant.params.zero_point[0]);
        let (zero, held) = match (spec.bits > 8, spec.signed) {
            (false, false) => (Value::scalar(zero_point as u8), DType::U8),
            (false, true) => (Value::scalar(zero_point as i8), DType::I8),
            (true, false) => (Value::scalar(zero_point as u16), DType::U16),
            (true, true) => (Value::scalar(zero_point as i16), DType::I16),
        };
        // Fewer codes than the storage type has: reals beyond the last ones are clamped first, so
        // that the file needs no type of its own (ONNX has none of 3, 5, 6 or 7 bits).
        let real = |code: i32| (code - zero_point) as f32 * scale;
        let (qmin, qmax) = (spec.qmin(), spec.qmax());
        let is_whole = held.integer_range() == Some((qmin.into(), qmax.into()));
        let clamp = (!is_whole).then(|| Clamp { min: real(qmin), max: real(qmax) });
        let scale = self.patch.add_constant(format!("{name}_scale"), Value::scalar(scale));
        let zero = self.patch.add_constant(format!("{name}_zero_point"), zero);
        let quantize = QuantizeLinear { clamp, ..QuantizeLinear::default() };
        let inputs = vec![Some(id), Some(scale), Some(zero)];
        let codes = self.patch.add_op(&format!("{name}_QuantizeLinear"), quantize.into(), inputs, None);
        let inputs = vec![Some(codes), Some(scale), Some(zero)];
        let name = format!("{name}_DequantizeLinear");
        let real = self.patch.add_op(&name, DequantizeLinear::along(1).into(), inputs, None);
        self.replaced.insert(id, real);
    }

    fn dynamic_activation(&mut self, id: ValueId) {
        let name = &self.graph.value(id).name;
        let op = DynamicQuantizeLinear;
        let node = format!("{name}_{}", DynamicQuantizeLinear::OP_TYPE);
        let made = [node.clone(), format!("{name}_scale"), format!("{name}_zero_point")];
        let made = made.map(|name| self.patch.add_value(name, None));
        let node = Node { name: node, op: op.into(), inputs: vec![Some(id)], outputs: made.to_vec() };
        self.patch.add_node(node);
        let op = DequantizeLinear::along(1);
        let name = format!("{name}_{}", DequantizeLinear::OP_TYPE);
        let real = self.patch.add_op(&name, op.into(), made.map(Some).to_vec(), None);
        self.dynamic.insert(id, real);
    }

    fn weight(&mut self, id: ValueId, quant: &TensorQuant) -> Result<(), QuantError> {
        let value = self.graph.value(id);
        let Some(weight) = &value.constant else { return Ok(()) };
        let shape = scale_shape(weight.shape(), quant.spec.granularity);
        let zeros = quant.params.zero_point.iter().map(|&z| z as i8).collect();
        let name = value.name.clone();
        let held = self.plan.storage.held(quant.spec.bits);
        let codes = held_as(weight_codes(weight, quant)?, held)?;
        let scale = Value::from_vec(&shape, quant.params.scale.clone())?;
        let zeros = held_as(Value::from_vec(&shape, zeros)?, held)?;
        let inputs = vec![
            Some(self.patch.add_constant(format!("{name}_quantized"), codes)),
            Some(self.patch.add_constant(format!("{name}_scale"), scale)),
            Some(self.patch.add_constant(format!("{name}_zero_point"), zeros)),
        ];
        let op = match quant.spec.granularity {
            Granularity::PerTensor => DequantizeLinear::along(0),
            Granularity::PerChannel { axis } => DequantizeLinear::along(axis as i64),
            Granularity::PerGroup { axis, size } => DequantizeLinear::in_blocks(axis as i64, size),
        };
        let real = self.patch.add_op(&format!("{name}_DequantizeLinear"), op.into(), inputs, None);
        self.replaced.insert(id, real);
        Ok(())
    }

    /// What a node reads in the quantized graph.
    pub(super) fn inputs_of(&mut self, node: &Node) -> Result<Vec<Option<ValueId>>, QuantError> {
        let replaced = |id: &ValueId| self.replaced.get(*id).copied().unwrap_or(*id);
        let mut inputs: Vec<_> = node.inputs.iter().map(|id| id.as_ref().map(replaced)).collect();
        let Some(linear) = quantizable_linear(self.graph, node) else { return Ok(inputs) };
        if let Some((slot, bias)) = self.bias(node, linear)? {
            inputs[slot] = Some(bias);
        }
        // Its weight is quantized, unlike that of a layer that is to stay float.
        if inputs[linear.weight] != node.inputs[linear.weight]
            && let Some(slot) = data_slot(node, linear)
        {
            let codes = node.inputs[slot].and_then(|read| self.dynamic.get(read));
            inputs[slot] = codes.copied().or(inputs[slot]);
        }
        Ok(inputs)
    }

    /// The dequantized bias of a linear operator, when it has one.
    fn bias(&mut self, node: &Node, linear: Linear) -> Result<Option<(usize, ValueId)>, QuantError> {
        let graph = self.graph;
        let slot_name = |slot: usize| {
            let id = node.inputs.get(slot).copied().flatten()?;
            Some((id, graph.value(id).name.as_str()))
        };
        let Some(slot) = linear.bias else { return Ok(None) };
        let (Some((id, name)), Some((_, weight))) = (slot_name(slot), slot_name(linear.weight)) else {
            return Ok(None);
        };
        let input = data_input(node, linear).map(|id| graph.value(id).name.as_str());
        let input = input.and_then(|name| self.plan.activations.get(name));
        let (Some(bias), Some(input), Some(weight)) =
            (graph.constant(id), input, self.plan.weights.get(weight))
        else {
            return Ok(None);
        };
        let scale: Vec<f32> = weight.params.scale.iter().map(|s| s * input.params.scale[0]).collect();
        let bias = bias.as_slice::<f32>()?;
        let channels = bias.len().max(scale.len());
        // A sum of products of several scales has no unit of its own, and scales that stand for a channel of
        // every group (ConvTranspose) none for each bias.
        if weight.spec.granularity.is_per_group() || scale.len() != 1 && scale.len() != channels {
            return Ok(None);
        }
        let code = |channel: usize| {
            let bias = if bias.len() == 1 { bias[0] } else { bias.get(channel).copied().unwrap_or(0.0) };
            bias_code(bias, if scale.len() == 1 { scale[0] } else { scale[channel] })
        };
        let codes: Vec<i32> = (0..channels).map(code).collect();
        let scale_shape = scale_shape(&[channels], weight.spec.granularity.of_bias());
        // A bias belongs to its node: two nodes that share one have their own scales.
        let name = format!("{name}_{}", node.name);
        let inputs = vec![
            Some(self.patch.add_constant(format!("{name}_quantized"), Value::from_vec(&[channels], codes)?)),
            Some(self.patch.add_constant(format!("{name}_scale"), Value::from_vec(&scale_shape, scale)?)),
        ];
        let op = DequantizeLinear::along(0);
        let real = self.patch.add_op(&format!("{name}_DequantizeLinear"), op.into(), inputs, None);
        Ok(Some((slot, real)))
    }
}

/// `int8` codes as a narrower type that holds them all.
fn held_as(codes: Value, held: DType) -> Result<Value, QuantError> {
    let shape = codes.shape().to_vec();
    let data = || codes.as_slice::<i8>().map(|data| data.iter().map(|&code| i64::from(code)));
    Ok(match held {
        DType::I4 => Value::from_vec(&shape, data()?.map(I4::wrapping).collect())?,
        DType::I2 => Value::from_vec(&shape, data()?.map(I2::wrapping).collect())?,
        _ => codes,
    })
}

/// The code of a bias, saturating at ±2³⁰ (see [`super::plan`]).
pub(super) fn bias_code(bias: f32, scale: f32) -> i32 {
    const LIMIT: f32 = (1 << 30) as f32;
    if scale.is_normal() { (bias / scale).round_ties_even().clamp(-LIMIT, LIMIT) as i32 } else { 0 }
}
