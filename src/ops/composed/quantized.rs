//! `QLinearConv` (ONNX opset 10), `QLinearMatMul` (10–21), and those of ONNX Runtime's own domain
//! `com.microsoft`: operators on codes, as float operators between DequantizeLinear and
//! QuantizeLinear.
//!
//! That form is the definition of a quantized network here, so that everything else (integer kernels,
//! gradients, export) is there without knowing these operators. Scales and zero points may be
//! computed by the network.

#![allow(clippy::unnecessary_wraps, reason = "all stand in the list of composed operators")]

use super::{Expansion, Source};
use crate::ir::AttrError;
use crate::ops::{
    Add, AveragePool, Concat, Conv, DequantizeLinear, Gemm, GlobalAveragePool, ImportInput, ImportNode,
    LeakyRelu, MatMul, Mul, Op, Operator as _, QuantizeLinear, Sigmoid, Softmax,
};
use crate::tensor::Value;

/// A node while it is taken apart.
struct Parts<'a, 'n> {
    node: &'a mut ImportNode<'n>,
    made: Expansion,
}

/// The input where a tensor's codes are, followed by its scale and zero point.
type Tensor = usize;

impl<'a, 'n> Parts<'a, 'n> {
    fn new(node: &'a mut ImportNode<'n>) -> Self {
        Self { node, made: Expansion::default() }
    }

    fn is_present(&self, input: usize) -> bool {
        !matches!(self.node.inputs.get(input), None | Some(ImportInput::Absent))
    }

    fn constant(&self, input: usize) -> Option<&'n Value> {
        match self.node.inputs.get(input) {
            Some(ImportInput::Constant(value)) => Some(value),
            _ => None,
        }
    }

    /// The real numbers of codes with several scales along an axis.
    fn real_along(&mut self, tensor: Tensor, axis: i64) -> Source {
        let inputs = (tensor..tensor + 3).map(Source::Input).collect();
        self.made.add(DequantizeLinear::along(axis), inputs)
    }

    fn real(&mut self, tensor: Tensor) -> Source {
        self.real_along(tensor, 1)
    }

    /// The real numbers of an `int32` bias, whose unit is that of the products.
    fn bias(&mut self, input: usize, [x_scale, w_scale]: [usize; 2]) -> Source {
        if !self.is_present(input) {
            return Source::Absent;
        }
        let floats = |at: usize| self.constant(at)?.as_slice::<f32>().ok();
        let product = match (floats(x_scale), floats(w_scale)) {
            (Some(&[x]), Some(w)) => {
                let product: Vec<f32> = w.iter().map(|w| x * w).collect();
                Value::from_vec(&[w.len()], product).ok()
            }
            _ => None,
        };
        // One scale is a scalar, several are a list.
        let product = product.map(|p| if p.len() == 1 { p.clone().reshaped(&[]).unwrap_or(p) } else { p });
        let scale = match product {
            Some(product) => Source::Constant(product),
            None => self.made.add(Mul, vec![Source::Input(x_scale), Source::Input(w_scale)]),
        };
        self.made.add(DequantizeLinear::along(0), vec![Source::Input(input), scale])
    }

    /// Quantizes what the operator itself makes, with the scale at `scale` and the zero point behind it.
    fn quantized(mut self, op: impl Into<Op>, inputs: Vec<Source>, scale: usize) -> Expansion {
        let real = self.made.add_main(op, inputs);
        let zero = if self.is_present(scale + 1) {
            Source::Input(scale + 1)
        } else {
            Source::Constant(Value::scalar(0_u8))
        };
        self.made.add(QuantizeLinear::default(), vec![real, Source::Input(scale), zero]);
        self.made.finish()
    }
}

pub(super) fn conv(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    refuse_channels_last(node)?;
    let op = Conv::import(node)?;
    let mut parts = Parts::new(node);
    let inputs = vec![parts.real(0), parts.real_along(3, 0), parts.bias(8, [1, 4])];
    Ok(parts.quantized(op, inputs, 6))
}

/// Scales of `a` may be one per row, those of `b` one per column.
pub(super) fn mat_mul(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let mut parts = Parts::new(node);
    let columns = parts.constant(3).map_or(-1, |b| b.rank() as i64 - 1);
    let inputs = vec![parts.real_along(0, -2), parts.real_along(3, columns)];
    Ok(parts.quantized(MatMul::default(), inputs, 6))
}

pub(super) fn add(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let mut parts = Parts::new(node);
    let inputs = vec![parts.real(0), parts.real(3)];
    Ok(parts.quantized(Add::default(), inputs, 6))
}

pub(super) fn mul(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let mut parts = Parts::new(node);
    let inputs = vec![parts.real(0), parts.real(3)];
    Ok(parts.quantized(Mul, inputs, 6))
}

/// An operator with one tensor; the output's scale is input 3.
fn unary(node: &mut ImportNode<'_>, op: impl Into<Op>) -> Expansion {
    let mut parts = Parts::new(node);
    let inputs = vec![parts.real(0)];
    parts.quantized(op, inputs, 3)
}

pub(super) fn leaky_relu(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let op = LeakyRelu::import(node)?;
    Ok(unary(node, op))
}

pub(super) fn sigmoid(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    Ok(unary(node, Sigmoid))
}

/// The attribute `opset` says which opset's Softmax is meant.
pub(super) fn softmax(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let of_file = node.opset;
    let stated = node.attrs.take_int("opset")?.and_then(|opset| u32::try_from(opset).ok());
    node.opset.0 = stated.unwrap_or(of_file.0);
    let op = Softmax::import(node);
    node.opset = of_file;
    Ok(unary(node, op?))
}

pub(super) fn global_average_pool(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    refuse_channels_last(node)?;
    Ok(unary(node, GlobalAveragePool))
}

pub(super) fn average_pool(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    refuse_channels_last(node)?;
    let op = AveragePool::import(node)?;
    Ok(unary(node, op))
}

/// The output's scale and zero point come first, then three inputs per tensor.
pub(super) fn concat(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let op = Concat::import(node)?;
    let tensors = node.inputs.len().saturating_sub(2).div_ceil(3);
    let mut parts = Parts::new(node);
    let inputs = (0..tensors).map(|tensor| parts.real(2 + 3 * tensor)).collect();
    Ok(parts.quantized(op, inputs, 0))
}

/// A product with an `int32` summand. Without a scale of the output the result is real.
pub(super) fn gemm(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let op = Gemm::import(node)?;
    let columns = i64::from(!op.trans_b);
    let alpha = op.alpha;
    let mut parts = Parts::new(node);
    if alpha.to_bits() != 1.0_f32.to_bits() && parts.is_present(6) {
        let (name, value) = ("alpha".to_owned(), alpha.to_string());
        return Err(AttrError::Unsupported { name, value, reason: "with a summand it must be 1" });
    }
    let inputs = vec![parts.real(0), parts.real_along(3, columns), parts.bias(6, [1, 4])];
    if parts.is_present(7) {
        return Ok(parts.quantized(op, inputs, 7));
    }
    parts.made.add_main(op, inputs);
    Ok(parts.made.finish())
}

/// ONNX Runtime's own form, which had more types than ONNX's.
pub(super) fn quantize(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let op = QuantizeLinear::import(node)?;
    let zero = std::mem::take(&mut node.new_inputs).into_iter().next();
    let zero = zero.map_or(Source::Input(2), |(_, zero)| Source::Constant(zero));
    let mut parts = Expansion::default();
    parts.add_main(op, vec![Source::Input(0), Source::Input(1), zero]);
    Ok(parts.finish())
}

/// As [`quantize`].
pub(super) fn dequantize(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let mut parts = Expansion::default();
    parts.add_main(DequantizeLinear::import(node)?, (0..3).map(Source::Input).collect());
    Ok(parts.finish())
}

fn refuse_channels_last(node: &mut ImportNode<'_>) -> Result<(), AttrError> {
    if !node.attrs.take_bool("channels_last", false)? {
        return Ok(());
    }
    let reason = "channels come before positions here";
    Err(AttrError::Unsupported { name: "channels_last".to_owned(), value: "1".to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{evaluate, read, refused};
    use crate::ir::{Attr, Attrs};
    use crate::ops::ImportInput;
    use crate::ops::testing::{assert_close, tensor};
    use crate::tensor::Value;

    fn codes(shape: &[usize], data: &[u8]) -> Value {
        Value::from_vec(shape, data.to_vec()).unwrap()
    }

    /// A tensor with its scale and zero point.
    fn quantized(values: Value, scale: f32, zero_point: u8) -> [Value; 3] {
        [values, Value::scalar(scale), Value::scalar(zero_point)]
    }

    fn slot(value: Option<&Value>, constant: bool) -> ImportInput<'_> {
        match value {
            None => ImportInput::Absent,
            Some(value) if constant => ImportInput::Constant(value),
            Some(_) => ImportInput::Computed,
        }
    }

    /// The output of a node whose inputs are constants, and again of one whose are computed.
    fn run(op_type: &str, attrs: &Attrs, inputs: &[Option<Value>]) -> Value {
        let both = [true, false].map(|constant| {
            let slots = inputs.iter().map(|value| slot(value.as_ref(), constant)).collect();
            let expansion =
                read(op_type, attrs.clone(), 13, slots, 1).unwrap_or_else(|e| panic!("{op_type}: {e}"));
            evaluate(&expansion, inputs).unwrap_or_else(|e| panic!("{op_type}: {e}")).remove(0)
        });
        assert_eq!(both[0], both[1], "{op_type}");
        both[0].clone()
    }

    fn all(parts: &[&[Value]]) -> Vec<Option<Value>> {
        parts.concat().into_iter().map(Some).collect()
    }

    /// Scale and zero point of an output.
    fn output(scale: f32, zero_point: u8) -> [Value; 2] {
        [Value::scalar(scale), Value::scalar(zero_point)]
    }

    /// Codes that are `i · factor mod modulus`.
    fn some(shape: &[usize], factor: usize, modulus: usize) -> Value {
        let count = shape.iter().product();
        codes(shape, &(0..count).map(|i| (i * factor % modulus) as u8).collect::<Vec<_>>())
    }

    fn first(shape: &[usize]) -> [Value; 3] {
        quantized(some(shape, 37, 251), 0.02, 120)
    }

    fn second(shape: &[usize]) -> [Value; 3] {
        quantized(some(shape, 91, 256), 0.01, 77)
    }

    /// Codes from onnxruntime 1.31.
    #[test]
    fn products_give_the_codes_of_onnxruntime() {
        let weight =
            [some(&[3, 2, 2, 2], 91, 256), tensor(&[3], &[0.01, 0.02, 0.005]), codes(&[3], &[128, 100, 0])];
        let bias = [Value::from_vec(&[3], vec![100_i32, -2000, 5]).unwrap()];
        let pads = Attrs::new().with("pads", Attr::Ints(vec![1, 0, 0, 1]));
        let inputs = all(&[&first(&[1, 2, 3, 3]), &weight, &output(0.05, 90), &bias]);
        let y = [
            116, 93, 67, 124, 87, 164, 214, 48, 47, 0, 0, 102, 106, 255, 0, 0, 0, 144, 17, 58, 96, 93, 136,
            45, 64, 19, 95,
        ];
        assert_eq!(run("QLinearConv", &pads, &inputs), codes(&[1, 3, 3, 3], &y));

        let none = Attrs::new();
        let operands = all(&[&first(&[2, 3]), &second(&[3, 2]), &output(0.01, 90)]);
        assert_eq!(run("QLinearMatMul", &none, &operands), codes(&[2, 2], &[72, 44, 203, 212]));

        let summand = [Value::from_vec(&[2], vec![100_i32, -2000]).unwrap()];
        let inputs = all(&[&first(&[2, 3]), &second(&[3, 2]), &summand, &output(0.01, 90)]);
        assert_eq!(run("com.microsoft.QGemm", &none, &inputs), codes(&[2, 2], &[74, 4, 205, 172]));
        let real = run("com.microsoft.QGemm", &none, &inputs[..7]);
        let expected = tensor(&[2, 2], &[-0.1602, -0.8624, 1.1496, 0.8248]);
        assert_close(&real, &expected, 1e-6, "without a scale of the output");
        let turned = Attrs::new().with("transB", Attr::Int(1)).with("alpha", Attr::Float(0.5));
        let mut inputs = all(&[&first(&[2, 3]), &second(&[2, 3])]);
        inputs.push(None);
        inputs.extend(output(0.01, 90).map(Some));
        assert_eq!(run("com.microsoft.QGemm", &turned, &inputs), codes(&[2, 2], &[122, 80, 169, 183]));
    }

    /// Codes from onnxruntime 1.31.
    #[test]
    fn other_operators_give_the_codes_of_onnxruntime() {
        let check = |name: &str, attrs: Attrs, inputs: &[&[Value]], y: &[u8]| {
            let found = run(&format!("com.microsoft.{name}"), &attrs, &all(inputs));
            assert_eq!(found.as_slice::<u8>().unwrap(), y, "{name}");
        };
        let none = Attrs::new;
        let (image, to) = (first(&[1, 2, 2, 2]), output(0.01, 90));
        let unit = output(1.0 / 256.0, 0);
        check("QLinearAdd", none(), &[&first(&[4]), &second(&[4]), &output(0.02, 90)], &[0, 14, 96, 51]);
        check("QLinearMul", none(), &[&first(&[4]), &second(&[4]), &to], &[255, 67, 0, 101]);
        check("QLinearGlobalAveragePool", none(), &[&image, &output(0.013, 90)], &[0, 122]);
        let window = none().with("kernel_shape", Attr::Ints(vec![2, 1]));
        let window = window.with("pads", Attr::Ints(vec![1, 0, 0, 0]));
        check("QLinearAveragePool", window, &[&image, &to], &[0, 0, 0, 0, 146, 220, 220, 43]);
        let slope = none().with("alpha", Attr::Float(0.1));
        check("QLinearLeakyRelu", slope, &[&image, &to], &[66, 73, 81, 88, 146, 220, 255, 68]);
        check("QLinearSigmoid", none(), &[&image, &unit], &[21, 41, 73, 117, 163, 201, 227, 25]);
        let opset =
            |opset: i64, axis: i64| none().with("opset", Attr::Int(opset)).with("axis", Attr::Int(axis));
        check("QLinearSoftmax", opset(13, -1), &[&first(&[2, 3]), &unit], &[34, 72, 150, 34, 72, 150]);
        check("QLinearSoftmax", opset(12, 1), &[&first(&[1, 2, 2]), &unit], &[15, 32, 67, 141]);
        let parts = [&output(0.02, 100)[..], &first(&[1, 2]), &second(&[1, 3])];
        check("QLinearConcat", none().with("axis", Attr::Int(1)), &parts, &[0, 17, 62, 107, 152]);
    }

    #[test]
    fn the_other_domain_s_nodes_are_onnx_s_own() {
        let real = run("com.microsoft.DequantizeLinear", &Attrs::new(), &all(&[&first(&[2])]));
        assert_eq!(real, tensor(&[2], &[-120.0 * 0.02, -83.0 * 0.02]));
        let inputs = all(&[&[tensor(&[2], &[-1.0, 3.0]), Value::scalar(1.0_f32)]]);
        let y = run("com.microsoft.QuantizeLinear", &Attrs::new(), &inputs);
        assert_eq!(y, codes(&[2], &[0, 3]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let last = Attrs::new().with("channels_last", Attr::Int(1));
        assert!(refused("com.microsoft.QLinearGlobalAveragePool", last, 13, &[]).contains("channels_last"));
        let scaled = Attrs::new().with("alpha", Attr::Float(2.0));
        let summand = Value::from_vec(&[1], vec![1_i32]).unwrap();
        let inputs: Vec<&Value> = (0..7).map(|_| &summand).collect();
        assert!(refused("com.microsoft.QGemm", scaled, 13, &inputs).contains("`alpha` = 2"));
    }
}
