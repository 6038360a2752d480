//! `Upsample` (ONNX opsets 7–9) and `Resize` of opset 10: today's Resize, with its factors as another
//! input and beginnings of elements keeping their places.

use super::{Expansion, Source};
use crate::ir::{Attr, AttrError};
use crate::ops::{ImportInput, ImportNode, Interpolation, Nearest, Resize};
use crate::tensor::Value;

pub(super) fn resize(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    node.require_opset(10, "it was added in opset 10")?;
    read(node, Source::Input(1))
}

pub(super) fn upsample(node: &mut ImportNode<'_>) -> Result<Expansion, AttrError> {
    node.require_opset(7, "height and width were attributes before opset 7")?;
    if node.opset.0 >= 9 {
        return read(node, Source::Input(1));
    }
    let Some(Attr::Floats(factors)) = node.attrs.take("scales") else {
        return Err(AttrError::Missing { name: "scales".to_owned() });
    };
    let factors = Value::from_array(ndarray::arr1(&factors).into_dyn());
    read(node, Source::Constant(factors))
}

fn read(node: &mut ImportNode<'_>, factors: Source) -> Result<Expansion, AttrError> {
    let mode = node.attrs.take_string("mode")?.unwrap_or_else(|| "nearest".to_owned());
    let interpolation = match mode.as_str() {
        "nearest" => Interpolation::Nearest(Nearest::ByDirection),
        "linear" | "bilinear" => Interpolation::Linear,
        _ => {
            let reason = "it must be nearest or linear";
            return Err(AttrError::Unsupported { name: "mode".to_owned(), value: mode, reason });
        }
    };
    let computed =
        matches!(factors, Source::Input(at) if matches!(node.inputs.get(at), Some(ImportInput::Computed)));
    let mut parts = Expansion::default();
    let op = Resize::of_opset_10(interpolation, computed);
    parts.add_main(op, vec![Source::Input(0), Source::Absent, factors]);
    Ok(parts.finish())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{refused, run};
    use super::*;
    use crate::ir::Attrs;
    use crate::ops::testing::{assert_close, tensor};

    fn mode(mode: &str) -> Attrs {
        Attrs::new().with("mode", Attr::String(mode.to_owned()))
    }

    #[test]
    fn what_grows_repeats_and_what_shrinks_takes_the_last() {
        let x = tensor(&[1, 1, 1, 4], &[1.0, 2.0, 3.0, 4.0]);
        let factors = |width: f32| tensor(&[4], &[1.0, 1.0, 2.0, width]);
        let y = run("Upsample", mode("nearest"), 9, &[&x, &factors(1.0)]);
        assert_eq!(y[0], tensor(&[1, 1, 2, 4], &[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0]));
        let y = run("Resize", mode("nearest"), 10, &[&x, &tensor(&[4], &[1.0, 1.0, 1.0, 0.75])]);
        // Coordinates 0, 4/3, 8/3.
        assert_eq!(y[0], tensor(&[1, 1, 1, 3], &[1.0, 3.0, 4.0]));
        let y = run("Resize", mode("linear"), 10, &[&x, &tensor(&[4], &[1.0, 1.0, 1.0, 1.5])]);
        let expected = [1.0, 5.0 / 3.0, 7.0 / 3.0, 3.0, 11.0 / 3.0, 4.0];
        assert_close(&y[0], &tensor(&[1, 1, 1, 6], &expected), 1e-6, "linear");
    }

    #[test]
    fn factors_were_an_attribute_once() {
        let attrs = || mode("bilinear").with("scales", Attr::Floats(vec![1.0, 2.0]));
        let y = run("Upsample", attrs(), 7, &[&tensor(&[1, 2], &[1.0, 2.0])]);
        assert_eq!(y[0], tensor(&[1, 4], &[1.0, 1.5, 2.0, 2.0]));
        assert!(refused("Upsample", mode("nearest"), 8, &[]).contains("`scales` is missing"));
        assert!(refused("Upsample", mode("cubic"), 9, &[]).contains("nearest or linear"));
    }

    #[test]
    fn the_neighbour_is_named_where_the_factors_decide_it() {
        use crate::ops::{Op, TypeInputs};
        use crate::tensor::{DType, Shape, TensorType};
        let op = Op::from(Resize::of_opset_10(Interpolation::Nearest(Nearest::ByDirection), false));
        assert_eq!(op.export(), None);
        let ty = TensorType::new(DType::F32, Shape::Unranked);
        let settled = |factors: &[f32]| {
            let factors = tensor(&[factors.len()], factors);
            let slots = vec![Some((&ty, None)), None, Some((&ty, Some(&factors)))];
            op.with_sizes(&TypeInputs::new(slots))
        };
        let as_rule = |rule| Some(Op::from(Resize::of_opset_10(Interpolation::Nearest(rule), false)));
        assert_eq!(settled(&[1.0, 2.0]), as_rule(Nearest::Floor));
        assert_eq!(settled(&[1.0, 0.5]), as_rule(Nearest::Ceil));
        assert_eq!(settled(&[2.0, 0.5]), None);
    }
}
