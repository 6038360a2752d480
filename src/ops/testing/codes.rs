//! Forms on codes, judged on the samples: a sample's node is put between QuantizeLinear and
//! DequantizeLinear nodes, lowered, and compared with that definition run in float.

use super::{Context, Inputs, Isa, Kind, Op, Sample, Slot, values};
use crate::exec::{Executor, NoProbe};
use crate::ir::{GraphBuilder, Operation as _, ValueId};
use crate::ops::{DequantizeLinear, Graph, Node, QuantizeLinear};
use crate::passes;
use crate::quant::{QuantParams, QuantSpec, Range};
use crate::tensor::{DType, Shape, TensorType, Value};
use std::collections::BTreeSet;

/// Operators of which a sample must run on integers.
const ON_CODES: &[&str] = &[
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Conv",
    "DepthToSpace",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
    "Slice",
    "SpaceToDepth",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// Scale and zero point of some tensors, as constants.
#[derive(Clone, Copy)]
struct Parameters {
    scale: ValueId,
    zero_point: ValueId,
    /// The scale as a number.
    step: f32,
}

fn parameters(builder: &mut GraphBuilder<Op>, name: &str, tensors: &[&Value]) -> Parameters {
    let elements = || tensors.iter().flat_map(|v| v.as_slice::<f32>().unwrap().iter().copied());
    let range = Range::containing_zero(elements().fold(0.0, f32::min), elements().fold(0.0, f32::max));
    let (scale, zero_point) = QuantParams::from_range(range, &QuantSpec::activations(8));
    of_codes(builder, name, scale, Value::scalar(zero_point as u8))
}

fn of_codes(builder: &mut GraphBuilder<Op>, name: &str, step: f32, zero_point: Value) -> Parameters {
    Parameters {
        scale: builder.constant(format!("{name}_scale"), Value::scalar(step)),
        zero_point: builder.constant(format!("{name}_zero"), zero_point),
        step,
    }
}

/// A constant between QuantizeLinear and DequantizeLinear, as files have it.
fn quantized(builder: &mut GraphBuilder<Op>, name: &str, value: &Value, p: Parameters) -> ValueId {
    let real = builder.constant(name.to_owned(), value.clone());
    let q = node(builder, &format!("{name}_q"), QuantizeLinear::default().into(), real, p);
    node(builder, &format!("{name}_d"), DequantizeLinear::along(1).into(), q, p)
}

/// A bias, in units of the products.
fn quantized_bias(builder: &mut GraphBuilder<Op>, name: &str, value: &Value, step: f32) -> ValueId {
    let codes = value.as_slice::<f32>().unwrap().iter().map(|v| (v / step).round_ties_even() as i32);
    let codes = Value::from_vec(value.shape(), codes.collect()).unwrap();
    let codes = builder.constant(name.to_owned(), codes);
    let scale = builder.constant(format!("{name}_scale"), Value::scalar(step));
    builder.op(&format!("{name}_d"), DequantizeLinear::along(0).into(), &[codes, scale])
}

fn node(builder: &mut GraphBuilder<Op>, name: &str, op: Op, x: ValueId, p: Parameters) -> ValueId {
    builder.op(name, op, &[x, p.scale, p.zero_point])
}

fn is_real(value: &Value) -> bool {
    value.as_slice::<f32>().is_ok_and(|v| !v.is_empty() && v.iter().all(|x| x.is_finite()))
}

/// Scale and zero point around an operator that moves elements.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Moved {
    /// The same before and behind it.
    Unchanged,
    /// Others behind it.
    Requantized,
}

/// The sample between codes, and its computed inputs; `None` where it has no real numbers to quantize.
fn between_codes(op: &Op, slots: &[Slot], moved: Moved) -> Option<(Graph, Vec<Value>)> {
    let outputs = op.forward(&Context::new(Isa::Portable), Inputs::new(values(slots))).ok()?;
    let computed: Vec<&Value> =
        slots.iter().filter_map(|s| if let Slot::Computed(v) = s { Some(v) } else { None }).collect();
    let reals: Vec<&Value> =
        computed.iter().copied().chain(&outputs).filter(|v| v.dtype() == DType::F32).collect();
    if !outputs.iter().chain(computed.first().copied()).all(is_real) || !reals.iter().all(|v| is_real(v)) {
        return None;
    }
    let mut builder = GraphBuilder::new("sample");
    let shared = parameters(&mut builder, "shared", &reals);
    let of = |builder: &mut GraphBuilder<Op>, name: &str, value: &Value| {
        let is_shared = op.facts().kind == Kind::Rearrange && moved == Moved::Unchanged;
        if is_shared { shared } else { parameters(builder, name, &[value]) }
    };
    let (mut inputs, mut steps) = (Vec::new(), Vec::new());
    for (index, slot) in slots.iter().enumerate() {
        let name = format!("x{index}");
        inputs.push(match slot {
            Slot::Absent => None,
            Slot::Constant(value) if value.dtype() == DType::F32 => {
                Some(constant(&mut builder, (op, index), &name, value, &mut steps))
            }
            Slot::Constant(value) => Some(builder.constant(name, value.clone())),
            Slot::Computed(value) => {
                let ty = TensorType::new(value.dtype(), Shape::fixed(value.shape()));
                let x = builder.input(name.clone(), ty);
                if value.dtype() != DType::F32 {
                    inputs.push(Some(x));
                    continue;
                }
                let p = of(&mut builder, &name, value);
                steps.push(p.step);
                let quantize = QuantizeLinear::default().into();
                let q = node(&mut builder, &format!("{name}_q"), quantize, x, p);
                Some(node(&mut builder, &format!("{name}_d"), DequantizeLinear::along(1).into(), q, p))
            }
        });
    }
    let made: Vec<ValueId> =
        (0..outputs.len()).map(|index| builder.value(format!("y{index}"), None)).collect();
    builder.node(Node { name: "node".into(), op: op.clone(), inputs, outputs: made.clone() });
    for (index, (y, value)) in made.into_iter().zip(&outputs).enumerate() {
        let name = format!("y{index}_q");
        let p = of(&mut builder, &name, value);
        let codes = node(&mut builder, &name, QuantizeLinear::default().into(), y, p);
        builder.output(codes);
    }
    let graph = passes::fold_constants(&builder.finish().ok()?, passes::Dequantized::Keep).ok()?;
    let graph = passes::infer_types(&graph).ok()?;
    Some((graph, computed.into_iter().cloned().collect()))
}

/// A constant of real numbers: a summand, a weight and its bias are quantized.
fn constant(
    builder: &mut GraphBuilder<Op>,
    (op, index): (&Op, usize),
    name: &str,
    value: &Value,
    steps: &mut Vec<f32>,
) -> ValueId {
    match op.facts().kind {
        Kind::Sum => {
            let p = parameters(builder, name, &[value]);
            quantized(builder, name, value, p)
        }
        Kind::Linear(linear) if linear.weight == index && !value.is_empty() => {
            let largest =
                value.as_slice::<f32>().unwrap().iter().fold(f32::MIN_POSITIVE, |m, v| v.abs().max(m));
            let p = of_codes(builder, name, largest / 127.0, Value::scalar(0_i8));
            steps.push(p.step);
            quantized(builder, name, value, p)
        }
        Kind::Linear(linear) if linear.bias == Some(index) => {
            quantized_bias(builder, name, value, steps.iter().product())
        }
        _ => builder.constant(name.to_owned(), value.clone()),
    }
}

/// The operators that the node became, where it runs on integers; fails where these do not make the
/// definition's codes.
fn check(op: &Op, graph: &Graph, inputs: &[Value]) -> Option<BTreeSet<&'static str>> {
    let lowered = passes::lower_int8(graph).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    let run = |graph: Graph| {
        let executor = Executor::new(graph, Isa::best()).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        executor.run(inputs, &mut NoProbe).unwrap_or_else(|e| panic!("{op:?}: {e}"))
    };
    let is_form = |node: &&Node| {
        !matches!(node.op.facts().kind, Kind::Quantize | Kind::Dequantize)
            && !matches!(node.op, Op::QTranspose(_))
    };
    let forms = lowered.graph.nodes().map(|(_, node)| node).filter(is_form).map(|node| node.op.op_type());
    let forms: BTreeSet<&'static str> = forms.collect();
    // Tables, maxima and moved elements are exact; sums may round a half step otherwise.
    let may_differ = u8::from(matches!(op.facts().kind, Kind::Sum | Kind::Average | Kind::Linear(_)));
    for (found, expected) in run(lowered.graph).iter().zip(&run(graph.clone())) {
        assert_eq!(found.shape(), expected.shape(), "{op:?}");
        let (found, expected) = (found.as_slice::<u8>().unwrap(), expected.as_slice::<u8>().unwrap());
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            let distance = found.abs_diff(*expected);
            assert!(distance <= may_differ, "{op:?}: code {at} is {found}, its definition has {expected}");
        }
    }
    (lowered.float_nodes.is_empty() && !forms.is_empty()).then_some(forms)
}

/// The operators that a sample's node becomes on codes; `None` where it stays in float.
pub(super) fn forms(op_type: &str, sample: &Sample, moved: Moved) -> Option<BTreeSet<&'static str>> {
    let (op, slots) = sample.import(op_type);
    if matches!(op.facts().kind, Kind::Quantize | Kind::Dequantize) {
        return None;
    }
    let (graph, inputs) = between_codes(&op, &slots, moved)?;
    check(&op, &graph, &inputs)
}

#[test]
fn forms_on_codes_agree_with_their_definition_on_the_samples() {
    let mut on_codes = BTreeSet::new();
    for (op_type, samples) in Op::samples().into_iter().filter(|(name, _)| !name.starts_with("bitlens.")) {
        for sample in samples {
            for moved in [Moved::Unchanged, Moved::Requantized] {
                if forms(op_type, &sample, moved).is_some() {
                    on_codes.insert((op_type, moved == Moved::Unchanged));
                }
            }
        }
    }
    let everywhere = |name: &&str| [true, false].iter().all(|&moved| on_codes.contains(&(*name, moved)));
    let missing: Vec<_> = ON_CODES.iter().copied().filter(|name| !everywhere(name)).collect();
    assert!(missing.is_empty(), "no sample of {missing:?} runs on integers; these do: {on_codes:?}");
}
