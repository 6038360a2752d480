//! `NonMaxSuppression` (ONNX opsets 10–11): the best boxes of each class, without those that overlap
//! a better one too much. Not differentiable.
//!
//! Areas are computed in float32, as ONNX Runtime does it, so that a box at the threshold is treated
//! alike. A box without an area overlaps nothing. Of boxes with equal scores the first one is better.

use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, TypeInputs, index};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value, sort_positions};

/// Inputs: `boxes` `[batch, boxes, 4]`, `scores` `[batch, classes, boxes]`,
/// `max_output_boxes_per_class`, `iou_threshold`, `score_threshold`; the last three are optional, and
/// without the first of these (0) there is no output. Output: a row `batch, class, box` for each box
/// that is left.
#[derive(Debug, Clone, PartialEq)]
pub struct NonMaxSuppression {
    /// Boxes are centre x, centre y, width, height; otherwise two opposite corners, y before x.
    pub center_point_box: bool,
}

impl Operator for NonMaxSuppression {
    const OP_TYPE: &'static str = "NonMaxSuppression";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        Ok(Self { center_point_box: node.attrs.take_bool("center_point_box", false)? })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("center_point_box", Attr::Int(self.center_point_box.into()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        inputs.float(0, "the boxes")?;
        inputs.float(1, "the scores")?;
        let shape = Shape::Ranked(vec![Dim::Unknown, Dim::Fixed(3)]);
        Ok(vec![TensorType::new(DType::I64, shape)])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let (boxes, scores) = (inputs.get(0)?, inputs.get(1)?);
        let (&[batch, count, 4], &[score_batch, classes, score_count]) = (boxes.shape(), scores.shape())
        else {
            let got = format!("{:?} and {:?}", boxes.shape(), scores.shape());
            let expected = "[batch, boxes, 4] and [batch, classes, boxes]".to_owned();
            return Err(OpError::Shape { what: "boxes and scores", expected, got });
        };
        if (batch, count) != (score_batch, score_count) {
            let (expected, got) = (format!("{batch} × {count}"), format!("{score_batch} × {score_count}"));
            return Err(OpError::Shape { what: "batch and boxes of the scores", expected, got });
        }
        let limits = Limits::read(&inputs)?;
        let all: Vec<Corners> =
            boxes.as_slice::<f32>()?.as_chunks().0.iter().map(|row| self.corners(row)).collect();
        let scores = scores.as_slice::<f32>()?;
        let mut found = Vec::new();
        for row in 0..scores.len().checked_div(count).unwrap_or(0) {
            let (image, class) = (row / classes, row % classes);
            let boxes = &all[image * count..(image + 1) * count];
            for kept in limits.choose(boxes, &scores[row * count..(row + 1) * count]) {
                found.extend([image as i64, class as i64, kept as i64]);
            }
        }
        Ok(vec![Value::from_vec(&[found.len() / 3, 3], found)?])
    }
}

/// A box as its least and greatest coordinates along two axes.
#[derive(Debug, Clone, Copy)]
struct Corners {
    least: [f32; 2],
    most: [f32; 2],
}

impl NonMaxSuppression {
    fn corners(&self, &[a, b, c, d]: &[f32; 4]) -> Corners {
        let [first, second] = if self.center_point_box {
            [[a - c / 2.0, b - d / 2.0], [a + c / 2.0, b + d / 2.0]]
        } else {
            [[a, b], [c, d]]
        };
        let pick = |of: fn(f32, f32) -> f32| [of(first[0], second[0]), of(first[1], second[1])];
        Corners { least: pick(f32::min), most: pick(f32::max) }
    }
}

impl Corners {
    fn area(&self) -> f32 {
        (self.most[0] - self.least[0]) * (self.most[1] - self.least[1])
    }

    /// Whether the common area is more than `threshold` of what both cover together.
    fn overlaps(&self, other: &Self, threshold: f32) -> bool {
        let side =
            |axis: usize| self.most[axis].min(other.most[axis]) - self.least[axis].max(other.least[axis]);
        let (height, width) = (side(0).max(0.0), side(1).max(0.0));
        let common = height * width;
        let both = self.area() + other.area() - common;
        common > 0.0 && both > 0.0 && common / both > threshold
    }
}

/// What is chosen at all.
#[derive(Debug)]
struct Limits {
    boxes: usize,
    overlap: f32,
    score: Option<f32>,
}

impl Limits {
    fn read(inputs: &Inputs) -> Result<Self, OpError> {
        let boxes = inputs.optional(2).map(|v| index::only_integer(v, "max_output_boxes_per_class"));
        let number = |at: usize, what: &'static str| match inputs.optional(at) {
            None => Ok(None),
            Some(value) => match value.as_slice::<f32>()? {
                &[only] => Ok(Some(only)),
                several => Err(index::count_error(what, 1, several.len())),
            },
        };
        let overlap = number(3, "iou_threshold")?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&overlap) {
            let (expected, got) = ("between 0 and 1".to_owned(), overlap.to_string());
            return Err(OpError::Range { what: "iou_threshold", expected, got });
        }
        let boxes = usize::try_from(boxes.transpose()?.unwrap_or(0)).unwrap_or(0);
        Ok(Self { boxes, overlap, score: number(4, "score_threshold")? })
    }

    /// The boxes of one class of one image that are kept, the best first.
    fn choose(&self, boxes: &[Corners], scores: &[f32]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        if let Some(least) = self.score {
            order.retain(|&at| scores[at] > least);
        }
        sort_positions(&mut order, &|a, b| scores[b].total_cmp(&scores[a]));
        let mut kept: Vec<usize> = Vec::new();
        for at in order {
            if kept.len() >= self.boxes {
                break;
            }
            if kept.iter().all(|&better| !boxes[at].overlaps(&boxes[better], self.overlap)) {
                kept.push(at);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Sample, Sampled, import_node, integers, run, tensor, try_run};

    /// Two boxes that share a half of their common area, and one apart, with corners in any order.
    fn boxes() -> Value {
        tensor(&[1, 3, 4], &[0.0, 0.0, 1.0, 1.0, 1.0, 1.5, 0.0, 0.5, 0.0, 10.0, 1.0, 11.0])
    }

    fn scores() -> Value {
        tensor(&[1, 2, 3], &[0.75, 0.9, 0.6, 0.2, 0.2, 0.1])
    }

    impl Sampled for NonMaxSuppression {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let of = |most: i64, overlap: f32, score: f32, wanted: &[i64]| {
                Sample::new(Attrs::new())
                    .opset(10)
                    .input(boxes())
                    .input(scores())
                    .constant(integers(&[most]))
                    .constant(Value::scalar(overlap))
                    .constant(tensor(&[1], &[score]))
                    .gives(vec![integers(wanted).reshaped(&[wanted.len() / 3, 3]).unwrap()])
            };
            vec![
                of(3, 0.3, 0.15, &[0, 0, 1, 0, 0, 2, 0, 1, 0]),
                of(3, 0.5, 0.5, &[0, 0, 1, 0, 0, 0, 0, 0, 2]),
                of(1, 0.5, 0.0, &[0, 0, 1, 0, 1, 0]),
                Sample::new(Attrs::new().with("center_point_box", Attr::Int(1)))
                    .input(boxes())
                    .input(scores()),
            ]
        }
    }

    #[test]
    fn without_a_number_of_boxes_there_is_none() {
        let (op, _) = import_node("NonMaxSuppression", Attrs::new(), 11, &[]).unwrap();
        assert_eq!(run(&op, &[boxes(), scores()])[0].shape(), [0, 3]);
    }

    #[test]
    fn boxes_and_scores_that_do_not_fit_are_refused() {
        let (op, _) = import_node("NonMaxSuppression", Attrs::new(), 11, &[]).unwrap();
        let error = try_run(&op, &[boxes(), tensor(&[1, 1, 2], &[0.0; 2])]).unwrap_err();
        assert_eq!(error.to_string(), "batch and boxes of the scores: expected 1 × 3, got 1 × 2");
        assert!(try_run(&op, &[tensor(&[1, 3], &[0.0; 3]), scores()]).is_err());
        let threshold = |t| [boxes(), scores(), integers(&[1]), tensor(&[1], &[t])];
        assert!(try_run(&op, &threshold(f32::NAN)).is_err());
        assert!(try_run(&op, &threshold(1.5)).is_err());
    }
}
