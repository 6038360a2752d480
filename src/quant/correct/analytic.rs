//! Analytic bias correction: the shift that rounding weights causes, from what is known of the inputs
//! instead of from runs of the quantized network.
//!
//! Nagel et al. 2019 (arXiv 1906.04721), section 4.2.1 and appendix C; docs/numerics.md. With
//! `ε = Ŵ − W` the change of the weights, the mean of a pre-activation moves by `ε · E[x]`. Behind a
//! clamp to `[a, h]` of a Gaussian `N(β, γ²)`, with `A = (a − β)/γ`, `H = (h − β)/γ`, `φ` and `Φ` the
//! density and the distribution of the normal distribution,
//!
//! ```text
//! E[x] = γ·(φ(A) − φ(H)) + β·(Φ(H) − Φ(A)) + a·Φ(A) + h·(1 − Φ(H))
//! b[o] −= Σ_i (Σ_taps ε[o, i]) · E[x_i]
//! ```
//!
//! which for Relu is `γ·φ(β/γ) + β·Φ(β/γ)`. It sees neither the rounding of activations nor padding, and
//! a pre-activation is a Gaussian only roughly; [`BiasCorrection`](super::BiasCorrection) measures. Layers
//! that do not directly follow another one are left alone.

use super::bias::planned_layers;
use super::channel_moments::Gaussian;
use super::equalize::{Relu6, links};
use super::layer::{Edits, Layer};
use crate::ir::NameMap;
use crate::ops::{Clamp, Graph};
use crate::quant::affine::{dequantized, weight_codes};
use crate::quant::{QuantError, QuantPlan};
use crate::tensor::Value;

/// The mean of a Gaussian that is limited to a range; either end may be infinite.
pub fn clamped_mean(channel: Gaussian, clamp: Clamp) -> f64 {
    let Gaussian { mean, std } = channel;
    let (low, high) = (f64::from(clamp.min), f64::from(clamp.max));
    if std <= 0.0 {
        return mean.max(low).min(high);
    }
    let (from, to) = ((low - mean) / std, (high - mean) / std);
    // An end that is never reached adds nothing, and infinity times nothing is no number.
    let end = |end: f64, probability: f64| if end.is_finite() { end * probability } else { 0.0 };
    std * (density(from) - density(to))
        + mean * (below(to) - below(from))
        + end(low, below(from))
        + end(high, below(-to))
}

/// `φ`.
fn density(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / libm::sqrt(2.0 * std::f64::consts::PI)
}

/// `Φ`.
fn below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// A graph with corrected biases, for quantizing with the same plan, and the names of the layers that
/// were corrected. `reference` has the weights that were not rounded: the graph itself, or the one that its
/// weights were made from. `pre_activations` has the channels of each layer of it, by its name.
///
/// # Errors
/// [`QuantError::Graph`], [`QuantError::Pass`] when the graph is not valid, [`QuantError::Tensor`] when
/// the plan is of another one.
pub fn correct_biases(
    [reference, graph]: [&Graph; 2],
    plan: &QuantPlan,
    pre_activations: &NameMap<Vec<Gaussian>>,
) -> Result<(Graph, Vec<String>), QuantError> {
    let originals = Layer::all_named(reference)?;
    let layers = Layer::all(graph)?;
    let planned = planned_layers(graph, plan)?;
    let mut edits = Edits::new(graph);
    let mut corrected = Vec::new();
    // With limits left as they are a link is any value that one layer makes and another reads.
    for link in links(graph, &layers, Relu6::PerChannelClip).into_iter().filter(|link| link.is_direct) {
        let (maker, reader) = (&layers[link.from], &layers[link.to]);
        let Some(node) = graph.node(maker.node) else { continue };
        let name = planned.iter().find(|(_, layer)| layer.node == reader.node).map(|(name, _)| name);
        let known = pre_activations.get(&node.name).filter(|known| known.len() == maker.channels);
        let (Some(name), Some(known)) = (name, known) else { continue };
        let free = Clamp { min: f32::NEG_INFINITY, max: f32::INFINITY };
        let clamp = node.op.without_clamp().map_or(free, |(_, clamp)| clamp);
        let means: Vec<f64> = known.iter().map(|&channel| clamped_mean(channel, clamp)).collect();
        let original =
            originals.get(name).filter(|original| original.weight.shape() == reader.weight.shape());
        let pair = [original.unwrap_or(reader), reader];
        let Some(shift) = shift(graph, plan, pair, &means)? else { continue };
        if reader.linear.bias.is_none() || shift.iter().any(|v| !v.is_finite()) {
            continue;
        }
        let bias = reader.bias_or_zero().into_iter().zip(shift).map(|(b, shift)| (b - shift) as f32);
        edits.set_bias(reader, bias.collect())?;
        corrected.push(name.clone());
    }
    Ok((edits.finish()?, corrected))
}

/// What rounding the weights adds to each channel's mean, given the means of the input's channels.
fn shift(
    graph: &Graph,
    plan: &QuantPlan,
    [original, layer]: [&Layer; 2],
    means: &[f64],
) -> Result<Option<Vec<f64>>, QuantError> {
    let id = graph.node(layer.node).and_then(|node| node.inputs.get(layer.linear.weight).copied().flatten());
    let quant = id.and_then(|id| plan.weights.get(&graph.value(id).name));
    let (Some(quant), Some(groups)) = (quant, layer.groups(means.len())) else { return Ok(None) };
    let rounded = dequantized(&weight_codes(&layer.weight, quant)?, quant)?;
    let rounded = Layer { weight: Value::from_vec(layer.weight.shape(), rounded)?, ..layer.clone() };
    let mut shift = vec![0.0; layer.channels];
    for (of, sign) in [(&rounded, 1.0), (original, -1.0)] {
        of.for_each_block(|row, inner, taps| {
            let sum: f64 = taps.iter().map(|&w| f64::from(w)).sum();
            shift[row] += sign * sum * means[of.column(groups, row, inner)];
        })?;
    }
    Ok(Some(shift))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::correct::testing::{Net, means, moments, pictures, plan};

    /// By the trapezoidal rule.
    fn integrated(channel: Gaussian, clamp: Clamp) -> f64 {
        let step = 1e-3;
        let each = (-9000..=9000).map(|i| {
            let x = f64::from(i) * step;
            let y = (channel.mean + channel.std * x).max(f64::from(clamp.min)).min(f64::from(clamp.max));
            y * density(x) * step
        });
        each.sum()
    }

    #[test]
    fn the_mean_of_a_clamped_gaussian_is_its_integral() {
        let limits = [(0.0, f32::INFINITY), (0.0, 6.0), (-1.0, 2.0), (f32::NEG_INFINITY, 0.5)];
        for (min, max) in limits {
            for (mean, std) in [(0.0, 1.0), (-2.0, 0.5), (3.0, 4.0), (0.3, 1e-3), (7.0, 1.0)] {
                let (channel, clamp) = (Gaussian { mean, std }, Clamp { min, max });
                let (found, expected) = (clamped_mean(channel, clamp), integrated(channel, clamp));
                assert!((found - expected).abs() < 1e-5, "{channel:?} {clamp:?}: {found}, not {expected}");
            }
        }
        let fixed = Gaussian { mean: 7.0, std: 0.0 };
        assert_eq!(clamped_mean(fixed, Clamp { min: 0.0, max: 6.0 }), 6.0);
        let free = Clamp { min: f32::NEG_INFINITY, max: f32::INFINITY };
        assert!((clamped_mean(Gaussian { mean: -3.0, std: 2.0 }, free) + 3.0).abs() < 1e-12);
    }

    #[test]
    fn most_of_the_shift_by_coarse_weights_is_foreseen() {
        let mut net = Net::new([1, 8, 8, 8], 12);
        let x = net.conv("a", net.input, [12, 8, 1, 1], 1, Some(Clamp { min: 0.0, max: 2.0 }));
        let x = net.conv("b", x, [12, 6, 1, 1], 2, Some(Clamp::RELU));
        let x = net.conv("c", x, [6, 12, 1, 1], 1, None);
        let graph = net.finish(&[x]);
        let pictures = pictures(&graph, 4);
        let mut plan = plan(&graph, &pictures, [3, 8]);
        plan.activations.clear();
        // Only the last layer is rounded, so that what it reads is what was measured.
        plan.weights.retain(|name, _| name == "c_weight");
        let known = moments(&graph, &pictures);
        let (made, layers) = correct_biases([&graph, &graph], &plan, &known.pre_activations()).unwrap();
        assert_eq!(layers, ["c"]);
        let shift = |graph: &Graph| {
            let found = means(&crate::quant::apply(graph, &plan).unwrap().graph, "c", &pictures);
            let known = known.pre_activation("c").unwrap();
            found.iter().zip(known).map(|(found, known)| (found - known.mean).abs()).sum::<f64>()
        };
        let (before, after) = (shift(&graph), shift(&made));
        assert!(before > 0.0 && after < 0.5 * before, "{before} to {after}");
        // With the means that the inputs really have, and no padding, all of it is.
        let inputs = known.inputs();
        let real: Vec<f64> = inputs.get("c").unwrap().iter().map(|channel| channel.mean).collect();
        let id = graph.nodes().find(|(_, node)| node.name == "c").unwrap().0;
        let layer = Layer::of(&graph, id).unwrap();
        let foreseen = super::shift(&graph, &plan, [&layer, &layer], &real).unwrap().unwrap();
        let found = means(&crate::quant::apply(&graph, &plan).unwrap().graph, "c", &pictures);
        for ((found, foreseen), known) in found.iter().zip(foreseen).zip(known.pre_activation("c").unwrap()) {
            assert!((found - known.mean - foreseen).abs() < 1e-5 * (1.0 + known.std));
        }
    }
}
