//! Quantization while running: layers on dequantized codes here, integer operators in files.
//!
//! ```text
//! x ─DynamicQuantizeLinear─▶ q, s, z ─Dequantize─▶ ─Conv(·, Dequantize(w), bias)─▶ y
//!
//! x ─DynamicQuantizeLinear─▶ q, z ─ConvInteger(q, w, z, w_z)─▶ ─Cast─▶ ─Mul(·, s · w_s)─▶ ─Add(·, bias)─▶ y
//! ```
//!
//! The first is the definition, which has gradients and says what a layer is. The second is what
//! runtimes run on integers, and what ONNX Runtime's `quantize_dynamic` writes. Both compute the same
//! number but for the rounding of floats. [`read_dynamic`] makes the first of the second,
//! [`write_dynamic`] the second of the first; what has no such form stays as it is.

use super::PassError;
use crate::ir::{NodeId, ValueId, ValueMap};
use crate::ops::{
    self, Add, Cast, Conv, ConvInteger, DequantizeLinear, FileType, Gemm, Graph, GraphPatch, MatMul,
    MatMulInteger, Mul, Node, Op,
};
use crate::tensor::{DType, FloatRounding, Value};

/// Layers in place of the operators on integers that some files have.
///
/// # Errors
/// [`PassError::Graph`].
pub fn read_dynamic(graph: &Graph) -> Result<Graph, PassError> {
    let places = Places::new(graph);
    let mut patch = GraphPatch::new(graph);
    let mut real: ValueMap<ValueId> = ValueMap::new();
    for (_, node) in graph.nodes() {
        let Some(layer) = places.integer_layer(node) else { continue };
        let dequantize = || Op::from(DequantizeLinear::along(layer.axis as i64));
        let codes = layer.codes.map(Some).to_vec();
        let name = |id: ValueId| format!("{}_{}", graph.value(id).name, "DequantizeLinear");
        let data = *real
            .row(layer.codes[0])
            .get_or_insert_with(|| patch.add_op(&name(layer.codes[0]), dequantize(), codes, None));
        let base = &graph.value(layer.weight).name;
        let scale = patch.add_constant(format!("{base}_scale"), layer.scale);
        let zeros = patch.add_constant(format!("{base}_zero_point"), layer.zeros);
        let inputs = vec![Some(layer.weight), Some(scale), Some(zeros)];
        let weight = patch.add_op(&name(layer.weight), dequantize(), inputs, None);
        let mut inputs = vec![Some(data), Some(weight)];
        let (last, node) = layer.last;
        if let Some(bias) = layer.bias {
            inputs.push(Some(patch.add_constant(format!("{}_bias", node.name), bias)));
        }
        patch.replace_node(last, Node { op: layer.op, inputs, ..node.clone() });
    }
    Ok(if patch.is_empty() { graph.clone() } else { graph.apply(patch)? })
}

/// Operators on integers in place of layers, for files. Left as they are: weights that are packed, in groups, or
/// of several zero points, which these operators do not take everywhere.
///
/// # Errors
/// [`PassError::Graph`].
pub fn write_dynamic(graph: &Graph) -> Result<Graph, PassError> {
    let places = Places::new(graph);
    let mut patch = GraphPatch::new(graph);
    for (id, node) in graph.nodes() {
        if let Some(layer) = places.layer(node) {
            layer.write(&mut patch, (id, node));
        }
    }
    if patch.is_empty() {
        return Ok(graph.clone());
    }
    super::eliminate_dead(&super::infer_types(&graph.apply(patch)?)?)?.compacted().map_err(PassError::from)
}

/// What makes and what reads each value.
struct Places<'a> {
    graph: &'a Graph,
    producers: Vec<Option<NodeId>>,
    consumers: Vec<Vec<NodeId>>,
}

/// A layer that a file has as an operator on integers.
struct IntegerLayer<'a> {
    op: Op,
    /// Codes, scale and zero point of what it reads.
    codes: [ValueId; 3],
    weight: ValueId,
    /// One for all, or one for each channel, as are the zero points.
    scale: Value,
    zeros: Value,
    /// Axis of the weight's channels.
    axis: usize,
    bias: Option<Value>,
    /// What makes its real numbers.
    last: (NodeId, &'a Node),
}

/// A layer on codes that are made while the network runs.
struct DynamicLayer {
    op: Op,
    codes: [ValueId; 3],
    /// `uint8`, as operators on integers have it.
    weight: Value,
    zero: Value,
    /// In a shape that lies over the output, as has the bias.
    scale: Value,
    bias: Option<Value>,
}

impl<'a> Places<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, producers: graph.producers(), consumers: graph.consumers() }
    }

    fn producer(&self, id: ValueId) -> Option<&'a Node> {
        self.graph.node(self.producers[id.index()]?)
    }

    fn constant(&self, node: &Node, slot: usize) -> Option<&'a Value> {
        self.graph.constant(node.inputs.get(slot).copied().flatten()?)
    }

    /// The node that alone reads a value, which is no result.
    fn only_reader(&self, id: ValueId) -> Option<(NodeId, &'a Node)> {
        let [reader] = self.consumers[id.index()][..] else { return None };
        let is_result = self.graph.outputs().contains(&id);
        Some((reader, self.graph.node(reader).filter(|_| !is_result)?))
    }

    /// Codes, scale and zero point of the DynamicQuantizeLinear that makes the codes.
    fn dynamic(&self, codes: ValueId) -> Option<[ValueId; 3]> {
        let node = self.producer(codes).filter(|node| matches!(node.op, Op::DynamicQuantizeLinear(_)))?;
        <[ValueId; 3]>::try_from(&node.outputs[..]).ok().filter(|made| made[0] == codes)
    }

    fn integer_layer(&self, node: &Node) -> Option<IntegerLayer<'a>> {
        let weight_id = (*node.inputs.get(1)?)?;
        let weight = self.graph.constant(weight_id)?;
        // How many dimensions of the output lie behind the channels.
        let (op, axis, behind) = match &node.op {
            Op::ConvInteger(op) => (Op::from(op.conv.clone()), 0, weight.rank().checked_sub(2)?),
            Op::MatMulInteger(_) if weight.rank() == 2 => (MatMul { clamp: None }.into(), 1, 0),
            _ => return None,
        };
        let codes = self.dynamic((*node.inputs.first()?)?)?;
        if node.inputs.get(2).copied().flatten() != Some(codes[2]) {
            return None;
        }
        let (_, cast) = self.only_reader(node.outputs[0])?;
        let Op::Cast(Cast { to: FileType::Same(DType::F32), .. }) = cast.op else { return None };
        let mul = self.only_reader(cast.outputs[0])?;
        let factor = self.producer(other(mul.1, &[cast.outputs[0]])?)?;
        let is_product = matches!((&mul.1.op, &factor.op), (Op::Mul(_), Op::Mul(_)));
        let scale = self.graph.constant(other(factor, &[codes[1]]).filter(|_| is_product)?)?;
        let places = Channels { count: weight.shape()[axis], behind };
        let zeros = match node.inputs.get(3).copied().flatten() {
            Some(zeros) => self.graph.constant(zeros)?.clone(),
            None => Value::zeros_of(weight.dtype(), &[]).ok()?,
        };
        let (scale, zeros) = alike(places.numbers(scale)?, &zeros, places.count)?;
        let biased = self.only_reader(mul.1.outputs[0]).filter(|_| matches!(node.op, Op::ConvInteger(_)));
        let bias = biased.and_then(|(id, add)| {
            let Op::Add(Add { clamp: None }) = add.op else { return None };
            let bias = self.graph.constant(other(add, &[mul.1.outputs[0]])?)?;
            let bias = places.numbers(bias).filter(|bias| bias.len() == places.count)?;
            Some(((id, add), Value::from_vec(&[places.count], bias).ok()?))
        });
        let (last, bias) = bias.map_or((mul, None), |(last, bias)| (last, Some(bias)));
        Some(IntegerLayer { op, codes, weight: weight_id, scale, zeros, axis, bias, last })
    }

    fn layer(&self, node: &Node) -> Option<DynamicLayer> {
        let input = |slot: usize| node.inputs.get(slot).copied().flatten();
        let data = self.producer(input(0)?)?;
        let codes = self.dynamic((*data.inputs.first()?)?)?;
        if !is_dequantize(data) || data.inputs != codes.map(Some) {
            return None;
        }
        let source = self.producer(input(1)?).filter(|source| is_dequantize(source))?;
        let weight = ops::unsigned(self.constant(source, 0)?)?;
        let (op, axis, turned) = match &node.op {
            Op::Conv(conv) if weight.rank() == 4 => {
                (ConvInteger { conv: Conv { clamp: None, ..conv.clone() } }.into(), 0, false)
            }
            Op::Gemm(gemm)
                if *gemm == (Gemm { trans_b: gemm.trans_b, clamp: gemm.clamp, ..Gemm::default() }) =>
            {
                (MatMulInteger.into(), usize::from(!gemm.trans_b), gemm.trans_b)
            }
            Op::MatMul(_) if weight.rank() == 2 => (MatMulInteger.into(), 1, false),
            _ => return None,
        };
        let Op::DequantizeLinear(along) = &source.op else { return None };
        let scale = self.constant(source, 1)?.as_slice::<f32>().ok()?;
        let channels = weight.shape()[axis];
        if scale.len() != 1 && (scale.len() != channels || along.axis != axis as i64) {
            return None;
        }
        let zero = self.only_zero(source)?;
        let places = Channels { count: channels, behind: if matches!(node.op, Op::Conv(_)) { 2 } else { 0 } };
        let bias = match input(2) {
            None => None,
            // A bias has no dimensions behind the channels, whatever the output has.
            Some(bias) => {
                Some(places.over(&Channels { behind: 0, ..places }.numbers(self.graph.constant(bias)?)?)?)
            }
        };
        let weight = if turned { transposed(&weight)? } else { weight };
        Some(DynamicLayer { op, codes, weight, zero: Value::scalar(zero), scale: places.over(scale)?, bias })
    }
}

impl Places<'_> {
    /// The one code of zero of dequantized weights, as `uint8`.
    fn only_zero(&self, source: &Node) -> Option<u8> {
        let zeros = match source.inputs.get(2).copied().flatten() {
            Some(zeros) => ops::unsigned(self.graph.constant(zeros)?)?,
            None => ops::unsigned(&Value::zeros_of(self.constant(source, 0)?.dtype(), &[]).ok()?)?,
        };
        let (&zero, others) = zeros.as_slice::<u8>().ok()?.split_first()?;
        others.iter().all(|&other| other == zero).then_some(zero)
    }
}

impl DynamicLayer {
    /// Writes the operators on integers in the place of a layer, whose name the last one gets that belongs to it
    /// when it is read again.
    fn write(self, patch: &mut GraphPatch, (id, node): (NodeId, &Node)) {
        let name = |what: &str| format!("{}_{what}", node.name);
        let [codes, scale, zero] = self.codes;
        let weight = patch.add_constant(name("weight"), self.weight);
        let weight_zero = patch.add_constant(name("weight_zero_point"), self.zero);
        let weight_scale = patch.add_constant(name("weight_scale"), self.scale);
        let inputs = [codes, weight, zero, weight_zero].map(Some).to_vec();
        let is_conv = matches!(self.op, Op::ConvInteger(_));
        let sums = patch.add_op(&name("sums"), self.op, inputs, None);
        let cast = Cast { to: FileType::Same(DType::F32), rounding: FloatRounding::default() };
        let sums = patch.add_op(&name("real_sums"), cast.into(), vec![Some(sums)], None);
        let factor = patch.add_op(&name("unit"), Mul.into(), vec![Some(scale), Some(weight_scale)], None);
        let clamp = match &node.op {
            Op::Conv(op) => op.clamp,
            Op::Gemm(op) => op.clamp,
            Op::MatMul(op) => op.clamp,
            _ => None,
        };
        let inputs = vec![Some(sums), Some(factor)];
        if self.bias.is_none() && clamp.is_none() {
            patch.replace_node(id, Node { op: Mul.into(), inputs, ..node.clone() });
            return;
        }
        let bias = patch.add_constant(name("bias"), self.bias.unwrap_or(Value::scalar(0.0_f32)));
        let scaled = if is_conv { name("scaled") } else { node.name.clone() };
        let product = patch.add_value(name("scaled"), None);
        let add = Node { op: Add { clamp }.into(), inputs: vec![Some(product), Some(bias)], ..node.clone() };
        let mul = Node { name: scaled, op: Mul.into(), inputs, outputs: vec![product] };
        if is_conv {
            patch.replace_node(id, add);
            patch.add_node(mul);
        } else {
            patch.replace_node(id, mul);
            patch.add_node(Node { name: name("biased"), ..add });
        }
    }
}

/// The one of two inputs that is none of those.
fn other(node: &Node, than: &[ValueId]) -> Option<ValueId> {
    let &[Some(a), Some(b)] = &node.inputs[..] else { return None };
    match (than.contains(&a), than.contains(&b)) {
        (true, false) => Some(b),
        (false, true) => Some(a),
        _ => None,
    }
}

fn is_dequantize(node: &Node) -> bool {
    matches!(node.op, Op::DequantizeLinear(DequantizeLinear { block_size: 0, of_floats: false, .. }))
}

/// The channels of an output, and how many dimensions lie behind them.
#[derive(Clone, Copy)]
struct Channels {
    count: usize,
    behind: usize,
}

impl Channels {
    /// One number for all, or one for each channel, of a constant that lies over the output and gives it no
    /// further dimension.
    fn numbers(self, value: &Value) -> Option<Vec<f32>> {
        let numbers = value.as_slice::<f32>().ok()?;
        // Rows of a matrix product may be one; images have a batch in front of the channels.
        let most = if self.behind == 0 { 1 } else { self.behind + 2 };
        let at = value.rank().checked_sub(self.behind + 1);
        let fits = numbers.len() == self.count && at.is_some_and(|at| value.shape()[at] == self.count);
        (value.rank() <= most && (numbers.len() == 1 || fits)).then(|| numbers.to_vec())
    }

    /// The constant that lies over the output.
    fn over(self, numbers: &[f32]) -> Option<Value> {
        let shape = [vec![self.count], vec![1; self.behind]].concat();
        Value::from_vec(if numbers.len() == 1 { &[] } else { &shape }, numbers.to_vec()).ok()
    }
}

/// Scales and zero points, either one for all or one for each channel.
fn alike(scale: Vec<f32>, zeros: &Value, channels: usize) -> Option<(Value, Value)> {
    let count = scale.len().max(zeros.len());
    let shape: &[usize] = if count == 1 { &[] } else { &[channels] };
    let zeros = repeated(zeros, count)?;
    let scale = if scale.len() == count { scale } else { vec![*scale.first()?; count] };
    Some((Value::from_vec(shape, scale).ok()?, zeros))
}

/// Codes of one byte, one for all or so many.
fn repeated(codes: &Value, count: usize) -> Option<Value> {
    let shape: &[usize] = if count == 1 { &[] } else { &[count] };
    let source = |at: usize| if codes.len() == 1 { 0 } else { at };
    if codes.len() != 1 && codes.len() != count {
        return None;
    }
    match codes.dtype() {
        DType::U8 => {
            let codes = codes.as_slice::<u8>().ok()?;
            Value::from_vec(shape, (0..count).map(|at| codes[source(at)]).collect()).ok()
        }
        DType::I8 => {
            let codes = codes.as_slice::<i8>().ok()?;
            Value::from_vec(shape, (0..count).map(|at| codes[source(at)]).collect()).ok()
        }
        _ => None,
    }
}

fn transposed(codes: &Value) -> Option<Value> {
    let view = codes.view::<u8>().ok()?.reversed_axes();
    Some(Value::from_array(view.as_standard_layout().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::{Executor, NoProbe};
    use crate::ir::GraphBuilder;
    use crate::ops::{Clamp, DynamicQuantizeLinear, Isa, Window};
    use crate::tensor::{Shape, TensorType};

    /// `x` of that shape behind DynamicQuantizeLinear: the builder, and codes, scale and zero point.
    fn begin(shape: &[usize]) -> (GraphBuilder<Op>, [ValueId; 3]) {
        let mut builder = GraphBuilder::new("g");
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(shape)));
        let made = ["q", "s", "z"].map(|name| builder.value(name, None));
        let (op, inputs, outputs) = (DynamicQuantizeLinear.into(), vec![Some(x)], made.to_vec());
        builder.node(Node { name: "dynamic".into(), op, inputs, outputs });
        (builder, made)
    }

    /// The graph with that result, its types known.
    fn finish(mut builder: GraphBuilder<Op>, output: ValueId) -> Graph {
        builder.output(output);
        super::super::infer_types(&builder.finish().unwrap()).unwrap()
    }

    fn codes(shape: &[usize]) -> Vec<i8> {
        (0..shape.iter().product::<usize>()).map(|i| (i * 37 % 255) as u8 as i8).collect()
    }

    fn run(graph: &Graph) -> Value {
        let ty = graph.value(graph.inputs()[0]).ty.as_ref().unwrap();
        let shape: Vec<usize> = ty.shape.dims().unwrap().iter().map(|dim| dim.fixed().unwrap()).collect();
        let count: usize = shape.iter().product();
        let x = Value::from_vec(&shape, (0..count).map(|i| (i * 7 % 19) as f32 - 6.5).collect()).unwrap();
        Executor::new(graph.clone(), Isa::Portable).unwrap().run(&[x], &mut NoProbe).unwrap().remove(0)
    }

    /// What runs on integers.
    fn run_lowered(graph: &Graph) -> Value {
        let lowered = super::super::lower_int8(graph).unwrap();
        assert!(lowered.graph.nodes().any(|(_, n)| matches!(n.op, Op::QConv(_) | Op::QGemm(_))));
        run(&lowered.graph)
    }

    /// The operators, in order of execution.
    fn op_types(graph: &Graph) -> Vec<&'static str> {
        use crate::ir::Operation as _;
        let order = graph.order().unwrap();
        order.into_iter().map(|id| graph.node(id).unwrap().op.op_type()).collect()
    }

    fn count(graph: &Graph, op_type: &str) -> usize {
        op_types(graph).into_iter().filter(|&found| found == op_type).count()
    }

    fn read(graph: &Graph) -> Graph {
        super::super::simplify(graph).unwrap()
    }

    const CLAMP: Option<Clamp> = Some(Clamp { min: 0.0, max: 60.0 });

    fn conv(clamp: Option<Clamp>) -> Conv {
        Conv { window: Window::default(), groups: 1, clamp }
    }

    /// Two layers on one tensor, with constants for the weight: its codes, scales, zero points.
    fn layers(ops: [Op; 2], [x, w]: [&[usize]; 2], [scale, zeros, bias]: [Option<Value>; 3]) -> Graph {
        let (mut builder, made) = begin(x);
        let real = builder.op("real", DequantizeLinear::along(1).into(), &made);
        let weight = builder.constant("w", Value::from_vec(w, codes(w)).unwrap());
        let scale = builder.constant("w_scale", scale.unwrap());
        let zeros = zeros.map(|zeros| builder.constant("w_zeros", zeros));
        let inputs: Vec<ValueId> = [weight, scale].into_iter().chain(zeros).collect();
        let axis = i64::from(matches!(&ops[0], Op::MatMul(_)));
        let weight = builder.op("weight", DequantizeLinear::along(axis).into(), &inputs);
        let bias = bias.map(|bias| builder.constant("bias", bias));
        let inputs: Vec<ValueId> = [real, weight].into_iter().chain(bias).collect();
        let [first, second] = ops;
        let (first, second) =
            (builder.op("first", first, &inputs), builder.op("second", second, &inputs[..2]));
        let sum = builder.op("sum", Add { clamp: None }.into(), &[first, second]);
        finish(builder, sum)
    }

    fn row(numbers: &[f32]) -> Value {
        Value::from_vec(&[numbers.len()], numbers.to_vec()).unwrap()
    }

    /// The numbers are the same but for how the definition's float sums are rounded.
    fn assert_written_and_read(graph: &Graph, integers: &str) {
        let written = write_dynamic(graph).unwrap();
        assert_eq!((count(&written, integers), count(&written, "DynamicQuantizeLinear")), (2, 1));
        assert!(!op_types(&written).iter().any(|op| ["Conv", "Gemm", "MatMul"].contains(op)), "{written}");
        let again = read(&written);
        assert_eq!((count(&again, integers), count(&again, "DequantizeLinear")), (0, 3), "{again}");
        assert_eq!(run_lowered(&again), run_lowered(graph));
        let (ours, definition) = (run(&written), run(graph));
        let (ours, definition) = (ours.as_slice::<f32>().unwrap(), definition.as_slice::<f32>().unwrap());
        let largest = definition.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        assert!(largest > 1.0 && ours.iter().zip(definition).all(|(a, b)| (a - b).abs() <= 1e-5 * largest));
    }

    #[test]
    fn convolutions_are_written_as_integers_and_read_again() {
        let shapes: [&[usize]; 2] = [&[1, 2, 5, 4], &[3, 2, 3, 2]];
        let scales = Some(row(&[0.01, 0.003, 0.02]));
        let bias = Some(row(&[0.5, -3.0, 2.0]));
        let zeros = Some(Value::from_vec(&[3], vec![0_i8; 3]).unwrap());
        for (scale, zeros) in [(scales, zeros), (Some(Value::scalar(0.01_f32)), Some(Value::scalar(-9_i8)))] {
            let ops = [conv(CLAMP).into(), conv(None).into()];
            assert_written_and_read(&layers(ops, shapes, [scale, zeros, bias.clone()]), "ConvInteger");
        }
    }

    #[test]
    fn matrix_products_are_written_as_integers_and_read_again() {
        let bias = Some(row(&[0.5, -3.0, 2.0]));
        let scale = || Some(row(&[0.01, 0.003, 0.02]));
        let gemm = |clamp| Op::from(Gemm { trans_b: true, clamp, ..Gemm::default() });
        let graph = layers([gemm(CLAMP), gemm(None)], [&[2, 4], &[3, 4]], [scale(), None, bias]);
        assert_written_and_read(&graph, "MatMulInteger");
        let mat_mul = |clamp| Op::from(MatMul { clamp });
        let graph = layers([mat_mul(None), mat_mul(CLAMP)], [&[2, 2, 4], &[4, 3]], [scale(), None, None]);
        assert_written_and_read(&graph, "MatMulInteger");
    }

    /// onnxruntime takes one zero point for a weight only.
    #[test]
    fn weights_of_several_zero_points_stay_layers_in_a_file() {
        let zeros = Some(Value::from_vec(&[3], vec![0_i8, 4, 0]).unwrap());
        let ops = || [conv(None).into(), conv(None).into()];
        let graph = layers(ops(), [&[1, 2, 5, 4], &[3, 2, 1, 1]], [Some(row(&[0.1; 3])), zeros, None]);
        assert_eq!(op_types(&write_dynamic(&graph).unwrap()), op_types(&graph));
    }

    /// `Cast` and `Mul` as `quantize_dynamic` writes them, of sums by operators on integers; `twice` lets another
    /// node read the sums.
    fn foreign(twice: bool) -> Graph {
        let (mut builder, [q, s, z]) = begin(&[2, 4]);
        let weight = builder.constant("w", Value::from_vec(&[4, 3], codes(&[4, 3])).unwrap());
        let scale = builder.constant("w_scale", Value::from_vec(&[1], vec![0.25_f32]).unwrap());
        let sums = builder.op("sums", MatMulInteger.into(), &[q, weight, z]);
        let cast = Cast { to: FileType::Same(DType::F32), rounding: FloatRounding::default() };
        let real = builder.op("cast", cast.clone().into(), &[sums]);
        let unit = builder.op("unit", Mul.into(), &[scale, s]);
        let y = builder.op("y", Mul.into(), &[unit, real]);
        let other = builder.op("other", cast.into(), &[if twice { sums } else { z }]);
        let y = builder.op("end", Add { clamp: None }.into(), &[y, other]);
        finish(builder, y)
    }

    #[test]
    fn files_of_others_are_read_as_layers_where_nothing_else_reads_the_integers() {
        let (alone, shared) = (foreign(false), foreign(true));
        let made = read(&alone);
        assert_eq!((count(&made, "MatMul"), count(&made, "MatMulInteger")), (1, 0), "{made}");
        assert_eq!(run_lowered(&made), run(&alone));
        let made = read(&shared);
        assert_eq!((count(&made, "MatMul"), count(&made, "MatMulInteger")), (0, 1), "{made}");
    }
}
