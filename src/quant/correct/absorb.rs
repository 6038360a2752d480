//! High-bias absorption: what a channel always has is moved from a layer's bias into the next layer's.
//!
//! Nagel et al. 2019 (arXiv 1906.04721), section 4.1.3; docs/numerics.md. Equalization can leave
//! channels with large biases, which widen the range of their tensor although they hardly ever come
//! near zero. Behind a Relu, with pre-activations of mean `μ` and deviation `σ`,
//!
//! ```text
//! c = max(0, μ − 3σ)        b1 −= c        b2[o] += Σ W2[o, c, …] · c
//! ```
//!
//! changes the function only where a pre-activation is below `c`, one in 741 if it is Gaussian. The sum
//! runs over all taps: at the border of a padded picture, where some taps see zeros, the second layer
//! gets more than it lost. That is the paper's rule, and its price is measured and not bounded here.
//!
//! The moments are those of the graph that is given (equalize first), measured ([`ChannelMoments`]) or
//! from BatchNormalization.
//!
//! [`ChannelMoments`]: super::ChannelMoments

use super::Gaussian;
use super::equalize::{Relu6, links};
use super::layer::{Edits, Layer};
use crate::ir::NameMap;
use crate::ops::{Clamp, Graph};
use crate::quant::QuantError;
use serde::{Deserialize, Serialize};

/// Deviations below the mean where absorbing begins.
const DEVIATIONS: f64 = 3.0;

/// What absorption did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbsorbReport {
    /// Pairs of layers between which something was moved.
    pub pairs: usize,
    /// Channels of which something was moved.
    pub channels: usize,
    /// The most that was moved.
    pub largest: f64,
}

/// A graph with absorbed biases.
#[derive(Debug, Clone)]
pub struct Absorbed {
    /// The graph.
    pub graph: Graph,
    /// What was done.
    pub report: AbsorbReport,
}

/// Moves high biases of layers with a Relu into the layers that directly follow. `pre_activations` has
/// the channels of each layer, by its name; a layer without them stays.
///
/// # Errors
/// [`QuantError::Graph`], [`QuantError::Pass`] when the graph is not valid.
pub fn absorb(graph: &Graph, pre_activations: &NameMap<Vec<Gaussian>>) -> Result<Absorbed, QuantError> {
    let layers = Layer::all(graph)?;
    let mut biases: Vec<Option<Vec<f64>>> = vec![None; layers.len()];
    let mut report = AbsorbReport::default();
    for link in links(graph, &layers, Relu6::Keep).into_iter().filter(|link| link.is_direct) {
        let (maker, reader) = (&layers[link.from], &layers[link.to]);
        let Some(node) = graph.node(maker.node) else { continue };
        let is_relu = node.op.without_clamp().is_some_and(|(_, clamp)| clamp == Clamp::RELU);
        let channels = pre_activations.get(&node.name).filter(|found| found.len() == maker.channels);
        let (true, Some(channels), Some(groups)) = (is_relu, channels, reader.groups(maker.channels)) else {
            continue;
        };
        let moved: Vec<f64> = channels.iter().map(constant_part).collect();
        let count = moved.iter().filter(|&&c| c > 0.0).count();
        if count == 0 || maker.linear.bias.is_none() || reader.linear.bias.is_none() {
            continue;
        }
        let own = biases[link.from].get_or_insert_with(|| maker.bias_or_zero());
        own.iter_mut().zip(&moved).for_each(|(b, c)| *b -= c);
        let next = biases[link.to].get_or_insert_with(|| reader.bias_or_zero());
        reader.for_each_block(|row, inner, taps| {
            let sum: f64 = taps.iter().map(|&w| f64::from(w)).sum();
            next[row] += sum * moved[reader.column(groups, row, inner)];
        })?;
        report.pairs += 1;
        report.channels += count;
        report.largest = moved.iter().fold(report.largest, |m, &c| m.max(c));
    }
    let mut edits = Edits::new(graph);
    for (layer, bias) in layers.iter().zip(biases) {
        if let Some(bias) = bias {
            edits.set_bias(layer, bias.into_iter().map(|b| b as f32).collect())?;
        }
    }
    Ok(Absorbed { graph: edits.finish()?, report })
}

/// What a channel hardly ever falls below; 0 where that is nothing, or not known.
fn constant_part(channel: &Gaussian) -> f64 {
    let c = channel.mean - DEVIATIONS * channel.std;
    if c.is_finite() { c.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::correct::testing::{Net, means, moments, pictures, relative_difference};

    /// Two layers with a Relu in between, the second in groups.
    fn network(clamp: Clamp) -> Graph {
        let mut net = Net::new([1, 3, 8, 8], 21);
        net.lift = 8.0;
        let x = net.conv("a", net.input, [6, 3, 1, 1], 1, Some(clamp));
        let x = net.conv("b", x, [4, 3, 1, 1], 2, None);
        net.finish(&[x])
    }

    #[test]
    fn what_a_channel_always_has_moves_to_the_next_layer() {
        let graph = network(Clamp::RELU);
        let pictures = pictures(&graph, 4);
        let known = moments(&graph, &pictures);
        let made = absorb(&graph, &known.pre_activations()).unwrap();
        assert!(made.report.pairs == 1 && made.report.channels >= 2, "{:?}", made.report);
        // A sum of three terms, each evenly spread, is never three deviations from its mean, so
        // nothing but rounding changes.
        assert!(relative_difference(&graph, &made.graph) < 1e-5);
        let constant = known.pre_activation("a").unwrap().iter().map(constant_part).collect::<Vec<_>>();
        let (before, after) = (means(&graph, "a", &pictures), means(&made.graph, "a", &pictures));
        for (channel, c) in constant.into_iter().enumerate() {
            assert!((before[channel] - after[channel] - c).abs() < 1e-5);
        }
    }

    #[test]
    fn nothing_moves_through_an_upper_limit_or_without_moments() {
        let limited = network(Clamp { min: 0.0, max: 6.0 });
        let known = moments(&limited, &pictures(&limited, 2)).pre_activations();
        assert_eq!(absorb(&limited, &known).unwrap().report, AbsorbReport::default());
        let graph = network(Clamp::RELU);
        assert_eq!(absorb(&graph, &NameMap::new()).unwrap().report, AbsorbReport::default());
    }
}
