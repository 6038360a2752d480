//! Correction of mean and deviation of the weights, output channel by output channel.
//!
//! Banner, Nahshan, Hoffer, Soudry 2019 (arXiv 1810.05723), section 5; docs/numerics.md. Rounding to few
//! bits moves the mean of a channel's weights and shrinks or stretches them. With `μ` the mean over a
//! channel's weights and hats for the rounded ones,
//!
//! ```text
//! ξ[o] = ‖W[o] − μ(W[o])‖ / ‖Ŵ[o] − μ(Ŵ[o])‖        Ŵ[o] ← ξ[o] · (Ŵ[o] + μ(W[o]) − μ(Ŵ[o]))
//! ```
//!
//! The factor goes into the channel's scale and costs nothing. The sum of a constant and the codes would
//! need a weight's zero point to be no integer; what it does to the mean of the output is put into the
//! bias instead, as in `b[o] += ξ·(μ − μ̂)·Σ E[x]` over the channel's inputs and taps, for inputs whose
//! means are known. (The paper adds it to the weights. What it does beyond the mean is lost here.)
//!
//! The weights that come out lie on their new grid, so that quantizing them gives the codes that the
//! old plan gave. The graph is for [`apply`](crate::quant::apply) with the plan that comes with it, and
//! no longer the network in full precision: what is to be as in full precision is compared with the
//! network before ([`BiasCorrection::against`](super::BiasCorrection::against)).

use super::Gaussian;
use super::bias::planned_layers;
use super::layer::{Edits, Layer};
use crate::ir::NameMap;
use crate::ops::Graph;
use crate::quant::affine::{dequantized, weight_codes};
use crate::quant::{Granularity, QuantError, QuantPlan, TensorQuant};
use crate::tensor::Value;
use serde::{Deserialize, Serialize};

/// What was corrected of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WeightShift {
    /// The layer's name.
    pub layer: String,
    /// Least and greatest `ξ`.
    pub factors: [f64; 2],
    /// Largest `|μ − μ̂|`, in deviations of the channel's weights.
    pub largest_mean: f64,
}

/// A graph whose weights lie on their grids, with the plan of these.
#[derive(Debug, Clone)]
pub struct WeightsCorrected {
    /// The graph.
    pub graph: Graph,
    /// The plan, with other scales.
    pub plan: QuantPlan,
    /// What was corrected, in the order of execution.
    pub layers: Vec<WeightShift>,
}

/// Corrects the weights that a plan quantizes with a scale per output channel and that one layer alone
/// reads, against those of `reference`: the graph itself, or the one that its weights were made from. `inputs` has the channels of what each layer reads, by its name; without them a layer's bias
/// stays.
///
/// # Errors
/// [`QuantError::Graph`], [`QuantError::Pass`] when the graph is not valid, [`QuantError::Tensor`] when
/// the plan is of another one.
pub fn correct_weights(
    [reference, graph]: [&Graph; 2],
    plan: &QuantPlan,
    inputs: &NameMap<Vec<Gaussian>>,
) -> Result<WeightsCorrected, QuantError> {
    let mut edits = Edits::new(graph);
    let originals = Layer::all_named(reference)?;
    let (mut plan, mut layers) = (plan.clone(), Vec::new());
    for (name, layer) in planned_layers(graph, &plan)? {
        let id = graph.node(layer.node).and_then(|n| n.inputs.get(layer.linear.weight).copied().flatten());
        let Some(id) = id.filter(|&id| edits.is_read_once(id)) else { continue };
        let Some(quant) = plan.weights.get_mut(&graph.value(id).name) else { continue };
        let axis = Granularity::PerChannel { axis: layer.linear.channel_axis };
        if quant.spec.granularity != axis || quant.params.scale.len() != layer.channels {
            continue;
        }
        let original =
            originals.get(&name).filter(|original| original.weight.shape() == layer.weight.shape());
        let found = Moments::of(&layer, original.unwrap_or(&layer), quant)?;
        for (scale, factor) in quant.params.scale.iter_mut().zip(found.factors()) {
            *scale = (f64::from(*scale) * factor) as f32;
        }
        let weight = dequantized(&found.codes, quant)?;
        edits.set_weight(&layer, Value::from_vec(layer.weight.shape(), weight)?);
        if let (Some(inputs), Some(_)) = (inputs.get(&name), layer.linear.bias) {
            let means: Vec<f64> = inputs.iter().map(|channel| channel.mean).collect();
            if let Some(bias) = found.bias(&layer, &means)? {
                edits.set_bias(&layer, bias)?;
            }
        }
        layers.push(found.summary(name));
    }
    Ok(WeightsCorrected { graph: edits.finish()?, plan, layers })
}

/// Mean and norm about it of each output channel's weights.
struct Moments {
    codes: Value,
    /// Mean and norm, of the weights and of the rounded ones.
    channels: Vec<[[f64; 2]; 2]>,
    /// Weights of a channel.
    count: f64,
}

impl Moments {
    fn of(layer: &Layer, original: &Layer, quant: &TensorQuant) -> Result<Self, QuantError> {
        let codes = weight_codes(&layer.weight, quant)?;
        let rounded = Value::from_vec(layer.weight.shape(), dequantized(&codes, quant)?)?;
        let rounded = Layer { weight: rounded, ..layer.clone() };
        let count = (layer.weight.len() / layer.channels.max(1)) as f64;
        let (real, rounded) = (mean_and_norm(original, count)?, mean_and_norm(&rounded, count)?);
        let channels = real.into_iter().zip(rounded).map(|(real, rounded)| [real, rounded]).collect();
        Ok(Self { codes, channels, count })
    }

    /// `ξ`; 1 for a channel of which rounding leaves nothing that varies.
    fn factors(&self) -> impl Iterator<Item = f64> {
        self.channels.iter().map(|[[_, real], [_, rounded]]| {
            let factor = real / rounded;
            if factor.is_finite() && factor > 0.0 { factor } else { 1.0 }
        })
    }

    /// The bias with what the mean of the weights adds; `None` where the inputs do not fit the layer.
    fn bias(&self, layer: &Layer, means: &[f64]) -> Result<Option<Vec<f32>>, QuantError> {
        let Some(groups) = layer.groups(means.len()) else { return Ok(None) };
        let mut sums = vec![0.0; layer.channels];
        layer.for_each_block(|row, inner, taps| {
            sums[row] += taps.len() as f64 * means[layer.column(groups, row, inner)];
        })?;
        let shift = |([[real, _], [rounded, _]], factor): (&[[f64; 2]; 2], f64)| factor * (real - rounded);
        let shifts = self.channels.iter().zip(self.factors()).map(shift);
        let bias = layer.bias_or_zero().into_iter().zip(shifts).zip(sums);
        Ok(Some(bias.map(|((b, shift), sum)| (b + shift * sum) as f32).collect()))
    }

    fn summary(&self, layer: String) -> WeightShift {
        let (least, greatest) = self
            .factors()
            .fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), x| (least.min(x), most.max(x)));
        let relative = self
            .channels
            .iter()
            .filter(|[[_, norm], _]| *norm > 0.0)
            .map(|[[real, norm], [rounded, _]]| (real - rounded).abs() / (norm / libm::sqrt(self.count)));
        WeightShift { layer, factors: [least, greatest], largest_mean: relative.fold(0.0, f64::max) }
    }
}

/// For each output channel the mean of its weights and their norm about it.
fn mean_and_norm(layer: &Layer, count: f64) -> Result<Vec<[f64; 2]>, QuantError> {
    let mut found = vec![[0.0; 2]; layer.channels];
    layer.for_each_block(|row, _, taps| {
        found[row][0] += taps.iter().map(|&w| f64::from(w)).sum::<f64>() / count;
    })?;
    layer.for_each_block(|row, _, taps| {
        let mean = found[row][0];
        found[row][1] += taps.iter().map(|&w| (f64::from(w) - mean) * (f64::from(w) - mean)).sum::<f64>();
    })?;
    for channel in &mut found {
        channel[1] = libm::sqrt(channel[1]);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Clamp, Isa};
    use crate::quant::correct::testing::{Net, means, moments, pictures, plan};
    use crate::quant::correct::{BiasCorrection, Correction};

    fn network() -> Graph {
        let mut net = Net::new([1, 4, 6, 6], 41);
        let x = net.conv("a", net.input, [6, 4, 1, 1], 1, Some(Clamp::RELU));
        let x = net.conv("b", x, [6, 1, 3, 3], 6, Some(Clamp::RELU));
        let x = net.conv("c", x, [5, 6, 1, 1], 1, None);
        net.finish(&[x])
    }

    fn layer(graph: &Graph, name: &str) -> Layer {
        Layer::of(graph, graph.nodes().find(|(_, node)| node.name == name).unwrap().0).unwrap()
    }

    #[test]
    fn codes_stay_and_every_channel_gets_its_deviation_back() {
        let graph = network();
        let plan = plan(&graph, &pictures(&graph, 2), [3, 8]);
        let made = correct_weights([&graph, &graph], &plan, &NameMap::new()).unwrap();
        assert_eq!(made.layers.len(), 3);
        assert!(made.layers.iter().any(|layer| layer.factors[0] < 0.97 || layer.factors[1] > 1.03));
        for name in ["a", "b", "c"] {
            let weight = format!("{name}_weight");
            let (before, after) = (layer(&graph, name), layer(&made.graph, name));
            let codes = |layer: &Layer, plan: &QuantPlan| {
                weight_codes(&layer.weight, &plan.weights[&weight]).unwrap().into_vec::<i8>().unwrap()
            };
            assert_eq!(codes(&before, &plan), codes(&after, &made.plan));
            let count = (before.weight.len() / before.channels) as f64;
            let pairs = mean_and_norm(&before, count).unwrap().into_iter();
            for (real, rounded) in pairs.zip(mean_and_norm(&after, count).unwrap()) {
                // The scale is a rounded number, 2⁻²⁴ of it, and so is each weight.
                assert!((rounded[1] / real[1] - 1.0).abs() < 1e-6, "{name}: {rounded:?} for {real:?}");
            }
            assert_eq!(before.bias, after.bias);
        }
    }

    #[test]
    fn the_bias_takes_what_the_mean_of_the_weights_adds() {
        let graph = network();
        let pictures = pictures(&graph, 3);
        let mut plan = plan(&graph, &pictures, [2, 8]);
        plan.activations.clear();
        plan.weights.retain(|name, _| name == "c_weight");
        let inputs = moments(&graph, &pictures).inputs();
        let without = correct_weights([&graph, &graph], &plan, &NameMap::new()).unwrap();
        let with = correct_weights([&graph, &graph], &plan, &inputs).unwrap();
        let found = |made: &WeightsCorrected| {
            means(&crate::quant::apply(&made.graph, &made.plan).unwrap().graph, "c", &pictures)
        };
        let sum: f64 = inputs.get("c").unwrap().iter().map(|channel| channel.mean).sum();
        let before = mean_and_norm(&layer(&graph, "c"), 6.0).unwrap();
        let after = mean_and_norm(&layer(&without.graph, "c"), 6.0).unwrap();
        let scales = |plan: &QuantPlan| plan.weights["c_weight"].params.scale.clone();
        let factors =
            scales(&with.plan).into_iter().zip(scales(&plan)).map(|(new, old)| f64::from(new / old));
        let rows = found(&with).into_iter().zip(found(&without)).zip(factors);
        let mut largest = 0.0_f64;
        for (((with, without), factor), (real, scaled)) in rows.zip(before.into_iter().zip(after)) {
            // The rounded weights have the factor in their scale already.
            let expected = (factor * real[0] - scaled[0]) * sum;
            assert!((with - without - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{with} {without}");
            largest = largest.max(expected.abs());
        }
        assert!(largest > 0.01, "{largest}");
    }

    #[test]
    fn biases_are_corrected_against_the_network_before() {
        let graph = network();
        let pictures = pictures(&graph, 3);
        let plan = plan(&graph, &pictures, [3, 8]);
        let made = correct_weights([&graph, &graph], &plan, &NameMap::new()).unwrap();
        let correction = BiasCorrection::against(&graph, &made.graph, &made.plan, Isa::Portable).unwrap();
        let mut correction = Box::new(correction);
        for picture in &pictures {
            correction.observe(std::slice::from_ref(picture)).unwrap();
        }
        while correction.step().unwrap().is_some() {}
        let corrected = correction.finish().unwrap();
        let quantized = crate::quant::apply(&corrected.graph, &made.plan).unwrap().graph;
        let known = moments(&graph, &pictures);
        for name in ["a", "b", "c"] {
            let input = &graph.value(layer(&graph, name).input).name;
            let unit = f64::from(made.plan.activations[input].params.scale[0]);
            let steps = &made.plan.weights[&format!("{name}_weight")].params.scale;
            let rows = means(&quantized, name, &pictures).into_iter().zip(steps);
            for ((found, step), known) in rows.zip(known.pre_activation(name).unwrap()) {
                // A bias is a multiple of its step; both means are sums in f32 of at most nine terms.
                let bound = unit * f64::from(*step) / 2.0 + 1e-5 * known.std + 1e-6;
                assert!((found - known.mean).abs() <= bound, "{name}: {found} for {known:?}, {bound}");
            }
        }
    }
}
