//! What passes may do with transpositions: which operators they may be carried through.
//!
//! Files of TensorFlow's making have channels last, and a transposition before and after every
//! convolution. An operator that reads `transposed(x)` often does the same on `x`, so that the
//! transposition comes after it instead; carried on, it meets the opposite one and both are gone.

use super::index::IndexMap;
use super::{Facts, Kind, Op, Transpose, TypeInputs};
use crate::tensor::Value;

/// An operator that does before a transposition what another one does behind it.
#[derive(Debug, Clone)]
pub struct Reordered {
    /// The operator.
    pub op: Op,
    /// Constants that take the place of inputs, by the number of the input.
    pub constants: Vec<(usize, Value)>,
    /// How its output is to be transposed: axis `i` of what is wanted is axis `order[i]` of it.
    pub order: Vec<usize>,
}

impl Op {
    /// A transposition: axis `i` of the output is axis `order[i]` of the input.
    pub fn permuting(order: &[usize]) -> Self {
        Transpose { permutation: Some(order.iter().map(|&axis| axis as i64).collect()) }.into()
    }

    /// The operator on inputs as they were before a transposition by `order`, which all its computed
    /// inputs went through; `inputs` are those behind it.
    pub fn before_permutation(&self, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
        self.own_before_permutation(order, inputs).or_else(|| elementwise(self, order, inputs))
    }
}

/// An operator of which each element of the output depends on those elements only that broadcasting
/// lays over it. One with scales does, where there is one scale for all.
fn elementwise(op: &Op, order: &[usize], inputs: &TypeInputs<'_>) -> Option<Reordered> {
    let Facts { kind, is_axis_free, .. } = op.facts();
    let only_scalars = matches!(kind, Kind::Quantize | Kind::Dequantize);
    if !only_scalars && !is_axis_free && !matches!(kind, Kind::Elementwise | Kind::Sum) {
        return None;
    }
    let mut constants = Vec::new();
    for (at, value) in (0..inputs.len()).filter_map(|at| Some((at, inputs.constant(at)?))) {
        if value.len() == 1 && value.rank() <= order.len() {
            continue;
        }
        if only_scalars {
            return None;
        }
        constants.push((at, before(value, order)?));
    }
    Some(Reordered { op: op.clone(), constants, order: order.to_vec() })
}

/// The constant that a transposition by `order` makes `value` of; axes that broadcasting adds in
/// front are axes of size 1.
pub(super) fn before(value: &Value, order: &[usize]) -> Option<Value> {
    let missing = order.len().checked_sub(value.rank())?;
    let shape = [vec![1; missing], value.shape().to_vec()].concat();
    let mut axes = vec![(0, Vec::new()); order.len()];
    for (at, &axis) in order.iter().enumerate() {
        *axes.get_mut(axis)? = (at, IndexMap::all(shape[at]).ok()?);
    }
    let whole = value.clone().reshaped(&shape).ok()?;
    IndexMap::new(&shape, axes).ok()?.take(&whole, None).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, pattern, run, tensor};
    use crate::ops::{Add, Concat, Mul, Pad, ReduceMean, Relu, Softmax, Sub, testing};
    use crate::tensor::{Shape, TensorType};

    const ORDER: [usize; 4] = [0, 2, 3, 1];

    /// Runs an operator behind transpositions and before one, and compares; `None` inputs are
    /// computed, the others constants.
    fn check(op: &Op, inputs: &[(Value, bool)]) -> Option<Reordered> {
        let behind = |x: &Value| run(&Op::permuting(&ORDER), std::slice::from_ref(x)).remove(0);
        let given: Vec<Value> =
            inputs.iter().map(|(x, computed)| if *computed { behind(x) } else { x.clone() }).collect();
        let types: Vec<TensorType> =
            given.iter().map(|v| TensorType::new(v.dtype(), Shape::fixed(v.shape()))).collect();
        let slots = types.iter().zip(inputs).zip(&given);
        let slots = slots.map(|((ty, (_, computed)), v)| Some((ty, Some(v).filter(|_| !computed)))).collect();
        let moved = op.before_permutation(&ORDER, &TypeInputs::new(slots))?;
        let mut early: Vec<Value> = inputs.iter().map(|(x, _)| x.clone()).collect();
        for (at, value) in &moved.constants {
            early[*at] = value.clone();
        }
        let wanted = run(op, &given).remove(0);
        let found = run(&Op::permuting(&moved.order), &[run(&moved.op, &early).remove(0)]).remove(0);
        testing::assert_close(&found, &wanted, 1e-6, &format!("{op:?}"));
        Some(moved)
    }

    fn image() -> Value {
        Random::new(1).uniform(&[2, 3, 4, 5], -1.0, 1.0)
    }

    #[test]
    fn what_works_on_single_elements_goes_before_a_transposition() {
        check(&Relu.into(), &[(image(), true)]).unwrap();
        check(&Add::default().into(), &[(image(), true), (image(), true)]).unwrap();
        let bias = || tensor(&[3], &[1.0, 2.0, 3.0]);
        let moved = check(&Add::default().into(), &[(image(), true), (bias(), false)]).unwrap();
        assert_eq!(moved.constants[0].1.shape(), [1, 3, 1, 1]);
        check(&Sub.into(), &[(pattern(&[4, 1, 3], 7, 11), false), (image(), true)]).unwrap();
        let moved = check(&Mul.into(), &[(image(), true), (Value::scalar(2.0_f32), false)]).unwrap();
        assert!(moved.constants.is_empty());
    }

    #[test]
    fn axes_are_named_anew() {
        check(&Concat { axis: -1 }.into(), &[(image(), true), (image(), true)]).unwrap();
        let with = pattern(&[2, 4, 5, 2], 7, 11);
        check(&Concat { axis: 3 }.into(), &[(image(), true), (with, false)]).unwrap();
        let read = |op_type: &str, attrs, inputs: &[Option<&Value>]| {
            testing::import_node(op_type, attrs, 18, inputs).unwrap().0
        };
        for (axes, keep) in [(vec![1, 2], 0), (vec![1, 2], 1), (vec![3], 0), (vec![-1, 0], 1), (vec![1], 0)] {
            let axes = testing::integers(&axes);
            let attrs = crate::ir::Attrs::new().with("keepdims", crate::ir::Attr::Int(keep));
            let op = read("ReduceMean", attrs, &[None, Some(&axes)]);
            let moved = check(&op, &[(image(), true), (axes.clone(), false)]).unwrap();
            let Op::ReduceMean(ReduceMean { axes: known }) = &moved.op else { panic!("{moved:?}") };
            assert_eq!(known.are_spatial(), axes == testing::integers(&[1, 2]));
        }
        let pads = testing::integers(&[0, 1, 0, 2, 0, 3, 1, -1]);
        let op = read("Pad", crate::ir::Attrs::new(), &[None, Some(&pads)]);
        assert!(matches!(op, Op::Pad(Pad { .. })));
        check(&op, &[(image(), true), (pads, false)]).unwrap();
    }

    #[test]
    fn what_means_certain_axes_stays_behind() {
        let softmax = testing::import_node("Softmax", crate::ir::Attrs::new(), 13, &[]).unwrap().0;
        assert!(matches!(softmax, Op::Softmax(Softmax { .. })));
        assert!(check(&softmax, &[(image(), true)]).is_none());
        let deep = tensor(&[1, 1, 1, 1, 1], &[1.0]);
        assert!(check(&Add::default().into(), &[(image(), true), (deep, false)]).is_none());
    }
}
