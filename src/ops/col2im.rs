//! `Col2Im` (ONNX opset 18): columns of blocks added up to images, which undoes what a convolution by
//! matrix product does first. Over up to three spatial axes.

use super::window::{AxisWindow, Padding, Rounding, Window};
use super::{Context, ExportStep, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs, index};
use crate::ir::AttrError;
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Inputs: columns `[N, C · taps, places]`, sizes of the image, sizes of a block. Output: `[N, C, …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Col2Im {
    /// Steps, dilations and padding of the blocks, whose sizes are an input.
    pub window: Window,
}

/// The blocks on an image.
struct Blocks {
    axes: [AxisWindow; 3],
    output: Vec<usize>,
}

impl Blocks {
    fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }

    fn places(&self) -> usize {
        self.axes.iter().map(|axis| axis.output).product()
    }

    fn cells(&self) -> usize {
        self.axes.iter().map(|axis| axis.input).product()
    }

    /// Calls `f(element of the columns, element of the image)` for the elements of one channel that
    /// meet.
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let [kernel, output] = [self.axes.map(|axis| axis.kernel), self.axes.map(|axis| axis.output)];
        for tap in 0..self.taps() {
            let tap_at = split(tap, kernel);
            for place in 0..self.places() {
                let place_at = split(place, output);
                let cell = self.axes.iter().enumerate().try_fold(0, |cell, (i, axis)| {
                    let padded = place_at[i] * axis.stride + tap_at[i] * axis.dilation;
                    let at = padded.checked_sub(axis.pad_begin).filter(|&at| at < axis.input)?;
                    Some(cell * axis.input + at)
                });
                if let Some(cell) = cell {
                    f(tap * self.places() + place, cell);
                }
            }
        }
    }
}

/// The three coordinates of a number that counts along the last axis first.
fn split(number: usize, sizes: [usize; 3]) -> [usize; 3] {
    [number / (sizes[1] * sizes[2]), number / sizes[2] % sizes[1], number % sizes[2]]
}

impl Col2Im {
    fn blocks(&self, columns: &[usize], image: &Value, block: &Value) -> Result<Blocks, OpError> {
        let image = index::sizes(image, "the image's sizes")?;
        let block = index::sizes(block, "the block's sizes")?;
        let axes = self.window.resolve(&image, &block, Rounding::Down)?;
        let product =
            |of: fn(&AxisWindow) -> usize| axes.iter().fold(1_usize, |n, a| n.saturating_mul(of(a)));
        let (taps, places) = (product(|axis| axis.kernel), product(|axis| axis.output));
        let &[images, rows, found] = columns else {
            let expected = "[N, C · taps, places]".to_owned();
            return Err(OpError::Shape { what: "columns", expected, got: format!("{columns:?}") });
        };
        if rows == 0 || rows % taps != 0 || found != places {
            let expected = format!("[{images}, a multiple of {taps}, {places}]");
            return Err(OpError::Shape { what: "columns", expected, got: format!("{columns:?}") });
        }
        let output = [&[images, rows / taps], &image[..]].concat();
        index::check_size(&output, size_of::<f32>())?;
        Ok(Blocks { axes, output })
    }
}

impl Operator for Col2Im {
    const OP_TYPE: &'static str = "Col2Im";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let window = Window::import(node)?;
        if !window.kernel.is_empty() || !matches!(window.padding, Padding::Explicit(_)) {
            return Err(AttrError::Unknown { name: "kernel_shape".to_owned(), opset: node.opset.0 });
        }
        Ok(Self { window })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        Some(vec![ExportStep::new(Self::OP_TYPE, self.window.export())])
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let columns = inputs.float(0, "columns")?;
        let image = inputs.constant(1).map(|image| index::sizes(image, "the image's sizes")).transpose()?;
        let block = inputs.constant(2).map(|block| index::sizes(block, "the block's sizes")).transpose()?;
        let Some(image) = image else { return Ok(vec![TensorType::new(columns.dtype, Shape::Unranked)]) };
        let dims = columns.shape.dims();
        let taps = block.and_then(|block| block.iter().try_fold(1_usize, |n, &size| n.checked_mul(size)));
        let rows = dims.and_then(|dims| dims.get(1)?.fixed());
        let channels = rows
            .zip(taps.filter(|&taps| taps > 0))
            .map_or(Dim::Unknown, |(rows, taps)| Dim::Fixed(rows / taps));
        let images = dims.and_then(|dims| dims.first().cloned()).unwrap_or(Dim::Unknown);
        let shape = [images, channels].into_iter().chain(image.into_iter().map(Dim::Fixed)).collect();
        Ok(vec![TensorType::new(columns.dtype, Shape::Ranked(shape))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let columns = inputs.get(0)?;
        let blocks = self.blocks(columns.shape(), inputs.get(1)?, inputs.get(2)?)?;
        let mut out = index::zeros::<f32>(&blocks.output)?.into_vec::<f32>()?;
        let columns = columns.as_slice::<f32>()?.chunks_exact(blocks.taps() * blocks.places());
        for (columns, plane) in columns.zip(out.chunks_exact_mut(blocks.cells())) {
            blocks.each(|column, cell| plane[cell] += columns[column]);
        }
        Ok(vec![Value::from_vec(&blocks.output, out)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        index::first_gradient(tape, |gradient| {
            let columns = tape.input(0)?;
            let blocks = self.blocks(columns.shape(), tape.input(1)?, tape.input(2)?)?;
            let gradient = super::pooling::check_gradient(gradient, &blocks.output)?;
            let mut out = vec![0.0_f32; columns.len()];
            let spread = out.chunks_exact_mut(blocks.taps() * blocks.places());
            for (columns, plane) in spread.zip(gradient.chunks_exact(blocks.cells())) {
                blocks.each(|column, cell| columns[column] = plane[cell]);
            }
            Ok(Value::from_vec(columns.shape(), out)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Attr, Attrs};
    use crate::ops::testing::{Random, Sample, Sampled, integers, pattern, tensor, try_run};

    impl Sampled for Col2Im {
        /// Expected values from onnxruntime 1.31.
        fn samples() -> Vec<Sample> {
            let attrs = |lists: &[(&str, &[i64])]| {
                lists
                    .iter()
                    .fold(Attrs::new(), |attrs, (name, list)| attrs.with(name, Attr::Ints(list.to_vec())))
            };
            let spread = attrs(&[("strides", &[1, 2]), ("pads", &[1, 0, 0, 1]), ("dilations", &[2, 1])]);
            vec![
                Sample::new(spread.clone())
                    .input(pattern(&[1, 8, 4], 7, 11))
                    .constant(integers(&[3, 4]))
                    .constant(integers(&[2, 2]))
                    .gives(vec![tensor(
                        &[1, 2, 3, 4],
                        &[
                            -2.0, 4.0, 5.0, 0.0, -4.0, 2.0, 3.0, -2.0, -1.0, 5.0, -5.0, 1.0, 0.0, -5.0, -4.0,
                            2.0, -2.0, 4.0, 5.0, 0.0, 1.0, -4.0, -3.0, 3.0,
                        ],
                    )]),
                Sample::new(spread)
                    .input(Random::new(57).uniform(&[2, 8, 4], -1.0, 1.0))
                    .constant(integers(&[3, 4]))
                    .constant(integers(&[2, 2]))
                    .gradients(&[0]),
                Sample::new(Attrs::new())
                    .input(Random::new(58).uniform(&[1, 8, 2], -1.0, 1.0))
                    .input(integers(&[2, 1, 3]))
                    .input(integers(&[2, 1, 2]))
                    .gradients(&[0]),
            ]
        }
    }

    #[test]
    fn columns_of_another_image_are_refused() {
        let op = Col2Im { window: Window::default() };
        let error = try_run(&op.into(), &[pattern(&[1, 4, 3], 1, 2), integers(&[3, 3]), integers(&[2, 2])]);
        assert!(error.unwrap_err().to_string().contains("[1, a multiple of 4, 4]"));
    }
}
