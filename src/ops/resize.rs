//! `Resize` (ONNX opsets 11–19): axes made longer or shorter, with the values in between taken from
//! the nearest element, from a line or from a cubic curve.
//!
//! The new lengths are stated, or follow from factors and are rounded down. Both are inputs; so is the
//! region that `tf_crop_and_resize` cuts out. Nearest neighbours of any element type are moved, and
//! so also on codes; other interpolation is of floats. Opset 10, and Upsample, are read as this
//! operator.

use super::index::{self, FILL, IndexMap};
use super::lower::nhwc_axis;
use super::pooling::check_gradient;
use super::resample::{Coordinates, Interpolation, Method, Nearest, Resampling};
use super::{
    Context, ExportStep, Facts, ImportInput, ImportNode, Inputs, Kind, Layout, LowerContext, Lowered,
    OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{DType, Dim, Shape, TensorType, Value};

/// Inputs: `x`, region, factors, sizes; one of the last two.
#[derive(Debug, Clone, PartialEq)]
pub struct Resize {
    /// How values in between are found.
    pub interpolation: Interpolation,
    /// Where elements of the output are in the input.
    pub coordinates: Coordinates,
    /// Whether a shrinking axis looks at all elements.
    pub antialias: bool,
    /// Whether elements outside the input do not count, instead of repeating the edge.
    pub exclude_outside: bool,
    /// The value outside the region of `tf_crop_and_resize`.
    pub extrapolation: f32,
    /// The axes that factors, sizes and region are of; all in order where it is absent.
    pub axes: Option<Vec<i64>>,
    /// What becomes of the proportions where sizes are stated.
    pub aspect: Aspect,
    /// Whether the network computes the factors.
    pub computes_factors: bool,
}

/// What becomes of the proportions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// Every axis gets its size.
    Stretch,
    /// All axes get one factor, so that none is larger than stated.
    NotLarger,
    /// All axes get one factor, so that none is smaller than stated.
    NotSmaller,
}

/// Names of a choice in files.
pub(super) type Names<T> = &'static [(&'static str, T)];

const COORDINATES: Names<Coordinates> = &[
    ("half_pixel", Coordinates::HalfPixel),
    ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
    ("pytorch_half_pixel", Coordinates::PytorchHalfPixel),
    ("asymmetric", Coordinates::Asymmetric),
    ("align_corners", Coordinates::AlignCorners),
    ("tf_crop_and_resize", Coordinates::TfCropAndResize),
    ("tf_half_pixel_for_nn", Coordinates::TfHalfPixelForNearest),
];

const NEAREST: Names<Nearest> = &[
    ("round_prefer_floor", Nearest::RoundPreferFloor),
    ("round_prefer_ceil", Nearest::RoundPreferCeil),
    ("floor", Nearest::Floor),
    ("ceil", Nearest::Ceil),
];

const ASPECTS: Names<Aspect> =
    &[("stretch", Aspect::Stretch), ("not_larger", Aspect::NotLarger), ("not_smaller", Aspect::NotSmaller)];

/// Takes a text that is one of the names; the first where it is absent.
pub(super) fn take_choice<T: Copy>(attrs: &mut Attrs, name: &str, names: Names<T>) -> Result<T, AttrError> {
    let text = attrs.take_string(name)?.unwrap_or_else(|| names[0].0.to_owned());
    let found = names.iter().find(|(known, _)| *known == text).map(|(_, value)| *value);
    found.ok_or_else(|| AttrError::Unsupported {
        name: name.to_owned(),
        value: text,
        reason: "it must be one of the names that ONNX gives",
    })
}

pub(super) fn name_of<T: PartialEq>(names: Names<T>, value: &T) -> Option<Attr> {
    let found = names.iter().find(|(_, known)| known == value);
    found.map(|(name, _)| Attr::String((*name).to_owned()))
}

impl Resize {
    /// As opset 10 and Upsample have it: beginnings of elements keep their places.
    pub(super) fn of_opset_10(interpolation: Interpolation, computes_factors: bool) -> Self {
        Self {
            interpolation,
            coordinates: Coordinates::Asymmetric,
            antialias: false,
            exclude_outside: false,
            extrapolation: 0.0,
            axes: None,
            aspect: Aspect::Stretch,
            computes_factors,
        }
    }

    fn method(&self) -> Method {
        Method {
            interpolation: self.interpolation,
            coordinates: self.coordinates,
            antialias: self.antialias,
            exclude_outside: self.exclude_outside,
        }
    }

    /// The axes that are resized, in the order in which their factors or sizes are given.
    fn axes(&self, rank: usize) -> Result<Vec<usize>, OpError> {
        self.axes.as_ref().map_or_else(|| Ok((0..rank).collect()), |axes| index::axes(axes, rank))
    }

    /// How each of the axes is resized whose input size is known.
    fn plan(
        &self,
        input: &[Option<usize>],
        [region, factors, sizes]: [Option<&Value>; 3],
    ) -> Result<Vec<(usize, Option<Resampling>)>, OpError> {
        let axes = self.axes(input.len())?;
        let given = |value: Option<&Value>| value.is_some_and(|value| !value.is_empty());
        let mut plan = match (given(factors), given(sizes)) {
            (true, false) => by_factors(&axes, input, factors)?,
            (false, true) => self.by_sizes(&axes, input, sizes)?,
            _ => {
                let expected = "either factors or sizes".to_owned();
                return Err(OpError::Shape { what: "inputs", expected, got: "both or none".to_owned() });
            }
        };
        if self.coordinates == Coordinates::TfCropAndResize {
            let region = region.ok_or(OpError::MissingInput { index: 1 })?.as_slice::<f32>()?;
            if region.len() != 2 * axes.len() {
                return Err(index::count_error("ends of the region", 2 * axes.len(), region.len()));
            }
            for (at, resampling) in plan.iter_mut().enumerate() {
                if let (_, Some(resampling)) = resampling {
                    resampling.region = [region[at], region[axes.len() + at]];
                }
            }
        }
        Ok(plan)
    }

    fn by_sizes(
        &self,
        axes: &[usize],
        input: &[Option<usize>],
        sizes: Option<&Value>,
    ) -> Result<Vec<(usize, Option<Resampling>)>, OpError> {
        let sizes = sizes.map(|sizes| index::sizes(sizes, "the sizes")).transpose()?.unwrap_or_default();
        if sizes.len() != axes.len() {
            return Err(index::count_error("sizes", axes.len(), sizes.len()));
        }
        let pairs = || axes.iter().zip(&sizes).map(|(&axis, &size)| (axis, input[axis], size));
        let ratios = pairs().map(|(_, input, size)| input.map(|input| size as f64 / input as f64));
        let ratios: Option<Vec<f64>> = ratios.collect();
        let common = match (self.aspect, ratios) {
            (Aspect::Stretch, _) => None,
            (_, None) => return Ok(axes.iter().map(|&axis| (axis, None)).collect()),
            (Aspect::NotLarger, Some(ratios)) => Some(ratios.into_iter().fold(f64::INFINITY, f64::min)),
            (Aspect::NotSmaller, Some(ratios)) => Some(ratios.into_iter().fold(0.0, f64::max)),
        };
        let one = |(axis, input, size): (usize, Option<usize>, usize)| {
            let Some(input) = input else { return Ok((axis, None)) };
            let (output, scale) = match common {
                None => (size, size as f32 / input as f32),
                Some(ratio) => ((ratio * input as f64 + 0.5).floor() as usize, ratio as f32),
            };
            let length = common.map_or(output as f64, |ratio| ratio * input as f64);
            checked(Resampling { input, output, scale, length, region: [0.0, 1.0] })
                .map(|one| (axis, Some(one)))
        };
        pairs().map(one).collect()
    }

    /// As [`Resize::plan`], for the tensors of a run; axes that stay as they are are left out.
    fn placed(
        &self,
        shape: &[usize],
        inputs: [Option<&Value>; 3],
    ) -> Result<Vec<(usize, Resampling)>, OpError> {
        let known: Vec<Option<usize>> = shape.iter().copied().map(Some).collect();
        let plan = self.plan(&known, inputs)?.into_iter().filter_map(|(axis, one)| Some((axis, one?)));
        #[allow(clippy::float_cmp, reason = "what is not exactly the same is resized")]
        let changes = |one: &Resampling| {
            let crops = self.coordinates == Coordinates::TfCropAndResize && one.region != [0.0, 1.0];
            one.input != one.output || one.scale != 1.0 || crops
        };
        let plan: Vec<_> = plan.filter(|(_, one)| changes(one)).collect();
        let mut output = shape.to_vec();
        for (axis, one) in &plan {
            output[*axis] = one.output;
        }
        index::check_size(&output, size_of::<f32>())?;
        Ok(plan)
    }

    /// The positions that nearest neighbours are read from.
    fn map(&self, rule: Nearest, shape: &[usize], plan: &[(usize, Resampling)]) -> Result<IndexMap, OpError> {
        let axis = |axis: usize| match plan.iter().find(|(at, _)| *at == axis) {
            Some((_, one)) => Ok((axis, one.nearest(self.method(), rule, FILL)?)),
            None => Ok((axis, IndexMap::all(shape[axis])?)),
        };
        IndexMap::new(shape, (0..shape.len()).map(axis).collect::<Result<_, OpError>>()?)
    }
}

fn by_factors(
    axes: &[usize],
    input: &[Option<usize>],
    factors: Option<&Value>,
) -> Result<Vec<(usize, Option<Resampling>)>, OpError> {
    let factors = factors.map(Value::as_slice::<f32>).transpose()?.unwrap_or_default();
    if factors.len() != axes.len() {
        return Err(index::count_error("factors", axes.len(), factors.len()));
    }
    let one = |(&axis, &scale): (&usize, &f32)| {
        if !(scale.is_finite() && scale > 0.0) {
            let expected = "finite and greater than 0".to_owned();
            return Err(OpError::Range { what: "a factor", expected, got: scale.to_string() });
        }
        let Some(input) = input[axis] else { return Ok((axis, None)) };
        let output = (scale * input as f32).floor() as usize;
        let length = f64::from(scale) * input as f64;
        let one = Resampling { input, output, scale, length, region: [0.0, 1.0] };
        checked(one).map(|one| (axis, Some(one)))
    };
    axes.iter().zip(factors).map(one).collect()
}

/// Refuses something made of nothing.
fn checked(one: Resampling) -> Result<Resampling, OpError> {
    if one.input > 0 || one.output == 0 {
        return Ok(one);
    }
    let expected = "0, as there is nothing to resize".to_owned();
    Err(OpError::Shape { what: "size of the result", expected, got: one.output.to_string() })
}

impl Operator for Resize {
    const OP_TYPE: &'static str = "Resize";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        let attrs = &mut node.attrs;
        let nearest = take_choice(attrs, "nearest_mode", NEAREST)?;
        let a = attrs.take_float("cubic_coeff_a")?.unwrap_or(-0.75);
        let modes = &[("nearest", 0), ("linear", 1), ("cubic", 2)];
        let interpolation = match take_choice(attrs, "mode", modes)? {
            0 => Interpolation::Nearest(nearest),
            1 => Interpolation::Linear,
            _ => Interpolation::Cubic { a },
        };
        Ok(Self {
            interpolation,
            coordinates: take_choice(attrs, "coordinate_transformation_mode", COORDINATES)?,
            antialias: attrs.take_bool("antialias", false)?,
            exclude_outside: attrs.take_bool("exclude_outside", false)?,
            extrapolation: attrs.take_float("extrapolation_value")?.unwrap_or(0.0),
            axes: attrs.take_ints("axes")?,
            aspect: take_choice(attrs, "keep_aspect_ratio_policy", ASPECTS)?,
            computes_factors: matches!(node.inputs.get(2), Some(ImportInput::Computed)),
        })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let (mode, rule, a) = match self.interpolation {
            Interpolation::Nearest(rule) => ("nearest", Some(rule), None),
            Interpolation::Linear => ("linear", None, None),
            Interpolation::Cubic { a } => ("cubic", None, Some(a)),
        };
        // Opset 13 withdrew one way to place elements, opset 11 one to find the nearest.
        let is_gone =
            self.coordinates == Coordinates::TfHalfPixelForNearest || rule == Some(Nearest::ByDirection);
        let mut attrs = Attrs::new().with("mode", Attr::String(mode.to_owned()));
        attrs.insert("coordinate_transformation_mode", name_of(COORDINATES, &self.coordinates)?);
        let optional = [
            ("nearest_mode", rule.and_then(|rule| name_of(NEAREST, &rule))),
            ("cubic_coeff_a", a.map(Attr::Float)),
            ("antialias", self.antialias.then_some(Attr::Int(1))),
            ("exclude_outside", self.exclude_outside.then_some(Attr::Int(1))),
            ("extrapolation_value", (self.extrapolation != 0.0).then_some(Attr::Float(self.extrapolation))),
            ("axes", self.axes.clone().map(Attr::Ints)),
            (
                "keep_aspect_ratio_policy",
                (self.aspect != Aspect::Stretch).then(|| name_of(ASPECTS, &self.aspect)).flatten(),
            ),
        ];
        for (name, attr) in optional {
            if let Some(attr) = attr {
                attrs.insert(name, attr);
            }
        }
        let step = ExportStep::new(Self::OP_TYPE, attrs);
        let is_new = self.coordinates == Coordinates::HalfPixelSymmetric;
        (!is_gone).then(|| vec![if is_new { step.since(19) } else { step }])
    }

    /// Computed factors are an input that a quantizer would take for data.
    fn facts(&self) -> Facts {
        let moves = matches!(self.interpolation, Interpolation::Nearest(_)) && !self.computes_factors;
        let extrapolates = self.coordinates == Coordinates::TfCropAndResize;
        Facts::of(if moves && !extrapolates { Kind::Rearrange } else { Kind::Other })
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.ty(0)?;
        let Shape::Ranked(dims) = &input.shape else { return Ok(vec![input.clone()]) };
        let mut resized: Vec<Dim> = dims.clone();
        let constants = [1, 2, 3].map(|slot| inputs.constant(slot));
        let hidden =
            [2, 3].iter().any(|&slot| inputs.optional(slot).is_some() && inputs.constant(slot).is_none());
        let hides_region = self.coordinates == Coordinates::TfCropAndResize && constants[0].is_none();
        if hidden || hides_region {
            self.axes(dims.len())?.into_iter().for_each(|axis| resized[axis] = Dim::Unknown);
            return Ok(vec![TensorType::new(input.dtype, Shape::Ranked(resized))]);
        }
        let known: Vec<Option<usize>> = dims.iter().map(Dim::fixed).collect();
        let plan = self.plan(&known, constants)?;
        let stated = constants[2].filter(|sizes| !sizes.is_empty() && self.aspect == Aspect::Stretch);
        let stated = stated.map(|sizes| index::sizes(sizes, "the sizes")).transpose()?;
        let factors = constants[1].filter(|f| !f.is_empty()).map(Value::as_slice::<f32>).transpose()?;
        for (at, (axis, one)) in plan.into_iter().enumerate() {
            let stays = factors.is_some_and(|factors| factors.get(at) == Some(&1.0));
            resized[axis] = match (one, &stated) {
                (Some(one), _) => Dim::Fixed(one.output),
                (None, Some(sizes)) => Dim::Fixed(sizes[at]),
                (None, None) if stays => dims[axis].clone(),
                (None, None) => Dim::Unknown,
            };
        }
        Ok(vec![TensorType::new(input.dtype, Shape::Ranked(resized))])
    }

    fn forward(&self, _: &Context<'_>, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let x = inputs.get(0)?;
        let plan = self.placed(x.shape(), [1, 2, 3].map(|slot| inputs.optional(slot)))?;
        if let Interpolation::Nearest(rule) = self.interpolation {
            let map = self.map(rule, x.shape(), &plan)?;
            return Ok(vec![match x.dtype() {
                DType::F32 => map.read(x, self.extrapolation)?,
                _ => map.take(x, None)?,
            }]);
        }
        let mut resized = x.clone();
        resized.as_slice::<f32>()?;
        for (axis, one) in plan {
            resized = one.taps(self.method()).apply(&resized, axis, self.extrapolation)?;
        }
        Ok(vec![resized])
    }

    fn lower_int8(&self, context: &LowerContext<'_>) -> Option<Lowered> {
        if self.facts().kind != Kind::Rearrange {
            return None;
        }
        let lowered = context.rearranged(self.clone().into())?;
        if context.rank(0) != Some(4) {
            return Some(lowered);
        }
        // Channels last, the same factors are of other axes.
        let axes = self.axes.clone().unwrap_or_else(|| (0..4).collect()).into_iter().map(nhwc_axis).collect();
        let op = Self { axes: Some(axes), ..self.clone() };
        Some(Lowered { op: op.into(), ..lowered.in_layout(Layout::Nhwc) })
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.wanted_gradient() else { return Ok(gradients) };
        let shape = tape.input(0)?.shape();
        check_gradient(gradient, tape.output(0)?.shape())?;
        let plan = self.placed(shape, [1, 2, 3].map(|slot| tape.inputs.get(slot).copied().flatten()))?;
        gradients[0] = Some(if let Interpolation::Nearest(rule) = self.interpolation {
            self.map(rule, shape, &plan)?.scatter(gradient)?
        } else {
            let mut spread = gradient.clone();
            for (axis, one) in plan.into_iter().rev() {
                spread = one.taps(self.method()).transposed(&spread, axis)?;
            }
            spread
        });
        Ok(gradients)
    }

    /// What opset 10 called nearest is one of today's ways where all factors point one way.
    fn with_sizes(&self, inputs: &TypeInputs<'_>) -> Option<Self> {
        let factors = inputs.constant(2)?.as_slice::<f32>().ok()?;
        let rule = if factors.iter().all(|&f| f >= 1.0) {
            Nearest::Floor
        } else if factors.iter().all(|&f| f <= 1.0) {
            Nearest::Ceil
        } else {
            return None;
        };
        let is_old = self.interpolation == Interpolation::Nearest(Nearest::ByDirection);
        is_old.then(|| Self { interpolation: Interpolation::Nearest(rule), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, integers, pattern, tensor, try_run};

    /// Attributes that are texts.
    fn texts(list: &[(&str, &str)]) -> Attrs {
        list.iter()
            .fold(Attrs::new(), |attrs, (name, text)| attrs.with(name, Attr::String((*text).to_owned())))
    }

    fn nearest(coordinates: &str, rule: &str) -> Attrs {
        texts(&[("coordinate_transformation_mode", coordinates), ("nearest_mode", rule)])
    }

    fn linear(coordinates: &str) -> Attrs {
        texts(&[("coordinate_transformation_mode", coordinates), ("mode", "linear")])
    }

    fn by_sizes(attrs: Attrs, x: Value, sizes: &[i64]) -> Sample {
        Sample::new(attrs).input(x).absent().absent().constant(integers(sizes))
    }

    fn by_factors(attrs: Attrs, x: Value, factors: &[f32]) -> Sample {
        Sample::new(attrs).input(x).absent().constant(tensor(&[factors.len()], factors))
    }

    fn nearest_samples() -> Vec<Sample> {
        let x = || pattern(&[1, 1, 2, 3], 7, 11);
        let line = || pattern(&[1, 1, 1, 5], 7, 11);
        let policy = |policy: &str| {
            texts(&[("keep_aspect_ratio_policy", policy)]).with("axes", Attr::Ints(vec![3, -2]))
        };
        let rows = |rows: &[&[f32]]| tensor(&[1, 1, rows.len(), rows[0].len()], &rows.concat());
        let [a, b]: [&[f32]; 2] = [&[-5., -5., 2., 2., 2., -2., -2.], &[5., 5., 1., 1., 1., -3., -3.]];
        let [c, d]: [&[f32]; 2] =
            [&[-5., -5., -5., 2., 2., 2., -2., -2., -2.], &[5., 5., 5., 1., 1., 1., -3., -3., -3.]];
        let [e, f]: [&[f32]; 2] = [&[-5., -5., 2., -2.], &[5., 5., 1., -3.]];
        let codes = Value::from_vec(&[1, 1, 1, 2], vec![3_u8, 9]).unwrap();
        vec![
            by_sizes(Attrs::new(), x(), &[1, 1, 3, 7]).gives(vec![rows(&[a, a, b])]),
            by_sizes(policy("not_larger"), x(), &[7, 6]).gives(vec![rows(&[a, a, b, b, b])]),
            by_sizes(policy("not_smaller"), x(), &[7, 6]).gives(vec![rows(&[c, c, c, d, d, d])]),
            by_factors(nearest("asymmetric", "floor"), x(), &[1.0, 1.0, 2.0, 1.5])
                .opset(11)
                .gives(vec![rows(&[e, e, f, f])]),
            by_factors(nearest("half_pixel_symmetric", "round_prefer_ceil"), line(), &[1.0, 1.0, 1.0, 1.3])
                .opset(19)
                .gives(vec![rows(&[&[-5., 2., -2., -2., 5., 1.]])]),
            by_factors(nearest("asymmetric", "ceil"), codes, &[1.0, 1.0, 1.0, 2.0])
                .gives(vec![Value::from_vec(&[1, 1, 1, 4], vec![3_u8, 9, 9, 9]).unwrap()]),
            by_sizes(Attrs::new(), Random::new(54).uniform(&[2, 1, 3, 2], -1.0, 1.0), &[2, 1, 4, 1])
                .gradients(&[0]),
        ]
    }

    impl Sampled for Resize {
        /// Expected values from onnxruntime 1.31; those of the cropped region from ONNX's reference.
        fn samples() -> Vec<Sample> {
            let x = || pattern(&[1, 1, 2, 3], 7, 11);
            let line = || pattern(&[1, 1, 1, 5], 7, 11);
            let gives =
                |sample: Sample, shape: &[usize], y: &[f32]| sample.gives_about(1e-6, vec![tensor(shape, y)]);
            let antialias = |attrs: Attrs| attrs.with("antialias", Attr::Int(1));
            let cubic = || texts(&[("mode", "cubic")]);
            let narrow = antialias(cubic())
                .with("exclude_outside", Attr::Int(1))
                .with("cubic_coeff_a", Attr::Float(-0.5));
            let crop = linear("tf_crop_and_resize").with("extrapolation_value", Attr::Float(9.0));
            let region = [0.0, 0.0, -0.25, 0.5, 1.0, 1.0, 0.75, 1.5];
            let wide: &[usize] = &[1, 1, 3, 5];
            let mut random = Random::new(55);
            let mut random = |shape: &[usize]| random.uniform(shape, -1.0, 1.0);
            let mut samples = nearest_samples();
            samples.extend([
                gives(
                    by_sizes(linear("half_pixel"), x(), &[1, 1, 3, 5]),
                    wide,
                    &[-5.0, -2.2, 2.0, -0.4, -2.0, 0.0, 0.6, 1.5, -0.9, -2.5, 5.0, 3.4, 1.0, -1.4, -3.0],
                ),
                gives(
                    by_sizes(linear("align_corners"), x(), &[1, 1, 3, 5]).opset(11),
                    wide,
                    &[-5.0, -1.5, 2.0, 0.0, -2.0, 0.0, 0.75, 1.5, -0.5, -2.5, 5.0, 3.0, 1.0, -1.0, -3.0],
                ),
                gives(
                    by_sizes(linear("pytorch_half_pixel"), x(), &[1, 1, 1, 2]),
                    &[1, 1, 1, 2],
                    &[-3.25, -1.0],
                ),
                gives(
                    by_sizes(antialias(linear("half_pixel")), line(), &[1, 1, 1, 2]),
                    &[1, 1, 1, 2],
                    &[-1.48, 1.88],
                ),
                gives(
                    by_sizes(cubic(), line(), &[1, 1, 1, 7]),
                    &[1, 1, 1, 7],
                    &[-5.551_021, -0.518_950_7, 1.403_794_2, -2.0, 3.415_453_2, 4.055_393, 0.685_129_94],
                ),
                gives(
                    by_sizes(narrow, line(), &[1, 1, 1, 3]),
                    &[1, 1, 1, 3],
                    &[-2.184_615_9, 0.711_628_2, 2.753_846_2],
                ),
                gives(
                    Sample::new(crop.clone())
                        .input(x())
                        .constant(tensor(&[8], &region))
                        .absent()
                        .constant(integers(&[1, 1, 3, 3])),
                    &[1, 1, 3, 3],
                    &[9.0, 9.0, 9.0, 1.75, -2.25, 9.0, 1.25, -2.75, 9.0],
                ),
                by_sizes(linear("half_pixel"), random(&[2, 2, 3]), &[2, 3, 4]).gradients(&[0]),
                by_factors(antialias(linear("half_pixel")), random(&[1, 4, 3]), &[1.0, 0.5, 2.0])
                    .gradients(&[0]),
                by_sizes(cubic(), random(&[1, 3, 4]), &[1, 4, 3]).gradients(&[0]),
                Sample::new(crop)
                    .input(random(&[3, 2]))
                    .input(tensor(&[4], &[0.25, 0.0, 1.5, 1.0]))
                    .input(tensor(&[2], &[2.0, 1.0]))
                    .gradients(&[0]),
            ]);
            samples
        }
    }

    fn resize(attrs: Attrs) -> Op {
        import_node("Resize", attrs, 18, &[]).unwrap().0
    }

    #[test]
    fn names_survive_where_the_factor_is_1() {
        let batch = Dim::Symbolic("batch".into());
        let ty = |dims: Vec<Dim>| TensorType::new(DType::F32, Shape::Ranked(dims));
        let x = ty(vec![batch.clone(), Dim::Fixed(3), Dim::Symbolic("h".into()), Dim::Fixed(4)]);
        let (factors, sizes) = (tensor(&[4], &[1.0, 1.0, 2.0, 2.0]), integers(&[1, 3, 8, 8]));
        let infer = |factors: Option<&Value>, sizes: Option<&Value>| {
            let given =
                |value: Option<&Value>| value.map(|v| TensorType::new(v.dtype(), Shape::fixed(v.shape())));
            let (f, s) = (given(factors), given(sizes));
            let slots = vec![
                Some((&x, None)),
                None,
                f.as_ref().map(|ty| (ty, factors)),
                s.as_ref().map(|ty| (ty, sizes)),
            ];
            resize(Attrs::new()).infer(&TypeInputs::new(slots)).unwrap().remove(0)
        };
        assert_eq!(infer(Some(&factors), None), ty(vec![batch, Dim::Fixed(3), Dim::Unknown, Dim::Fixed(8)]));
        assert_eq!(infer(None, Some(&sizes)), ty([1, 3, 8, 8].map(Dim::Fixed).to_vec()));
    }

    #[test]
    fn what_cannot_be_resized_says_why() {
        let one = || tensor(&[1, 1], &[1.0]);
        let refused =
            |attrs: Attrs, inputs: &[Value]| try_run(&resize(attrs), inputs).unwrap_err().to_string();
        let nothing = || tensor(&[0], &[]);
        let factors = |factors: &[f32]| tensor(&[factors.len()], factors);
        assert!(refused(Attrs::new(), &[one()]).contains("either factors or sizes"));
        assert!(
            refused(Attrs::new(), &[one(), nothing(), factors(&[1.0, 1.0]), integers(&[1, 1])])
                .contains("both")
        );
        assert!(refused(Attrs::new(), &[one(), nothing(), factors(&[1.0])]).contains("expected 2, got 1"));
        assert!(refused(Attrs::new(), &[one(), nothing(), factors(&[1.0, -1.0])]).contains("greater than 0"));
        assert!(refused(Attrs::new(), &[one(), nothing(), factors(&[1e9, 1e9])]).contains("1000000000"));
        let empty = tensor(&[0, 1], &[]);
        let sizes = integers(&[2, 1]);
        assert!(refused(Attrs::new(), &[empty, nothing(), nothing(), sizes]).contains("nothing to resize"));
        let crop = nearest("tf_crop_and_resize", "floor");
        assert!(
            refused(crop, &[one(), factors(&[0.0]), factors(&[2.0, 2.0])]).contains("ends of the region")
        );
        let error = import_node("Resize", texts(&[("mode", "area")]), 18, &[]).unwrap_err();
        assert!(error.to_string().contains("`mode` = area"), "{error}");
    }
}
