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
//! **Memory.** Between two layers each picture is held as what later layers still need of it, where it
//! is quantized as its codes: pictures × the widest cut through the network, a byte per element (0.2 MB
//! for a MobileNetV1 0.25 on 224 × 224, 0.8 MB for a ResNet-50).
//!
//! **What is corrected** is the definition, in float. The result is the full-precision graph with other
//! biases, for [`apply`](crate::quant::apply) with the same plan: there they become codes of step
//! `s = s_x·s_w[o]`, so the mean of a channel is right to `s / 2`, and later layers are corrected with
//! the codes of earlier ones in place.

use super::channel_moments::{ChannelMoments, ChannelSums, ChannelWatch, Gaussian, without_clamps};
use super::layer::{Edits, Layer};
use super::part::{Map, Part};
use crate::ir::{NameMap, NodeId, ValueId};
use crate::ops::{Graph, GraphPatch, Isa, Kind, Node};
use crate::passes::type_inputs;
use crate::quant::apply::bias_code;
use crate::quant::plan::data_input;
use crate::quant::{QuantError, QuantPlan};
use crate::tensor::{Element, Value};
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

/// A graph with corrected biases, to be quantized by the plan it was corrected for.
#[derive(Debug, Clone)]
pub struct BiasCorrected {
    /// The graph.
    pub graph: Graph,
    /// What was corrected, layer by layer in the order of execution.
    pub layers: Vec<LayerShift>,
}

/// How far a correction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Steps done: a picture through the nodes from one layer to the next.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// Empirical bias correction, as work in steps.
#[derive(Debug)]
pub struct BiasCorrection {
    /// What is corrected, with a bias in every layer.
    full: Graph,
    watch: ChannelWatch,
    moments: ChannelMoments,
    walk: Walk,
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
        Ok(Self { full, watch, moments, walk, corrected, shifts: Vec::new() })
    }

    /// Looks at one more picture, in full precision. All pictures come before the first step.
    ///
    /// # Errors
    /// [`QuantError::Run`] when the picture does not fit the network, [`QuantError::LatePicture`] after
    /// the first step.
    pub fn observe(&mut self, inputs: &[Value]) -> Result<(), QuantError> {
        if self.walk.to > 0 {
            return Err(QuantError::LatePicture);
        }
        let sums = self.watch.look(inputs)?;
        self.moments.add(&sums)?;
        self.walk.begin(inputs)
    }

    /// Takes one picture of the quantized network to the next layer, or corrects that when all pictures
    /// have reached it; `None` once every layer is corrected.
    ///
    /// # Errors
    /// [`QuantError::NoCalibration`], [`QuantError::NotFinite`], [`QuantError::Run`].
    pub fn step(&mut self) -> Result<Option<Walked>, QuantError> {
        if self.walk.is_done() {
            return Ok(None);
        }
        if self.walk.all_arrived() {
            self.moments.check()?;
            self.correct()?;
            self.walk.to += 1;
            self.walk.open()?;
        } else {
            self.walk.pass()?;
        }
        Ok(Some(self.walk.progress()))
    }

    /// Takes the shift of the layer that the pictures have reached from its bias.
    fn correct(&mut self) -> Result<(), QuantError> {
        let Some((name, ..)) = self.walk.layers.get(self.walk.to).cloned() else { return Ok(()) };
        let found = self.walk.channel_means()?;
        let known = self.moments.pre_activation(&name);
        let Some(known) = known.filter(|known| known.len() == found.len()) else { return Ok(()) };
        let shift: Vec<f64> = found.iter().zip(&known).map(|(found, known)| found - known.mean).collect();
        if let Some(&got) = shift.iter().find(|v| !v.is_finite()) {
            return Err(QuantError::NotFinite { value: name, got: got as f32 });
        }
        if let Some(bias) = self.walk.shift_bias(&shift)? {
            self.corrected.insert(&name, bias);
            self.shifts.push(summary(name, &shift, &known));
        }
        Ok(())
    }

    /// The graph with all biases that were corrected so far.
    ///
    /// # Errors
    /// [`QuantError::Graph`], [`QuantError::Pass`].
    pub fn finish(self) -> Result<BiasCorrected, QuantError> {
        let mut edits = Edits::new(&self.full);
        for layer in Layer::all(&self.full)? {
            let name = self.full.node(layer.node).map_or("", |node| node.name.as_str());
            if let Some(bias) = self.corrected.get(name) {
                edits.set_bias(&layer, bias.clone())?;
            }
        }
        Ok(BiasCorrected { graph: edits.finish()?, layers: self.shifts })
    }
}

fn summary(layer: String, shift: &[f64], known: &[Gaussian]) -> LayerShift {
    let varies = shift.iter().zip(known).filter(|(_, known)| known.std > 0.0);
    let relative: Vec<f64> = varies.map(|(shift, known)| shift.abs() / known.std).collect();
    let largest = relative.iter().copied().fold(0.0, f64::max);
    LayerShift { layer, largest, mean: relative.iter().sum::<f64>() / relative.len().max(1) as f64 }
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
fn with_biases(graph: &Graph, plan: &QuantPlan) -> Result<Graph, QuantError> {
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

/// All pictures on their way through the quantized network.
#[derive(Debug)]
struct Walk {
    graph: Graph,
    map: Map,
    isa: Isa,
    /// The layers in the order of execution: name, place in that order, node.
    layers: Vec<(String, usize, NodeId)>,
    /// The layer that pictures are on their way to.
    to: usize,
    /// Pictures that have reached it.
    arrived: usize,
    pictures: Vec<Vec<Value>>,
    /// Which values are held of a picture that has not reached the layer, and which of one that has.
    held: [Vec<ValueId>; 2],
    /// From one to the other, and what the layer reads.
    part: Option<Part>,
    /// What the layer reads, over the pictures that have reached it.
    mean: MeanInput,
}

impl Walk {
    fn new(graph: Graph, names: &[String], isa: Isa) -> Result<Self, QuantError> {
        let map = Map::of(&graph)?;
        let nodes = map.order.iter().enumerate().filter_map(|(at, &id)| Some((at, id, graph.node(id)?)));
        let is_layer = |node: &Node| match node.op.facts().kind {
            Kind::Linear(linear) => names.contains(&node.name) && data_input(node, linear).is_some(),
            _ => false,
        };
        let layers = nodes.filter(|(_, _, node)| is_layer(node));
        let layers = layers.map(|(at, id, node)| (node.name.clone(), at, id)).collect();
        let held = [Vec::new(), graph.inputs().to_vec()];
        let (pictures, mean) = (Vec::new(), MeanInput::default());
        let mut walk = Self { graph, map, isa, layers, to: 0, arrived: 0, pictures, held, part: None, mean };
        walk.open()?;
        Ok(walk)
    }

    /// What the layer multiplies with its weights.
    fn data(&self) -> Option<ValueId> {
        let node = self.graph.node(self.layers.get(self.to)?.2)?;
        let Kind::Linear(linear) = node.op.facts().kind else { return None };
        data_input(node, linear)
    }

    /// Makes the way to the layer that is next.
    fn open(&mut self) -> Result<(), QuantError> {
        self.arrived = 0;
        let (Some(&(_, place, _)), Some(data)) = (self.layers.get(self.to), self.data()) else {
            return Ok(());
        };
        let before = std::mem::take(&mut self.held[1]);
        let after = self.map.needed_from(&self.graph, place);
        let made = after.iter().copied().filter(|id| !before.contains(id));
        let wanted: Vec<ValueId> = made.chain([data]).collect();
        self.part = Some(Part::new(&self.graph, (&self.map, self.isa), &before, &wanted)?);
        self.held = [before, after];
        self.mean = MeanInput::default();
        Ok(())
    }

    /// Adds a picture and takes it to the first layer.
    fn begin(&mut self, inputs: &[Value]) -> Result<(), QuantError> {
        self.pictures.push(inputs.to_vec());
        self.pass()
    }

    /// Takes one more picture to the layer.
    fn pass(&mut self) -> Result<(), QuantError> {
        let (Some(part), Some(picture)) = (&self.part, self.pictures.get_mut(self.arrived)) else {
            return Ok(());
        };
        let mut made = part.run(picture)?;
        // What the layer reads comes last, behind what is to be held.
        if let Some(data) = made.pop() {
            self.mean.add(&data)?;
        }
        let mut made = made.into_iter();
        let [before, after] = &self.held;
        let kept = |id: &ValueId| match before.iter().position(|held| held == id) {
            Some(place) => picture.get(place).cloned(),
            None => made.next(),
        };
        *picture = after.iter().filter_map(kept).collect();
        self.arrived += 1;
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.to >= self.layers.len()
    }

    fn all_arrived(&self) -> bool {
        self.arrived == self.pictures.len()
    }

    fn progress(&self) -> Walked {
        let pictures = self.pictures.len();
        Walked { done: self.to * pictures + self.arrived, total: self.layers.len() * pictures }
    }

    /// The mean of each channel of the layer's pre-activation.
    fn channel_means(&self) -> Result<Vec<f64>, QuantError> {
        let node = self.layers.get(self.to).and_then(|(_, _, id)| self.graph.node(*id));
        let (Some(node), Some(data)) = (node, self.data()) else { return Ok(Vec::new()) };
        let layer = Part::new(&self.graph, (&self.map, self.isa), &[data], &node.outputs)?;
        let mut all = ChannelSums::default();
        for (value, pictures) in self.mean.values()? {
            if let Some(made) = layer.run(&[value])?.first() {
                all.add(&ChannelSums::of(made)?.times(pictures));
            }
        }
        Ok(all.means())
    }

    /// Takes a number per channel from the layer's bias, and returns what the bias then is; `None` where
    /// the layer has none.
    fn shift_bias(&mut self, shift: &[f64]) -> Result<Option<Vec<f32>>, QuantError> {
        let Some((_, _, id)) = self.layers.get(self.to) else { return Ok(None) };
        let Some(node) = self.graph.node(*id) else { return Ok(None) };
        let Kind::Linear(linear) = node.op.facts().kind else { return Ok(None) };
        let Some(bias) = linear.bias.and_then(|slot| node.inputs.get(slot).copied().flatten()) else {
            return Ok(None);
        };
        let less = |bias: f64, at: usize| (bias - shift.get(at).copied().unwrap_or(0.0)) as f32;
        let mut patch = GraphPatch::new(&self.graph);
        let new: Vec<f32> = if let Some([codes, scales]) = self.codes_of(bias) {
            // One for all, or one for each.
            let scales = self.elements::<f32>(scales)?.iter().cycle();
            let real = self.elements::<i32>(codes)?.iter().zip(scales.clone());
            let real = real.map(|(&code, &scale)| f64::from(code) * f64::from(scale));
            let new: Vec<f32> = real.enumerate().map(|(at, b)| less(b, at)).collect();
            let new_codes = new.iter().zip(scales).map(|(&b, &scale)| bias_code(b, scale)).collect();
            patch.set_constant(codes, Value::from_vec::<i32>(&[new.len()], new_codes)?);
            new
        } else if self.graph.constant(bias).is_none() {
            return Ok(None);
        } else {
            let real = self.elements::<f32>(bias)?.iter().enumerate();
            let new: Vec<f32> = real.map(|(at, &b)| less(f64::from(b), at)).collect();
            patch.set_constant(bias, Value::from_vec(&[new.len()], new.clone())?);
            new
        };
        self.graph = self.graph.clone().apply_unverified(patch)?;
        Ok(Some(new))
    }

    /// The constants that a bias is dequantized from: codes and scales.
    fn codes_of(&self, bias: ValueId) -> Option<[ValueId; 2]> {
        let maker = self.map.maker(&self.graph, bias)?;
        let slot = |at: usize| {
            let id = maker.inputs.get(at).copied().flatten();
            id.filter(|&id| self.graph.constant(id).is_some())
        };
        Some([slot(0)?, slot(1)?])
    }

    fn elements<T: Element>(&self, constant: ValueId) -> Result<&[T], QuantError> {
        Ok(self.graph.constant(constant).map_or(Ok(&[][..]), Value::as_slice::<T>)?)
    }
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
    use crate::ops::{Add, Clamp, GlobalAveragePool, MaxPool, Rounding};
    use crate::quant::Recipe;
    use crate::quant::correct::testing::{Net, means, moments, pictures, plan, plan_by};
    use crate::quant::recipe::WeightGranularity;

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

    fn corrected(graph: &Graph, plan: &QuantPlan, pictures: &[Value]) -> BiasCorrected {
        let mut correction = BiasCorrection::new(graph, plan, Isa::Portable).unwrap();
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
            let rows = found.into_iter().zip(known).zip(steps.cycle());
            rows.map(|((found, known), step)| [(found - known.mean).abs(), known.std, step / 2.0])
                .collect::<Vec<_>>()
        };
        planned_layers(full, plan).unwrap().into_iter().flat_map(of).collect()
    }

    #[test]
    fn on_the_same_pictures_no_channel_is_shifted_any_more() {
        let graph = network();
        let pictures = pictures(&graph, 6);
        let (tensor, channel) = (WeightGranularity::Tensor, WeightGranularity::Channel);
        for (bits, weight_granularity) in
            [([8, 8], channel), ([4, 8], channel), ([4, 4], channel), ([2, 3], channel), ([7, 8], tensor)]
        {
            let [weight_bits, activation_bits] = bits;
            let recipe = Recipe { weight_bits, activation_bits, weight_granularity, ..Recipe::default() };
            let plan = plan_by(&graph, &pictures, &recipe);
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
