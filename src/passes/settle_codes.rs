//! Quantized files as others write them, brought to the form that the rest knows.
//!
//! In that form codes are made by QuantizeLinear and read by DequantizeLinear, and those of
//! activations are `uint8`. Files of operators on codes also move codes themselves (MaxPool, Reshape),
//! and files for some accelerators have `int8` activations. Neither rewriting changes a number.

use super::PassError;
use crate::ir::{NodeId, Operation as _, ValueId, ValueMap};
use crate::ops::{
    self, Codes, DequantizeLinear, Graph, GraphPatch, Kind, LowerContext, LowerInput, Node, Op,
    QuantizeLinear,
};
use crate::tensor::{DType, TensorType, Value};

/// Lets operators that only move codes move real numbers instead: `q ─Reshape─▶ q'` becomes
/// `q ─Dequantize─▶ real ─Reshape─▶ real ─Quantize─▶ q'`. So they have gradients, and run as what
/// surrounds them does. Needs inferred types.
///
/// # Errors
/// [`PassError::Graph`].
pub fn move_real_numbers(graph: &Graph) -> Result<Graph, PassError> {
    let mut patch = GraphPatch::new(graph);
    // Scale and zero point of the codes that the form to come has.
    let mut made: ValueMap<[ValueId; 2]> = ValueMap::new();
    for id in graph.order()? {
        let Some(node) = graph.node(id) else { continue };
        let [output] = node.outputs[..] else { continue };
        if let Some(parameters) = quantizes(graph, node) {
            made.insert(output, parameters);
        } else if let Some(parameters) = moves_codes(graph, node, &made) {
            rewrite(graph, &mut patch, (id, node), parameters);
            made.insert(output, parameters);
        }
    }
    if patch.is_empty() {
        return Ok(graph.clone());
    }
    Ok(graph.apply(patch)?)
}

/// Scale and zero point of a QuantizeLinear that has one of each, both constant.
fn quantizes(graph: &Graph, node: &Node) -> Option<[ValueId; 2]> {
    let Op::QuantizeLinear(QuantizeLinear { format: None, .. }) = node.op else { return None };
    let parameters = [node.inputs.get(1).copied()??, node.inputs.get(2).copied()??];
    let is_single = |id: &ValueId| graph.constant(*id).is_some_and(|value| value.len() == 1);
    parameters.iter().all(is_single).then_some(parameters)
}

/// Scale and zero point of all codes that a node reads, where it moves them and does nothing else.
fn moves_codes(graph: &Graph, node: &Node, made: &ValueMap<[ValueId; 2]>) -> Option<[ValueId; 2]> {
    if node.op.facts().kind != Kind::Rearrange {
        return None;
    }
    let first = *made.get((*node.inputs.first()?)?)?;
    let same = |[scale, zero]: &[ValueId; 2]| {
        let equal = |a: ValueId, b: ValueId| graph.constant(a) == graph.constant(b);
        equal(*scale, first[0]) && equal(*zero, first[1])
    };
    let others = node.inputs.iter().flatten().filter_map(|&id| made.get(id));
    (others.clone().all(same) && is_indifferent(graph, node, made)?).then_some(first)
}

/// Whether an operator does the same to codes whichever of them stands for zero.
fn is_indifferent(graph: &Graph, node: &Node, made: &ValueMap<[ValueId; 2]>) -> Option<bool> {
    let forms = [0, 128].map(|zero_point| {
        let codes = Codes { scale: 1.0, zero_point, min: 0, max: 255 };
        let input = |id: &Option<ValueId>| match id {
            None => Some(LowerInput::Absent),
            Some(id) if made.contains(*id) => {
                Some(LowerInput::Activation { codes, ty: graph.value(*id).ty.as_ref() })
            }
            Some(id) => graph.constant(*id).map(LowerInput::Constant),
        };
        let inputs = node.inputs.iter().map(input).collect::<Option<Vec<_>>>()?;
        let output_type = graph.value(*node.outputs.first()?).ty.as_ref();
        node.op.lower_int8(&LowerContext { inputs, output: Some(codes), output_type, limits: Vec::new() })
    });
    let [a, b] = forms;
    let (a, b) = (a?, b?);
    Some(a.op == b.op && a.constants == b.constants)
}

/// Writes a node that moves codes as one that moves real numbers.
fn rewrite(graph: &Graph, patch: &mut GraphPatch, (id, node): (NodeId, &Node), [scale, zero]: [ValueId; 2]) {
    let codes = graph.constant(zero).map(Value::dtype);
    let real = |id: ValueId| {
        let ty = graph.value(id).ty.as_ref().filter(|ty| Some(ty.dtype) == codes);
        ty.map(|ty| TensorType::new(DType::F32, ty.shape.clone()))
    };
    let name = |op: &Op| format!("{}_{}", node.name, op.op_type());
    let mut inputs = node.inputs.clone();
    for input in inputs.iter_mut().flatten() {
        let Some(ty) = real(*input).filter(|_| graph.constant(*input).is_none()) else { continue };
        let op = Op::from(DequantizeLinear::along(1));
        *input = patch.add_op(&name(&op), op, vec![Some(*input), Some(scale), Some(zero)], Some(ty));
    }
    let quantize = Op::from(QuantizeLinear::default());
    let Some(&output) = node.outputs.first() else { return };
    let moved = patch.add_value(format!("{}_real", graph.value(output).name), real(output));
    patch.replace_node(id, Node { inputs, outputs: vec![moved], ..node.clone() });
    patch.add_node(Node {
        name: name(&quantize),
        op: quantize,
        inputs: vec![Some(moved), Some(scale), Some(zero)],
        outputs: vec![output],
    });
}

/// Writes the `int8` codes of activations as `uint8` ones: 128 more, and so their zero points.
/// What is read by other nodes than DequantizeLinear, or is a result, stays.
///
/// # Errors
/// [`PassError::Graph`].
pub fn unsigned_codes(graph: &Graph) -> Result<Graph, PassError> {
    let consumers = graph.consumers();
    let mut patch = GraphPatch::new(graph);
    for (id, node) in graph.nodes() {
        let [codes] = node.outputs[..] else { continue };
        if !matches!(node.op, Op::QuantizeLinear(_)) || graph.outputs().contains(&codes) {
            continue;
        }
        let readers = consumers[codes.index()].iter().filter_map(|&id| Some((id, graph.node(id)?)));
        let moved = std::iter::once((id, node)).chain(readers).map(|(id, node)| {
            let is_reader = node.inputs.first() == Some(&Some(codes));
            let is_known =
                node.outputs.contains(&codes) || is_reader && matches!(node.op, Op::DequantizeLinear(_));
            is_known.then(|| unsigned_zero(graph, node).map(|zero| (id, node, zero)))?
        });
        let Some(moved) = moved.collect::<Option<Vec<_>>>() else { continue };
        for (id, node, zero) in moved {
            let mut inputs = node.inputs.clone();
            inputs.resize(3, None);
            inputs[2] = Some(patch.add_constant(format!("{}_unsigned_zero", node.name), zero));
            patch.replace_node(id, Node { inputs, ..node.clone() });
        }
        if let Some(ty) = &graph.value(codes).ty {
            patch.set_type(codes, TensorType::new(DType::U8, ty.shape.clone()));
        }
    }
    if patch.is_empty() {
        return Ok(graph.clone());
    }
    Ok(graph.apply(patch)?)
}

/// The zero points of a QuantizeLinear or DequantizeLinear of `int8`, for codes that are 128 more.
fn unsigned_zero(graph: &Graph, node: &Node) -> Option<Value> {
    let zeros = match node.inputs.get(2).copied().flatten() {
        Some(id) => graph.constant(id)?.clone(),
        None => Value::scalar(0_i8),
    };
    if zeros.dtype() == DType::I8 { ops::unsigned(&zeros) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Executor, NoProbe};
    use crate::ir::{Attr, Attrs, GraphBuilder, Opset};
    use crate::ops::{ImportInput, ImportNode, Isa, Reshape};
    use crate::tensor::Shape;

    /// A node with inputs that the network computes.
    fn read(op_type: &str, attrs: Attrs, inputs: usize) -> Op {
        let mut node = ImportNode {
            attrs,
            opset: Opset(18),
            inputs: vec![ImportInput::Computed; inputs],
            formats: Vec::new(),
            output_count: 1,
            named_outputs: 1,
            new_inputs: Vec::new(),
        };
        Op::import(op_type, &mut node).unwrap().unwrap()
    }

    fn integers(list: &[i64]) -> Value {
        Value::from_vec(&[list.len()], list.to_vec()).unwrap()
    }

    /// `x` quantized with that zero point, then what `between` makes of the codes, dequantized.
    fn graph(zero: Value, between: impl FnOnce(&mut GraphBuilder<Op>, ValueId) -> ValueId) -> Graph {
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 1, 4, 4])));
        let scale = builder.constant("scale", Value::scalar(0.5_f32));
        let zero = builder.constant("zero", zero);
        let q = builder.op("quantize", QuantizeLinear::default().into(), &[x, scale, zero]);
        let moved = between(&mut builder, q);
        let y = builder.op("dequantize", DequantizeLinear::along(1).into(), &[moved, scale, zero]);
        builder.output(y);
        super::super::infer_types(&builder.finish().unwrap()).unwrap()
    }

    fn max_pool(builder: &mut GraphBuilder<Op>, q: ValueId) -> ValueId {
        let attrs = Attrs::new().with("kernel_shape", Attr::Ints(vec![2, 2]));
        builder.op("pool", read("MaxPool", attrs, 1), &[q])
    }

    fn pool_and_flatten(builder: &mut GraphBuilder<Op>, q: ValueId) -> ValueId {
        let pooled = max_pool(builder, q);
        let target = builder.constant("target", integers(&[1, 9]));
        builder.op("flat", Reshape { allow_zero: false }.into(), &[pooled, target])
    }

    fn run(graph: &Graph) -> Vec<Value> {
        let x: Vec<f32> = (0..16).map(|i| ((i * 7) % 16) as f32 * 0.4 - 3.0).collect();
        let executor = Executor::new(graph.clone(), Isa::Portable).unwrap();
        executor.run(&[Value::from_vec(&[1, 1, 4, 4], x).unwrap()], &mut NoProbe).unwrap()
    }

    fn reads(graph: &Graph, name: &str) -> DType {
        let node = graph.nodes().find(|(_, node)| node.name == name).unwrap().1;
        graph.value(node.inputs[0].unwrap()).ty.as_ref().unwrap().dtype
    }

    #[test]
    fn what_moves_codes_moves_real_numbers() {
        for zero in [Value::scalar(7_u8), Value::scalar(-3_i8)] {
            let before = graph(zero, pool_and_flatten);
            let after = move_real_numbers(&before).unwrap();
            assert_eq!((reads(&after, "pool"), reads(&after, "flat")), (DType::F32, DType::F32));
            assert_eq!(run(&after), run(&before));
            let after = unsigned_codes(&after).unwrap();
            assert!(
                after.values().all(
                    |(_, v)| v.ty.as_ref().is_none_or(|ty| ty.dtype != DType::I8) || v.constant.is_some()
                )
            );
            assert_eq!(run(&after), run(&before));
        }
    }

    #[test]
    fn padding_with_the_code_0_is_not_padding_with_zero() {
        let before = graph(Value::scalar(7_u8), |builder, q| {
            let pads = builder.constant("pads", integers(&[0, 0, 1, 1, 0, 0, 1, 1]));
            let pad = read("Pad", Attrs::new(), 2);
            builder.op("pad", pad, &[q, pads])
        });
        assert_eq!(move_real_numbers(&before).unwrap().to_string(), before.to_string());
    }

    #[test]
    fn signed_codes_that_others_read_stay() {
        let before = graph(Value::scalar(-3_i8), max_pool);
        assert_eq!(unsigned_codes(&before).unwrap().to_string(), before.to_string());
    }
}
