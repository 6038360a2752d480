//! Fitted layers: each channel of a quantized layer gets the factor and the shift with which it comes
//! nearest to full precision.
//!
//! With `z[o]` the pre-activation of a layer in full precision and `ẑ[o]` the same of the quantized
//! network, in which all layers before are quantized and fitted already, over pictures and places:
//!
//! ```text
//! deviations      a = σ(z) / σ(ẑ)                  c = mean(z) − a·mean(ẑ)
//! least squares   a = cov(z, ẑ) / σ²(ẑ)            c = mean(z) − a·mean(ẑ)
//! ẑ[o] ← a·ẑ[o] + c                                 scale of the weights · a      bias · a + c
//! ```
//!
//! The first is what tuning the statistics of BatchNormalization anew does (Hubara et al. 2020, arXiv
//! 2006.10518, section 3.5), the second the compensation of Fu et al. 2024 (arXiv 2411.13918, section 3.2)
//! with one number per channel in place of a matrix, which costs nothing when the network runs;
//! docs/numerics.md. Codes of weights stay what they are. Where a weight has no scale of its own for each
//! channel, or serves several layers, only the shift is fitted, which is empirical bias correction.
//!
//! Both networks are walked side by side. `correct::walk` says what that holds in memory.

use super::bias::{planned_layers, with_biases};
use super::channel_moments::without_clamps;
use super::layer::{Edits, Layer};
use super::part::Part;
use super::walk::{Walk, Walked};
use super::{Corrected, Correction, LayerShift};
use crate::ir::NameMap;
use crate::ops::{Graph, Isa};
use crate::quant::affine::{dequantized, weight_codes};
use crate::quant::{Granularity, QuantError, QuantPlan, TensorQuant};
use crate::tensor::Value;

/// No channel is stretched or shrunk by more than this: beyond, it is a channel of which nothing is left.
const MOST: f64 = 2.0;

/// What a factor is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The deviation of full precision.
    Deviations,
    /// The least squared difference.
    LeastSquares,
}

/// Fitting, as work in steps.
#[derive(Debug)]
pub struct LayerFit {
    fit: Fit,
    /// What is fitted, with a bias in every layer.
    full: Graph,
    plan: QuantPlan,
    /// Layers whose weights can have other scales.
    scalable: Vec<String>,
    /// Full precision and the quantized network.
    walks: [Walk; 2],
    /// The layer that is next, by itself, of either.
    alone: Option<[Part; 2]>,
    sums: PairSums,
    /// Factors of the weights' scales, where these were fitted, and biases.
    fitted: NameMap<(Option<Vec<f64>>, Vec<f32>)>,
    shifts: Vec<LayerShift>,
}

impl LayerFit {
    /// Fits a graph for a plan; `reference` is what it is fitted to, the graph itself or the one that its
    /// weights were made from. Take [`Isa::reproducible`] for files that are the same everywhere.
    ///
    /// # Errors
    /// [`QuantError::Graph`], [`QuantError::Pass`], [`QuantError::Tensor`] when the plan is of another
    /// graph.
    pub fn new(
        [reference, graph]: [&Graph; 2],
        plan: &QuantPlan,
        fit: Fit,
        isa: Isa,
    ) -> Result<Self, QuantError> {
        let full = with_biases(graph, plan)?;
        let quantized = without_clamps(&crate::quant::apply(&full, plan)?.graph)?;
        let planned = planned_layers(&full, plan)?;
        let names: Vec<String> = planned.iter().map(|(name, _)| name.clone()).collect();
        let edits = Edits::new(&full);
        let is_scalable = |layer: &Layer| {
            quant_of(&full, layer, plan).is_some_and(|(id, quant)| {
                let axis = Granularity::PerChannel { axis: layer.linear.channel_axis };
                edits.is_read_once(id)
                    && quant.spec.granularity == axis
                    && !quant.spec.power_of_two
                    && quant.params.scale.len() == layer.channels
            })
        };
        let scalable = planned.iter().filter(|(_, layer)| is_scalable(layer)).map(|(name, _)| name.clone());
        let scalable = scalable.collect();
        let walks = [Walk::new(without_clamps(reference)?, &names, isa)?, Walk::new(quantized, &names, isa)?];
        let (plan, fitted) = (plan.clone(), NameMap::new());
        let (sums, shifts) = (PairSums::default(), Vec::new());
        let mut made = Self { fit, full, plan, scalable, walks, alone: None, sums, fitted, shifts };
        made.open()?;
        Ok(made)
    }

    /// Makes the layer that is next ready.
    fn open(&mut self) -> Result<(), QuantError> {
        self.sums = PairSums::default();
        self.alone = match [self.walks[0].layer_alone()?, self.walks[1].layer_alone()?] {
            [Some(full), Some(quantized)] => Some([full, quantized]),
            _ => None,
        };
        Ok(())
    }

    /// Takes one more picture of either network to the layer.
    fn pass(&mut self) -> Result<(), QuantError> {
        let read = [self.walks[0].pass()?, self.walks[1].pass()?];
        let (Some([full, quantized]), [Some(x), Some(y)]) = (&self.alone, read) else { return Ok(()) };
        if let ([z], [rounded]) = (full.run(&[x])?.as_slice(), quantized.run(&[y])?.as_slice()) {
            self.sums.add(z, rounded)?;
        }
        Ok(())
    }

    /// Fits the layer that the pictures have reached.
    fn fit_layer(&mut self) -> Result<(), QuantError> {
        let Some(name) = self.walks[1].layer().map(str::to_owned) else { return Ok(()) };
        let is_scalable = self.scalable.contains(&name);
        let channels = self.sums.channels();
        let factors: Option<Vec<f64>> =
            is_scalable.then(|| channels.iter().map(|channel| channel.factor(self.fit)).collect());
        let factor = |at: usize| factors.as_ref().map_or(1.0, |factors| factors[at]);
        let shift = channels.iter().enumerate().map(|(at, of)| factor(at) * of.means[1] - of.means[0]);
        let shift: Vec<f64> = shift.collect();
        if let Some(&got) = shift.iter().find(|v| !v.is_finite()) {
            return Err(QuantError::NotFinite { value: name, got: got as f32 });
        }
        if let Some(bias) = self.walks[1].refit(factors.as_deref(), &shift)? {
            let moved = channels.iter().map(|channel| channel.means[1] - channel.means[0]);
            let deviations = channels.iter().map(|channel| channel.variances[0].sqrt());
            self.shifts.push(LayerShift::of(name.clone(), moved.zip(deviations)));
            self.fitted.insert(&name, (factors, bias));
        }
        Ok(())
    }
}

impl Correction for LayerFit {
    fn observe(&mut self, inputs: &[Value]) -> Result<(), QuantError> {
        if self.walks[0].has_advanced() {
            return Err(QuantError::LatePicture);
        }
        self.walks.iter_mut().for_each(|walk| walk.add(inputs));
        self.pass()
    }

    fn step(&mut self) -> Result<Option<Walked>, QuantError> {
        if self.walks[1].is_done() {
            return Ok(None);
        }
        if self.walks[1].all_arrived() {
            if self.walks[1].is_empty() {
                return Err(QuantError::NoCalibration);
            }
            self.fit_layer()?;
            self.walks.iter_mut().try_for_each(Walk::advance)?;
            self.open()?;
        } else {
            self.pass()?;
        }
        Ok(Some(self.walks[1].progress()))
    }

    fn finish(self: Box<Self>) -> Result<Corrected, QuantError> {
        let mut edits = Edits::new(&self.full);
        let mut plan = self.plan.clone();
        for (name, layer) in planned_layers(&self.full, &self.plan)? {
            let Some((factors, bias)) = self.fitted.get(&name) else { continue };
            edits.set_bias(&layer, bias.clone())?;
            let Some((id, quant)) = quant_of(&self.full, &layer, &self.plan) else { continue };
            if let Some(factors) = factors {
                let codes = weight_codes(&layer.weight, quant)?;
                let mut quant = quant.clone();
                for (scale, factor) in quant.params.scale.iter_mut().zip(factors) {
                    *scale = (f64::from(*scale) * factor) as f32;
                }
                let weight = dequantized(&codes, &quant)?;
                edits.set_weight(&layer, Value::from_vec(layer.weight.shape(), weight)?);
                plan.weights.insert(self.full.value(id).name.clone(), quant);
            }
        }
        Ok(Corrected { graph: edits.finish()?, plan, layers: self.shifts })
    }
}

/// A layer's weight, and how the plan quantizes it.
fn quant_of<'a>(
    graph: &Graph,
    layer: &Layer,
    plan: &'a QuantPlan,
) -> Option<(crate::ir::ValueId, &'a TensorQuant)> {
    let id = graph.node(layer.node)?.inputs.get(layer.linear.weight).copied().flatten()?;
    Some((id, plan.weights.get(&graph.value(id).name)?))
}

/// What two networks make of one channel: full precision first.
struct Channel {
    means: [f64; 2],
    variances: [f64; 2],
    covariance: f64,
}

impl Channel {
    /// 1 where one of the two does not vary, or they have nothing in common.
    fn factor(&self, fit: Fit) -> f64 {
        let factor = match fit {
            Fit::Deviations => libm::sqrt(self.variances[0] / self.variances[1]),
            Fit::LeastSquares => self.covariance / self.variances[1],
        };
        if factor.is_finite() && factor > 0.0 { factor.clamp(1.0 / MOST, MOST) } else { 1.0 }
    }
}

/// Sums over pairs of numbers, channel by channel.
#[derive(Debug, Default)]
struct PairSums {
    places: u64,
    /// For each channel `Σ z`, `Σ ẑ`, `Σ z²`, `Σ ẑ²`, `Σ z·ẑ`.
    sums: Vec<[f64; 5]>,
}

impl PairSums {
    /// Of tensors of one shape with their channels on axis 1.
    fn add(&mut self, z: &Value, rounded: &Value) -> Result<(), QuantError> {
        let &[batch, channels, ref rest @ ..] = z.shape() else { return Ok(()) };
        if z.shape() != rounded.shape() {
            return Ok(());
        }
        let inner: usize = rest.iter().product();
        self.places += (batch * inner) as u64;
        self.sums.resize(channels.max(self.sums.len()), [0.0; 5]);
        let planes = z.as_slice::<f32>()?.chunks_exact(inner.max(1));
        for (at, (z, rounded)) in
            planes.zip(rounded.as_slice::<f32>()?.chunks_exact(inner.max(1))).enumerate()
        {
            let mut own = [0.0; 5];
            for (&z, &rounded) in z.iter().zip(rounded) {
                let (z, rounded) = (f64::from(z), f64::from(rounded));
                let terms = [z, rounded, z * z, rounded * rounded, z * rounded];
                own.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
            }
            self.sums[at % channels].iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        Ok(())
    }

    fn channels(&self) -> Vec<Channel> {
        let count = self.places.max(1) as f64;
        let of = |sums: &[f64; 5]| {
            let [z, rounded, square, rounded_square, product] = sums.map(|sum| sum / count);
            Channel {
                means: [z, rounded],
                variances: [(square - z * z).max(0.0), (rounded_square - rounded * rounded).max(0.0)],
                covariance: product - z * rounded,
            }
        };
        self.sums.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Add, Clamp};
    use crate::quant::correct::testing::{Net, outputs_on, pictures, plan};
    use crate::quant::{Granularity, QuantParams};

    /// Two branches and a sum: layers between which no order is given by what they read.
    fn network() -> Graph {
        let mut net = Net::new([1, 4, 8, 8], 51);
        let a = net.conv("a", net.input, [6, 4, 3, 3], 1, Some(Clamp::RELU));
        let b = net.conv("b", a, [6, 1, 3, 3], 6, Some(Clamp::RELU));
        let c = net.conv("c", b, [6, 6, 1, 1], 1, None);
        let d = net.conv("d", a, [6, 6, 1, 1], 1, None);
        let sum = net.op("sum", Add::default().into(), &[c, d]);
        let e = net.conv("e", sum, [5, 6, 1, 1], 1, None);
        net.finish(&[e])
    }

    fn fitted(graph: &Graph, plan: &QuantPlan, fit: Fit, pictures: &[Value]) -> Corrected {
        let mut work = Box::new(LayerFit::new([graph, graph], plan, fit, Isa::Portable).unwrap());
        for picture in pictures {
            work.observe(std::slice::from_ref(picture)).unwrap();
        }
        while let Some(at) = work.step().unwrap() {
            assert!(at.done <= at.total);
        }
        work.finish().unwrap()
    }

    /// Each channel of a layer's pre-activation, in full precision and quantized.
    fn channels(full: &Graph, made: &Corrected, layer: &str, pictures: &[Value]) -> Vec<Channel> {
        let quantized = crate::quant::apply(&made.graph, &made.plan).unwrap().graph;
        let mut sums = PairSums::default();
        let [full, quantized] = [full, &quantized].map(|graph| outputs_on(graph, layer, pictures));
        full.iter().zip(&quantized).for_each(|(z, rounded)| sums.add(z, rounded).unwrap());
        sums.channels()
    }

    const LAYERS: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn unfitted(graph: &Graph, plan: &QuantPlan) -> Corrected {
        Corrected { graph: graph.clone(), plan: plan.clone(), layers: Vec::new() }
    }

    #[test]
    fn means_and_deviations_are_those_of_full_precision() {
        let graph = network();
        let pictures = pictures(&graph, 5);
        // Activations in full precision: codes of biases would be right to half a step only.
        let mut plan = plan(&graph, &pictures, [3, 8]);
        plan.activations.clear();
        let made = fitted(&graph, &plan, Fit::Deviations, &pictures);
        assert_eq!(made.layers.len(), LAYERS.len());
        for layer in LAYERS {
            let before = channels(&graph, &unfitted(&graph, &plan), layer, &pictures);
            let ratio = |channel: &Channel| (channel.variances[1] / channel.variances[0]).sqrt();
            assert!(before.iter().any(|channel| (ratio(channel) - 1.0).abs() > 0.01), "{layer}");
            for channel in channels(&graph, &made, layer, &pictures) {
                let deviation = channel.variances[0].sqrt();
                assert!((ratio(&channel) - 1.0).abs() < 1e-4, "{layer}: {}", ratio(&channel));
                assert!((channel.means[1] - channel.means[0]).abs() < 1e-4 * deviation, "{layer}");
            }
        }
    }

    #[test]
    fn no_factor_and_shift_bring_a_fitted_layer_nearer() {
        let graph = network();
        let pictures = pictures(&graph, 5);
        for bits in [[3, 8], [4, 4]] {
            let plan = plan(&graph, &pictures, bits);
            let made = fitted(&graph, &plan, Fit::LeastSquares, &pictures);
            let error = |channels: &[Channel]| {
                let squares = channels.iter().map(|of| {
                    let shift = of.means[1] - of.means[0];
                    of.variances[0] + of.variances[1] - 2.0 * of.covariance + shift * shift
                });
                squares.sum::<f64>()
            };
            let before = channels(&graph, &unfitted(&graph, &plan), "e", &pictures);
            let after = channels(&graph, &made, "e", &pictures);
            assert!(error(&after) < 0.9 * error(&before), "{bits:?}: {} {}", error(&after), error(&before));
            // What is left to gain is what codes of biases are rounded by.
            let mut best = 0.0;
            for of in &after {
                best += of.variances[0] - of.covariance * of.covariance / of.variances[1];
                assert!((of.factor(Fit::LeastSquares) - 1.0).abs() < 1e-3, "{bits:?}");
            }
            assert!(error(&after) < 1.001 * best, "{bits:?}: {} of {best}", error(&after));
        }
    }

    #[test]
    fn codes_of_weights_stay() {
        let graph = network();
        let pictures = pictures(&graph, 3);
        let plan = plan(&graph, &pictures, [4, 8]);
        let made = fitted(&graph, &plan, Fit::LeastSquares, &pictures);
        assert_ne!(made.plan, plan);
        for ((name, before), (_, after)) in
            planned_layers(&graph, &plan).unwrap().iter().zip(planned_layers(&made.graph, &plan).unwrap())
        {
            let weight = format!("{name}_weight");
            let codes = |layer: &Layer, plan: &QuantPlan| {
                weight_codes(&layer.weight, &plan.weights[&weight]).unwrap().into_vec::<i8>().unwrap()
            };
            assert_eq!(codes(before, &plan), codes(&after, &made.plan), "{name}");
        }
    }

    #[test]
    fn one_scale_for_all_channels_stays() {
        let graph = network();
        let pictures = pictures(&graph, 3);
        let mut plan = plan(&graph, &pictures, [6, 8]);
        for quant in plan.weights.values_mut() {
            quant.spec.granularity = Granularity::PerTensor;
            let largest = quant.params.scale.iter().copied().fold(0.0, f32::max);
            quant.params = QuantParams { scale: vec![largest], zero_point: vec![0] };
        }
        let made = fitted(&graph, &plan, Fit::Deviations, &pictures);
        assert_eq!((&made.plan, made.layers.len()), (&plan, LAYERS.len()));
    }

    #[test]
    fn without_a_picture_there_is_nothing_to_fit() {
        let graph = network();
        let plan = plan(&graph, &pictures(&graph, 1), [8, 8]);
        let mut work = LayerFit::new([&graph, &graph], &plan, Fit::LeastSquares, Isa::Portable).unwrap();
        assert_eq!(work.step().unwrap_err(), QuantError::NoCalibration);
    }
}
