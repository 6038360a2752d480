//! `MeanVarianceNormalization` (ONNX opsets 9–13) and `LpNormalization` (1–22), by means and sums over
//! axes.

use super::{Expansion, Source, integers, number};
use crate::ir::AttrError;
use crate::ops::{Abs, Add, Axes, Clamp, Clip, Div, ImportNode, Mul, ReduceMean, ReduceSum, Sqrt, Sub};

fn axes(known: &[i64]) -> Axes {
    Axes { known: Some(known.to_vec()), keep_dims: true, noop_with_empty_axes: false }
}

/// The smallest normal number instead of zeros, so that neither a division nor the slope of a root
/// is infinite.
fn positive(parts: &mut Expansion, x: Source) -> Source {
    let min = f32::MIN_POSITIVE;
    let op = Clip { bounds: Some(Clamp { min, max: f32::INFINITY }) };
    parts.add(op, vec![x, number(min)])
}

/// `(x − mean) / (√variance + 10⁻⁹)` over some axes, batch and positions by default.
pub(super) fn mean_variance_normalization(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    node.require_opset(9, "the axes were another attribute before opset 9")?;
    let list = node.attrs.take_ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    let mut parts = Expansion::default();
    let mean = |parts: &mut Expansion, of: Source| {
        parts.add(ReduceMean { axes: axes(&list) }, vec![of, integers(&list)])
    };
    let middle = mean(&mut parts, Source::Input(0));
    let centred = parts.add(Sub, vec![Source::Input(0), middle]);
    let squared = parts.add(Mul, vec![centred.clone(), centred.clone()]);
    let variance = mean(&mut parts, squared);
    let variance = positive(&mut parts, variance);
    let deviation = parts.add(Sqrt, vec![variance]);
    let divisor = parts.add(Add::default(), vec![deviation, number(1e-9)]);
    parts.add_main(Div, vec![centred, divisor]);
    Ok(parts.finish())
}

/// `x / ‖x‖ₚ` along an axis, with `p` 1 or 2; 0 where the norm is 0.
pub(super) fn lp_normalization(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    let axis = node.attrs.take_int("axis")?.unwrap_or(-1);
    let p = node.attrs.take_int("p")?.unwrap_or(2);
    let mut parts = Expansion::default();
    let x = Source::Input(0);
    let terms = match p {
        1 => parts.add(Abs, vec![x.clone()]),
        2 => parts.add(Mul, vec![x.clone(), x.clone()]),
        _ => {
            let reason = "ONNX has it for 1 and 2 only";
            return Err(AttrError::Unsupported { name: "p".to_owned(), value: p.to_string(), reason });
        }
    };
    let sum = parts.add(ReduceSum { axes: axes(&[axis]) }, vec![terms, integers(&[axis])]);
    let sum = positive(&mut parts, sum);
    let norm = if p == 1 { sum } else { parts.add(Sqrt, vec![sum]) };
    parts.add_main(Div, vec![x, norm]);
    Ok(parts.finish())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{refused, run};
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{assert_close, pattern, tensor};

    #[test]
    fn means_and_variances_go_away() {
        let x = tensor(&[1, 2, 1, 2], &[2.0, 4.0, 3.0, 7.0]);
        let y = run("MeanVarianceNormalization", Attrs::new(), 13, &[&x]);
        assert_close(&y[0], &tensor(&[1, 2, 1, 2], &[-1.0, 1.0, -1.0, 1.0]), 1e-6, "per channel");
        let all = Attrs::new().with("axes", Attr::Ints(vec![1, 3]));
        let y = run("MeanVarianceNormalization", all, 9, &[&x]);
        // Mean 4, variance 14/4.
        let expected = [-2.0, 0.0, -1.0, 3.0_f32].map(|v| v / 3.5_f32.sqrt());
        assert_close(&y[0], &tensor(&[1, 2, 1, 2], &expected), 1e-6, "of all channels");
        let constant =
            run("MeanVarianceNormalization", Attrs::new(), 13, &[&tensor(&[1, 1, 1, 2], &[3.0; 2])]);
        assert_eq!(constant[0], tensor(&[1, 1, 1, 2], &[0.0; 2]));
    }

    #[test]
    fn norms_become_1_and_zeros_stay() {
        let with = |p: i64, axis: i64| Attrs::new().with("p", Attr::Int(p)).with("axis", Attr::Int(axis));
        let x = tensor(&[2, 2], &[3.0, -4.0, 0.0, 0.0]);
        let y = run("LpNormalization", Attrs::new(), 1, &[&x]);
        assert_close(&y[0], &tensor(&[2, 2], &[0.6, -0.8, 0.0, 0.0]), 1e-6, "2");
        let y = run("LpNormalization", with(1, -1), 22, &[&x]);
        assert_close(&y[0], &tensor(&[2, 2], &[3.0 / 7.0, -4.0 / 7.0, 0.0, 0.0]), 1e-6, "1");
        let y = run("LpNormalization", with(2, 0), 22, &[&x]);
        assert_close(&y[0], &tensor(&[2, 2], &[1.0, -1.0, 0.0, 0.0]), 1e-6, "columns");
        assert!(refused("LpNormalization", with(3, 0), 22, &[&pattern(&[2], 1, 2)]).contains("1 and 2"));
    }
}
