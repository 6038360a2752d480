//! `DepthToSpace` (ONNX opsets 1–13): channels become positions, `[N, C · b², H, W]` to
//! `[N, C, H · b, W · b]`.

use super::index::{self, IndexMap};
use super::{
    Context, ExportStep, Facts, ImportNode, Inputs, Kind, LowerContext, Lowered, OpError, Operator, Tape,
    TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{Dim, Shape, TensorType, Value};

/// Which channels make one block of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOrder {
    /// Those that are `C` apart (DCR, as TensorFlow has it).
    DepthFirst,
    /// Neighbours (CRD, as PyTorch's PixelShuffle has it).
    ColumnFirst,
}

/// Channels to positions.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthToSpace {
    /// Rows and columns of a block.
    pub block: usize,
    /// Which channels make one.
    pub order: BlockOrder,
}

/// A tensor seen as one of six axes, and these in another order.
pub(super) struct Blocks {
    six: [usize; 6],
    order: [usize; 6],
    shape: [usize; 4],
}

impl Blocks {
    /// Channels to positions.
    fn to_space(shape: &[usize], block: usize, order: BlockOrder) -> Result<Self, OpError> {
        let [n, c, h, w] = image(shape)?;
        let area = block.saturating_mul(block);
        if c % area != 0 {
            return Err(not_divided("channels", area, c));
        }
        let channels = c / area;
        let (six, order) = match order {
            BlockOrder::DepthFirst => ([n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2]),
            BlockOrder::ColumnFirst => ([n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        };
        Ok(Self { six, order, shape: [n, channels, h.saturating_mul(block), w.saturating_mul(block)] })
    }

    /// Positions to channels, in the order that [`BlockOrder::DepthFirst`] takes back.
    pub(super) fn to_depth(shape: &[usize], block: usize) -> Result<Self, OpError> {
        let [n, c, h, w] = image(shape)?;
        for (what, size) in [("height", h), ("width", w)] {
            if size % block != 0 {
                return Err(not_divided(what, block, size));
            }
        }
        let (rows, columns) = (h / block, w / block);
        let channels = c.saturating_mul(block).saturating_mul(block);
        Ok(Self {
            six: [n, c, rows, block, columns, block],
            order: [0, 3, 5, 1, 2, 4],
            shape: [n, channels, rows, columns],
        })
    }

    fn map(&self) -> Result<IndexMap, OpError> {
        let axes = self.order.iter().map(|&axis| Ok((axis, IndexMap::all(self.six[axis])?)));
        IndexMap::new(&self.six, axes.collect::<Result<_, OpError>>()?)
    }

    pub(super) fn read(&self, x: &Value) -> Result<Value, OpError> {
        let x = x.clone().reshaped(&self.six)?;
        let map = self.map()?;
        let moved = map.take(&x, None)?;
        Ok(moved.reshaped(&self.shape)?)
    }

    /// The gradient with respect to an input of `shape`.
    pub(super) fn scatter(&self, gradient: &Value, shape: &[usize]) -> Result<Value, OpError> {
        let six = self.order.map(|axis| self.six[axis]);
        let spread = self.map()?.scatter(&gradient.clone().reshaped(&six)?)?;
        Ok(spread.reshaped(shape)?)
    }
}

fn image(shape: &[usize]) -> Result<[usize; 4], OpError> {
    <[usize; 4]>::try_from(shape).map_err(|_| index::count_error("rank of the input", 4, shape.len()))
}

fn not_divided(what: &'static str, by: usize, got: usize) -> OpError {
    OpError::Shape { what, expected: format!("a multiple of {by}"), got: got.to_string() }
}

/// Takes `blocksize`.
pub(super) fn take_block(attrs: &mut Attrs) -> Result<usize, AttrError> {
    let name = "blocksize";
    let block = attrs.take_int(name)?.ok_or_else(|| AttrError::Missing { name: name.to_owned() })?;
    let known = u16::try_from(block).ok().filter(|&block| block > 0);
    known.map(usize::from).ok_or_else(|| AttrError::Unsupported {
        name: name.to_owned(),
        value: block.to_string(),
        reason: "it must be a number of rows",
    })
}

/// The type of the result of an image, whose channels and sizes are multiplied or divided.
pub(super) fn infer(
    inputs: &TypeInputs<'_>,
    block: usize,
    place: impl Fn(&[usize]) -> Result<Blocks, OpError>,
) -> Result<Vec<TensorType>, OpError> {
    let input = inputs.ty(0)?;
    let Shape::Ranked(dims) = &input.shape else { return Ok(vec![input.clone()]) };
    if dims.len() != 4 {
        return Err(index::count_error("rank of the input", 4, dims.len()));
    }
    // What is not known is taken for something that fits, and forgotten again.
    let area = block.saturating_mul(block);
    let sizes = [1, area, block, block];
    let stand_in: Vec<usize> =
        dims.iter().zip(sizes).map(|(dim, size)| dim.fixed().unwrap_or(size)).collect();
    let placed = place(&stand_in)?.shape;
    let result = dims.iter().zip(placed).enumerate().map(|(axis, (dim, size))| match dim {
        Dim::Fixed(_) => Dim::Fixed(size),
        dim if axis == 0 || block == 1 => dim.clone(),
        _ => Dim::Unknown,
    });
    Ok(vec![TensorType::new(input.dtype, Shape::Ranked(result.collect()))])
}

impl Operator for DepthToSpace {
    const OP_TYPE: &'static str = "DepthToSpace";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let block = take_block(&mut node.attrs)?;
        let mode = node.attrs.take_string("mode")?.unwrap_or_else(|| "DCR".to_owned());
        let order = match mode.as_str() {
            "DCR" => BlockOrder::DepthFirst,
            "CRD" => BlockOrder::ColumnFirst,
            _ => {
                let reason = "it must be DCR or CRD";
                return Err(AttrError::Unsupported { name: "mode".to_owned(), value: mode, reason });
            }
        };
        Ok(Self { block, order })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let mode = if self.order == BlockOrder::DepthFirst { "DCR" } else { "CRD" };
        let attrs = Attrs::new()
            .with("blocksize", Attr::Int(self.block as i64))
            .with("mode", Attr::String(mode.to_owned()));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::of(Kind::Rearrange)
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        infer(inputs, self.block, |shape| Blocks::to_space(shape, self.block, self.order))
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        Ok(vec![Blocks::to_space(x.shape(), self.block, self.order)?.read(x)?])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        context.rearranged(self.clone().into())
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let shape = tape.input(0)?.shape();
        index::first_gradient(tape, |g| Blocks::to_space(shape, self.block, self.order)?.scatter(g, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, tensor, try_run};

    fn attrs(mode: &str) -> Attrs {
        Attrs::new().with("blocksize", Attr::Int(2)).with("mode", Attr::String(mode.to_owned()))
    }

    impl Sampled for DepthToSpace {
        fn samples() -> Vec<Sample> {
            let numbers: Vec<f32> = (0..16).map(|i| i as f32).collect();
            let x = tensor(&[1, 8, 1, 2], &numbers);
            let codes = Value::from_vec(&[1, 4, 1, 1], vec![1_u8, 2, 3, 4]).unwrap();
            let random = || Random::new(50).uniform(&[2, 8, 2, 1], -1.0, 1.0);
            // Channels 0, 2, 4, 6 (or 0, 1, 2, 3) make the first block.
            let apart = [0., 4., 1., 5., 8., 12., 9., 13., 2., 6., 3., 7., 10., 14., 11., 15.];
            let near = [0., 2., 1., 3., 4., 6., 5., 7., 8., 10., 9., 11., 12., 14., 13., 15.];
            vec![
                Sample::new(attrs("DCR")).input(x.clone()).gives(vec![tensor(&[1, 2, 2, 4], &apart)]),
                Sample::new(attrs("CRD")).input(x).gives(vec![tensor(&[1, 2, 2, 4], &near)]),
                Sample::new(Attrs::new().with("blocksize", Attr::Int(2)))
                    .opset(7)
                    .input(codes)
                    .gives(vec![Value::from_vec(&[1, 1, 2, 2], vec![1_u8, 2, 3, 4]).unwrap()]),
                Sample::new(attrs("DCR")).input(random()).gradients(&[0]),
                Sample::new(attrs("CRD")).input(random()).gradients(&[0]),
            ]
        }
    }

    #[test]
    fn channels_that_make_no_whole_blocks_are_refused() {
        let (op, _) = import_node("DepthToSpace", attrs("DCR"), 13, &[]).unwrap();
        let error = try_run(&op, &[tensor(&[1, 6, 1, 1], &[0.0; 6])]).unwrap_err();
        assert_eq!(error.to_string(), "channels: expected a multiple of 4, got 6");
        assert!(import_node("DepthToSpace", attrs("ABC"), 13, &[]).is_err());
        assert!(import_node("DepthToSpace", Attrs::new().with("blocksize", Attr::Int(0)), 13, &[]).is_err());
    }
}
