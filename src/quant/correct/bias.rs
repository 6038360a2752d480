//! Empirical bias correction: what quantizing moves the mean of a channel by is taken from its bias.
//!
//! Nagel et al. 2019 (arXiv 1906.04721), section 4.2, with the expectation measured (appendix D);
//! docs/numerics.md. With `z[o]` the pre-activation of a layer in full precision and `ẑ[o]` the same of
//! the quantized network, in which all layers before are quantized and corrected already,
//!
//! ```text
//! b[o] −= mean(ẑ[o] − z[o])        over pictures and places
//! ```
//!
//! layer by layer in the order of execution.
//!
//! **One walk.** Both networks are walked once. Full precision runs as the pictures come
//! ([`BiasCorrection::observe`]), and only its channels' means are kept. The quantized network then goes
//! layer by layer through all pictures ([`BiasCorrection::step`]). A layer's sums are linear, so the
//! mean of `ẑ` over the pictures is what the layer makes of the mean of its inputs: one run on a mean
//! picture finds the correction, and no picture has to pass a layer twice.
//!
//! **What is corrected** is the definition, in float. The result is the full-precision graph with other
//! biases, for [`apply`](crate::quant::apply) with the same plan: there they become codes of step
//! `s = s_x·s_w[o]`, so the mean of a channel is right to `s / 2`, and later layers are corrected with
//! the codes of earlier ones in place.

use super::channel_moments::{ChannelMoments, ChannelSums, ChannelWatch, without_clamps};
use super::layer::{Edits, Layer};
use super::walk::{Walk, Walked};
use super::{Corrected, Correction};
use crate::ir::NameMap;
use crate::ops::{Graph, Isa};
use crate::passes::type_inputs;
use crate::quant::{QuantError, QuantPlan};
use crate::tensor::Value;
use serde::{Deserialize, Serialize};

/// What was found of one layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerShift {
    /// The layer's name.
    pub layer: String,
    /// Largest |shift| of a channel's mean, in standard deviations of the channel in full precision;
    /// of the channels that vary.
    pub largest: f64,
    /// The same, mean over these channels.
    pub mean: f64,
}

impl LayerShift {
    /// Of shifts and deviations of the channels.
    pub(super) fn of(layer: String, channels: impl Iterator<Item = (f64, f64)>) -> Self {
        let varies = channels.filter(|(_, deviation)| *deviation > 0.0);
        let relative: Vec<f64> = varies.map(|(shift, deviation)| shift.abs() / deviation).collect();
        let largest = relative.iter().copied().fold(0.0, f64::max);
        Self { layer, largest, mean: relative.iter().sum::<f64>() / relative.len().max(1) as f64 }
    }
}

/// Empirical bias correction, as work in steps.
#[derive(Debug)]
pub struct BiasCorrection {
    plan: QuantPlan,
    /// What is corrected, with a bias in every layer.
    full: Graph,
    watch: ChannelWatch,
    moments: ChannelMoments,
    walk: Walk,
    /// What the layer that is next reads, over the pictures that have reached it.
    mean: MeanInput,
    corrected: NameMap<Vec<f32>>,
    shifts: Vec<LayerShift>,
}

impl BiasCorrection {
    /// Corrects a graph for a plan. Take [`Isa::reproducible`] for files that are the same everywhere.
    ///
    /// # Errors
    /// [`QuantError::Graph`], [`QuantError::Pass`], [`QuantError::Tensor`] when the plan is of another
    /// graph.
    pub fn new(graph: &Graph, plan: &QuantPlan, isa: Isa) -> Result<Self, QuantError> {
        Self::against(graph, graph, plan, isa)
    }

    /// Corrects a graph whose weights were changed for the plan ([`weight_moments`](super::weight_moments)),
    /// against the one that they were made from. Layers are matched by name.
    ///
    /// # Errors
    /// As [`BiasCorrection::new`].
    pub fn against(reference: &Graph, graph: &Graph, plan: &QuantPlan, isa: Isa) -> Result<Self, QuantError> {
        let full = with_biases(graph, plan)?;
        let watch = ChannelWatch::new(reference, isa)?;
        let quantized = without_clamps(&crate::quant::apply(&full, plan)?.graph)?;
        let names: Vec<String> = planned_layers(&full, plan)?.into_iter().map(|(name, _)| name).collect();
        let walk = Walk::new(quantized, &names, isa)?;
        let (moments, corrected) = (watch.moments(), NameMap::new());
        let (mean, shifts) = (MeanInput::default(), Vec::new());
        Ok(Self { plan: plan.clone(), full, watch, moments, walk, mean, corrected, shifts })
    }

    /// Takes one more picture to the layer that is next.
    fn pass(&mut self) -> Result<(), QuantError> {
        self.walk.pass()?.map_or(Ok(()), |data| self.mean.add(&data))
    }

    /// Takes the shift of the layer that the pictures have reached from its bias.
    fn correct(&mut self) -> Result<(), QuantError> {
        let Some(name) = self.walk.layer().map(str::to_owned) else { return Ok(()) };
        let found = self.channel_means()?;
        let known = self.moments.pre_activation(&name);
        let Some(known) = known.filter(|known| known.len() == found.len()) else { return Ok(()) };
        let shift: Vec<f64> = found.iter().zip(&known).map(|(found, known)| found - known.mean).collect();
        if let Some(&got) = shift.iter().find(|v| !v.is_finite()) {
            return Err(QuantError::NotFinite { value: name, got: got as f32 });
        }
        if let Some(bias) = self.walk.refit(None, &shift)? {
            self.corrected.insert(&name, bias);
            let deviations = known.iter().map(|known| known.std);
            self.shifts.push(LayerShift::of(name, shift.iter().copied().zip(deviations)));
        }
        Ok(())
    }

    /// The mean of each channel of the pre-activation of the layer that the pictures have reached.
    fn channel_means(&self) -> Result<Vec<f64>, QuantError> {
        let Some(layer) = self.walk.layer_alone()? else { return Ok(Vec::new()) };
        let mut all = ChannelSums::default();
        for (value, pictures) in self.mean.values()? {
            if let Some(made) = layer.run(&[value])?.first() {
                all.add(&ChannelSums::of(made)?.times(pictures));
            }
        }
        Ok(all.means())
    }
}

impl Correction for BiasCorrection {
    fn observe(&mut self, inputs: &[Value]) -> Result<(), QuantError> {
        if self.walk.has_advanced() {
            return Err(QuantError::LatePicture);
        }
        let sums = self.watch.look(inputs)?;
        self.moments.add(&sums)?;
        self.walk.add(inputs);
        self.pass()
    }

    fn step(&mut self) -> Result<Option<Walked>, QuantError> {
        if self.walk.is_done() {
            return Ok(None);
        }
        if self.walk.all_arrived() {
            self.moments.check()?;
            self.correct()?;
            self.mean = MeanInput::default();
            self.walk.advance()?;
        } else {
            self.pass()?;
        }
        Ok(Some(self.walk.progress()))
    }

    fn finish(self: Box<Self>) -> Result<Corrected, QuantError> {
        let mut edits = Edits::new(&self.full);
        for layer in Layer::all(&self.full)? {
            let name = self.full.node(layer.node).map_or("", |node| node.name.as_str());
            if let Some(bias) = self.corrected.get(name) {
                edits.set_bias(&layer, bias.clone())?;
            }
        }
        Ok(Corrected { graph: edits.finish()?, plan: self.plan, layers: self.shifts })
    }
}

/// The layers whose weights a plan quantizes, in the order of execution, with their names.
pub(super) fn planned_layers(graph: &Graph, plan: &QuantPlan) -> Result<Vec<(String, Layer)>, QuantError> {
    let planned = |layer: Layer| {
        let node = graph.node(layer.node)?;
        let weight = node.inputs.get(layer.linear.weight).copied().flatten()?;
        plan.weights.contains_key(&graph.value(weight).name).then(|| (node.name.clone(), layer))
    };
    Ok(Layer::all(graph)?.into_iter().filter_map(planned).collect())
}

/// The graph with a bias of its own for every planned layer that can have one.
pub(super) fn with_biases(graph: &Graph, plan: &QuantPlan) -> Result<Graph, QuantError> {
    let mut edits = Edits::new(graph);
    for (_, layer) in planned_layers(graph, plan)? {
        let with_input = graph.node(layer.node).filter(|_| layer.linear.bias.is_none());
        if let Some(op) = with_input.and_then(|node| node.op.with_bias_input(&type_inputs(graph, node)?))
            && let Some(node) = edits.node(layer.node)
        {
            node.op = op;
        }
    }
    let graph = edits.finish()?;
    let mut edits = Edits::new(&graph);
    for (_, layer) in planned_layers(&graph, plan)? {
        edits.set_bias(&layer, layer.bias_or_zero().into_iter().map(|b| b as f32).collect())?;
    }
    edits.finish()
}

/// The mean of tensors, for each shape that they have.
#[derive(Debug, Default)]
struct MeanInput(Vec<SumOfShape>);

#[derive(Debug)]
struct SumOfShape {
    shape: Vec<usize>,
    sums: Vec<f64>,
    count: usize,
}

impl MeanInput {
    fn add(&mut self, value: &Value) -> Result<(), QuantError> {
        let data = value.as_slice::<f32>()?;
        let at = self.0.iter().position(|of| of.shape == value.shape()).unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push(SumOfShape { shape: value.shape().to_vec(), sums: vec![0.0; data.len()], count: 0 });
        }
        let of = &mut self.0[at];
        of.sums.iter_mut().zip(data).for_each(|(sum, &v)| *sum += f64::from(v));
        of.count += 1;
        Ok(())
    }

    /// Each mean, with the number of tensors that it is of.
    fn values(&self) -> Result<Vec<(Value, usize)>, QuantError> {
        let mean = |of: &SumOfShape| {
            let mean = of.sums.iter().map(|sum| (sum / of.count as f64) as f32).collect();
            Ok((Value::from_vec(&of.shape, mean)?, of.count))
        };
        self.0.iter().map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::ValueId;
    use crate::ops::{Add, Clamp, GlobalAveragePool, MaxPool, Rounding};
    use crate::quant::correct::testing::{Net, means, moments, pictures, plan};
    use crate::quant::{Granularity, QuantParams};

    /// Depthwise, residual, pooling, a layer that shares its weight and has no bias, a matrix product.
    fn network() -> Graph {
        let mut net = Net::new([1, 3, 8, 8], 33);
        let a = net.conv("a", net.input, [8, 3, 3, 3], 1, Some(Clamp::RELU));
        let b = net.conv("b", a, [8, 1, 3, 3], 8, Some(Clamp { min: 0.0, max: 0.5 }));
        let c = net.conv("c", b, [8, 8, 1, 1], 1, None);
        let sum = net.op("sum", Add::default().into(), &[a, c]);
        let shared = net.last_weight();
        let d = net.op("d", Net::convolution(1, Some(Clamp::RELU)), &[sum, shared]);
        let pool = MaxPool { window: Net::window(2), rounding: Rounding::Down, indices: None };
        let pooled = net.op("pool", pool.into(), &[d]);
        let mean = net.op("mean", GlobalAveragePool.into(), &[pooled]);
        let flat = net.op("flat", crate::ops::Flatten { axis: 1 }.into(), &[mean]);
        let e = net.gemm("e", flat, [8, 5]);
        net.finish(&[e])
    }

    fn corrected(graph: &Graph, plan: &QuantPlan, pictures: &[Value]) -> Corrected {
        let mut correction = Box::new(BiasCorrection::new(graph, plan, Isa::Portable).unwrap());
        for picture in pictures {
            correction.observe(std::slice::from_ref(picture)).unwrap();
        }
        let mut steps = 0;
        while let Some(at) = correction.step().unwrap() {
            assert!(at.done <= at.total);
            steps += 1;
        }
        // Each layer once, and each picture from each layer to the next.
        assert_eq!(steps, 5 + 4 * pictures.len());
        correction.finish().unwrap()
    }

    /// For each layer and channel: |mean error|, deviation in full precision, half a step of the bias.
    fn errors(full: &Graph, to_quantize: &Graph, plan: &QuantPlan, pictures: &[Value]) -> Vec<[f64; 3]> {
        let quantized = crate::quant::apply(to_quantize, plan).unwrap().graph;
        let known = moments(full, pictures);
        let of = |(name, layer): (String, Layer)| {
            let found = means(&quantized, &name, pictures);
            let known = known.pre_activation(&name).unwrap();
            let name_of = |id: ValueId| &full.value(id).name;
            let weight = full.node(layer.node).unwrap().inputs[layer.linear.weight].unwrap();
            let input = &plan.activations[name_of(layer.input)].params.scale[0];
            let steps = plan.weights[name_of(weight)].params.scale.iter().map(|s| f64::from(s * input));
            let rows = found.into_iter().zip(known).zip(steps);
            rows.map(|((found, known), step)| [(found - known.mean).abs(), known.std, step / 2.0])
                .collect::<Vec<_>>()
        };
        planned_layers(full, plan).unwrap().into_iter().flat_map(of).collect()
    }

    #[test]
    fn on_the_same_pictures_no_channel_is_shifted_any_more() {
        let graph = network();
        let pictures = pictures(&graph, 6);
        for bits in [[8, 8], [4, 8], [4, 4], [2, 3]] {
            let plan = plan(&graph, &pictures, bits);
            let before = errors(&graph, &graph, &plan, &pictures);
            assert!(before.iter().any(|[error, std, _]| *error > 1e-2 * std), "{bits:?}");
            let made = corrected(&graph, &plan, &pictures);
            assert_eq!(made.layers.len(), 5);
            let after = errors(&graph, &made.graph, &plan, &pictures);
            assert_eq!((before.len(), after.len()), (37, 37));
            for [error, std, half_step] in after {
                // A bias is a multiple of its step; both means are sums in f32 with at most 72 terms.
                assert!(error <= half_step + 1e-5 * std + 1e-6, "{bits:?}: {error} of {std}, {half_step}");
                assert!(bits != [8, 8] || error <= 1e-3 * std || std == 0.0, "{error} of {std}");
            }
        }
    }

    #[test]
    fn a_weight_with_one_scale_has_a_bias_for_each_channel_all_the_same() {
        let graph = network();
        let pictures = pictures(&graph, 4);
        let mut plan = plan(&graph, &pictures, [8, 8]);
        for quant in plan.weights.values_mut() {
            quant.spec.granularity = Granularity::PerTensor;
            let largest = quant.params.scale.iter().copied().fold(0.0, f32::max);
            quant.params = QuantParams { scale: vec![largest], zero_point: vec![0] };
        }
        let made = corrected(&graph, &plan, &pictures);
        let quantized = crate::quant::apply(&made.graph, &plan).unwrap().graph;
        let known = moments(&graph, &pictures);
        for (name, layer) in planned_layers(&graph, &plan).unwrap() {
            let found = means(&quantized, &name, &pictures);
            assert_eq!(found.len(), layer.channels);
            for (found, known) in found.into_iter().zip(known.pre_activation(&name).unwrap()) {
                // A bias is a multiple of its step, and one channel never varies.
                assert!((found - known.mean).abs() <= 1e-2 * known.std + 1e-3, "{name}: {found}, {known:?}");
            }
        }
    }

    #[test]
    fn only_biases_change() {
        let graph = network();
        let pictures = pictures(&graph, 3);
        let plan = plan(&graph, &pictures, [4, 4]);
        let made = corrected(&graph, &plan, &pictures);
        for name in ["a", "b", "c", "d", "e"] {
            let weight = |graph: &Graph| {
                let id = graph.nodes().find(|(_, node)| node.name == name).unwrap().0;
                Layer::of(graph, id).unwrap().weight
            };
            assert_eq!(weight(&graph), weight(&made.graph));
        }
        assert!(made.layers.iter().all(|layer| layer.largest >= layer.mean && layer.mean > 0.0));
    }

    #[test]
    fn without_a_picture_there_is_nothing_to_measure() {
        let graph = network();
        let plan = plan(&graph, &pictures(&graph, 1), [8, 8]);
        let mut correction = BiasCorrection::new(&graph, &plan, Isa::Portable).unwrap();
        assert_eq!(correction.step().unwrap_err(), QuantError::NoCalibration);
    }

    #[test]
    fn a_picture_that_comes_too_late_is_refused() {
        let graph = network();
        let pictures = pictures(&graph, 2);
        let plan = plan(&graph, &pictures, [8, 8]);
        let mut correction = BiasCorrection::new(&graph, &plan, Isa::Portable).unwrap();
        correction.observe(&pictures[..1]).unwrap();
        correction.step().unwrap();
        assert_eq!(correction.observe(&pictures[1..]).unwrap_err(), QuantError::LatePicture);
    }

    #[test]
    fn weights_alone_leave_no_shift_but_what_f32_rounds() {
        let graph = network();
        let pictures = pictures(&graph, 4);
        let mut plan = plan(&graph, &pictures, [3, 8]);
        plan.activations.clear();
        let made = corrected(&graph, &plan, &pictures);
        let quantized = crate::quant::apply(&made.graph, &plan).unwrap().graph;
        let known = moments(&graph, &pictures);
        for (name, _) in planned_layers(&graph, &plan).unwrap() {
            let rows = means(&quantized, &name, &pictures).into_iter();
            for (found, known) in rows.zip(known.pre_activation(&name).unwrap()) {
                assert!((found - known.mean).abs() <= 1e-5 * known.std + 1e-6, "{name}: {found}, {known:?}");
            }
        }
    }

    #[test]
    fn the_mean_is_of_each_size_by_its_places() {
        let mut mean = MeanInput::default();
        for (shape, v) in [([1, 1, 1, 2], 1.0_f32), ([1, 1, 2, 2], 5.0), ([1, 1, 1, 2], 3.0)] {
            mean.add(&Value::from_vec(&shape, vec![v; shape.iter().product()]).unwrap()).unwrap();
        }
        let mut all = ChannelSums::default();
        for (value, count) in mean.values().unwrap() {
            all.add(&ChannelSums::of(&value).unwrap().times(count));
        }
        assert_eq!(all.means(), [(2.0 * 1.0 + 4.0 * 5.0 + 2.0 * 3.0) / 8.0]);
    }
}
