//! `BatchNormalization` (ONNX opsets 7–15) as it runs after training: a scale and a shift per
//! channel, from statistics that are inputs.
//!
//! Training mode, which computes the statistics from the batch, is refused, and so is `spatial = 0`
//! (one statistic per position) of opset 7. `momentum` belongs to training and is dropped.

use super::pooling::check_gradient;
use super::{
    ChannelAffine, Context, ExportStep, Facts, ImportNode, Inputs, OpError, Operator, Tape, TypeInputs,
};
use crate::ir::{Attr, AttrError, Attrs};
use crate::tensor::{TensorType, Value};

/// `y = (x − mean) / √(variance + epsilon) · scale + bias`, per channel; inputs in the order
/// `x`, `scale`, `bias`, `mean`, `variance`, the last four `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormalization {
    /// Keeps the divisor away from zero.
    pub epsilon: f32,
}

impl Default for BatchNormalization {
    fn default() -> Self {
        Self { epsilon: Self::EPSILON }
    }
}

/// The parameters of one channel.
#[derive(Debug, Clone, Copy)]
struct Channel {
    scale: f64,
    bias: f64,
    mean: f64,
    /// `1 / √(variance + epsilon)`.
    inverse_deviation: f64,
}

impl BatchNormalization {
    /// ONNX's default.
    const EPSILON: f32 = 1e-5;

    /// The same as one factor and one summand per channel.
    fn factors(channels: &[Channel]) -> (Vec<f32>, Vec<f32>) {
        let both = channels.iter().map(|channel| {
            let factor = channel.scale * channel.inverse_deviation;
            (factor as f32, (channel.bias - channel.mean * factor) as f32)
        });
        both.unzip()
    }

    /// Per channel what to do, from the four parameter tensors.
    fn channels(&self, count: usize, parameters: [&Value; 4]) -> Result<Vec<Channel>, OpError> {
        let mut slices = [&[][..]; 4];
        for (slice, value) in slices.iter_mut().zip(parameters) {
            if value.shape() != [count] {
                return Err(OpError::Shape {
                    what: "scale, bias, mean and variance",
                    expected: format!("[{count}], one per channel of the input"),
                    got: format!("{:?}", value.shape()),
                });
            }
            *slice = value.as_slice::<f32>()?;
        }
        let [scale, bias, mean, variance] = slices;
        let at = |slice: &[f32], i: usize| f64::from(slice[i]);
        let channel = |i| Channel {
            scale: at(scale, i),
            bias: at(bias, i),
            mean: at(mean, i),
            inverse_deviation: (at(variance, i) + f64::from(self.epsilon)).sqrt().recip(),
        };
        Ok((0..count).map(channel).collect())
    }
}

/// Number of channels and elements of one channel in one image of `[N, C, …]`.
fn layout(shape: &[usize]) -> Result<(usize, usize), OpError> {
    let [_, channels, spatial @ ..] = shape else {
        let expected = "batch and channels, at least".to_owned();
        return Err(OpError::Shape { what: "rank of the input", expected, got: shape.len().to_string() });
    };
    let cells = spatial.iter().fold(1_usize, |cells, &size| cells.saturating_mul(size));
    Ok((*channels, cells.max(1)))
}

impl Operator for BatchNormalization {
    const OP_TYPE: &'static str = "BatchNormalization";

    fn import(node: &mut ImportNode<'_>) -> Result<Self, AttrError> {
        node.require_opset(7, "test mode was an attribute before opset 7")?;
        let refuse = |name: &str, value: &str, reason| {
            Err(AttrError::Unsupported { name: name.to_owned(), value: value.to_owned(), reason })
        };
        if !node.attrs.take_bool("spatial", true)? {
            return refuse("spatial", "0", "only one statistic per channel is supported");
        }
        if node.attrs.take_bool("training_mode", false)? {
            return refuse("training_mode", "1", "the network is run, not trained; export it in eval mode");
        }
        if node.output_count > 1 {
            return refuse("outputs", &node.output_count.to_string(), "the others exist in training only");
        }
        node.attrs.take_float("momentum")?;
        Ok(Self { epsilon: node.attrs.take_float("epsilon")?.unwrap_or(Self::EPSILON) })
    }

    fn export(&self) -> Option<Vec<ExportStep>> {
        let attrs = Attrs::new().with("epsilon", Attr::Float(self.epsilon));
        Some(vec![ExportStep::new(Self::OP_TYPE, attrs)])
    }

    fn facts(&self) -> Facts {
        Facts::default()
    }

    fn infer(&self, inputs: &TypeInputs<'_>) -> Result<Vec<TensorType>, OpError> {
        let input = inputs.float(0, "input")?;
        for (index, what) in [(1, "scale"), (2, "bias"), (3, "mean"), (4, "variance")] {
            inputs.float(index, what)?;
        }
        Ok(vec![input.clone()])
    }

    fn forward(&self, _: &Context<'_>, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
        let input = inputs.take(0)?;
        let shape = input.shape().to_vec();
        let (count, cells) = layout(&shape)?;
        let parameters = [inputs.get(1)?, inputs.get(2)?, inputs.get(3)?, inputs.get(4)?];
        let channels = self.channels(count, parameters)?;
        let mut x = input.into_vec::<f32>()?;
        let (scale, shift) = Self::factors(&channels);
        for (plane, (scale, shift)) in x.chunks_exact_mut(cells).zip(scale.iter().zip(&shift).cycle()) {
            for x in plane {
                *x = *x * scale + shift;
            }
        }
        Ok(vec![Value::from_vec(&shape, x)?])
    }

    fn backward(&self, _: &Context<'_>, tape: &Tape<'_>) -> Result<Vec<Option<Value>>, OpError> {
        let mut gradients = vec![None; tape.inputs.len()];
        let Some(gradient) = tape.gradient(0) else { return Ok(gradients) };
        let input = tape.input(0)?;
        let (count, cells) = layout(input.shape())?;
        let parameters = [tape.input(1)?, tape.input(2)?, tape.input(3)?, tape.input(4)?];
        let channels = self.channels(count, parameters)?;
        let gradient = check_gradient(gradient, input.shape())?;
        let mut sums = vec![Sums::default(); count];
        let planes = input.as_slice::<f32>()?.chunks_exact(cells).zip(gradient.chunks_exact(cells));
        for (plane, (x, gradient)) in planes.enumerate() {
            sums[plane % count].add(x, gradient);
        }
        if tape.wants(0) {
            let (scale, _) = Self::factors(&channels);
            let mut out = gradient.to_vec();
            for (plane, scale) in out.chunks_exact_mut(cells).zip(scale.iter().cycle()) {
                for g in plane {
                    *g *= scale;
                }
            }
            gradients[0] = Some(Value::from_vec(input.shape(), out)?);
        }
        for (index, slot) in gradients.iter_mut().enumerate().skip(1).filter(|(i, _)| tape.wants(*i)) {
            let of = |(channel, sums): (&Channel, &Sums)| sums.gradient_of_parameter(index, channel) as f32;
            *slot = Some(Value::from_vec(&[count], channels.iter().zip(&sums).map(of).collect())?);
        }
        Ok(gradients)
    }

    fn channel_affine(&self, inputs: &TypeInputs<'_>) -> Option<ChannelAffine> {
        let constant = |index: usize| inputs.constant(index);
        let parameters = [constant(1)?, constant(2)?, constant(3)?, constant(4)?];
        let channels = self.channels(parameters[0].len(), parameters).ok()?;
        let (scale, shift) = Self::factors(&channels);
        Some(ChannelAffine { input: 0, scale, shift })
    }
}

/// Sums over one channel of all images.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// `Σ g`.
    gradient: f64,
    /// `Σ g · x`.
    product: f64,
}

impl Sums {
    fn add(&mut self, x: &[f32], gradient: &[f32]) {
        for (&x, &g) in x.iter().zip(gradient) {
            self.gradient += f64::from(g);
            self.product += f64::from(g) * f64::from(x);
        }
    }

    /// Gradient with respect to input `index` of the operator: scale, bias, mean or variance.
    fn gradient_of_parameter(&self, index: usize, channel: &Channel) -> f64 {
        let Channel { scale, mean, inverse_deviation, .. } = *channel;
        let centred = self.product - mean * self.gradient;
        match index {
            1 => centred * inverse_deviation,
            2 => self.gradient,
            3 => -self.gradient * scale * inverse_deviation,
            _ => -0.5 * centred * scale * inverse_deviation * inverse_deviation * inverse_deviation,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Random, Sample, Sampled, import_node, pattern, tensor};
    use crate::tensor::Shape;

    impl Sampled for BatchNormalization {
        fn samples() -> Vec<Sample> {
            let parameters = [[2.0, -1.0], [0.5, 1.0], [1.0, -2.0], [4.0, 0.25]].map(|p| tensor(&[2], &p));
            let epsilon = Attrs::new().with("epsilon", Attr::Float(0.0625));
            // onnxruntime 1.31
            let y = [-5.453_667_6, 1.492_277_9, 1.0, -11.521_98, 0.5, -3.469_111_4, -9.733_126, -2.577_708_7];
            let constant = parameters
                .iter()
                .fold(Sample::new(epsilon).opset(15).input(pattern(&[2, 2, 2], 7, 11)), |sample, p| {
                    sample.constant(p.clone())
                });
            let mut random = Random::new(10);
            let x = random.uniform(&[2, 3, 2, 2], -1.0, 1.0);
            let mut any = |low, high| random.uniform(&[3], low, high);
            let computed = Sample::new(Attrs::new().with("spatial", Attr::Int(1)))
                .opset(7)
                .input(x)
                .input(any(-1.0, 1.0))
                .input(any(-1.0, 1.0))
                .input(any(-1.0, 1.0))
                .input(any(0.5, 2.0));
            // A unit in the last place of what cancels is 2⁻²⁴ of at most twice the largest output.
            vec![
                constant.gives_about(1e-6, vec![tensor(&[2, 2, 2], &y)]),
                computed.gradients(&[0, 1, 2, 3, 4]),
            ]
        }
    }

    #[test]
    fn training_is_refused() {
        let refused = |name: &str, value: i64, opset: u32| {
            let attrs = Attrs::new().with(name, Attr::Int(value));
            import_node("BatchNormalization", attrs, opset, &[]).unwrap_err().to_string()
        };
        assert!(refused("training_mode", 1, 14).contains("eval mode"));
        assert!(refused("spatial", 0, 7).contains("one statistic per channel"));
        assert!(refused("is_test", 1, 6).contains("before opset 7"));
    }

    #[test]
    fn as_a_factor_and_a_summand_it_is_the_same() {
        let op = BatchNormalization { epsilon: 0.0 };
        let parameters = [[2.0], [0.5], [1.0], [4.0]].map(|p| tensor(&[1], &p));
        let ty = TensorType::new(crate::tensor::DType::F32, Shape::fixed(&[1]));
        let mut slots = vec![Some((&ty, None))];
        slots.extend(parameters.iter().map(|p| Some((&ty, Some(p)))));
        let affine = op.channel_affine(&TypeInputs::new(slots)).unwrap();
        assert_eq!((affine.input, affine.scale, affine.shift), (0, vec![1.0], vec![-0.5]));
    }

    #[test]
    fn parameters_of_another_length_are_an_error() {
        let one = tensor(&[1], &[1.0]);
        let inputs = vec![tensor(&[1, 2], &[1.0, 2.0]), one.clone(), one.clone(), one.clone(), one];
        let error = crate::ops::testing::try_run(&BatchNormalization::default().into(), &inputs);
        assert!(error.unwrap_err().to_string().contains("[2], one per channel"));
    }
}
