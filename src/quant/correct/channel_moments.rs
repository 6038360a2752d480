//! What layers see and make, channel by channel: mean and standard deviation over pictures and places.
//!
//! Corrections want to know these of each layer's *pre-activation*, the sum before its Relu, and of its
//! input. Where a network was trained with BatchNormalization, its `β` and `|γ|` are the mean and the
//! deviation of the pre-activation; most files have them folded into the weights, so they are measured.
//!
//! A [`ChannelWatch`] looks at one picture at a time and returns what it found there; [`ChannelMoments`]
//! puts pictures together. Sums are in f64 and depend on their order in the last bits, so whoever
//! divides pictures between several engines adds them in the pictures' order.

use super::layer::Layer;
use crate::exec::{Executor, Probe};
use crate::ir::{NameMap, ValueId, ValueMap};
use crate::ops::{Clamp, Clip, Graph, GraphPatch, Isa, Kind, Node, Op, Relu};
use crate::quant::QuantError;
use crate::tensor::Value;
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gaussian {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, not negative.
    pub std: f64,
}

/// Sums over the places of one tensor, or of several, channel by channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChannelSums {
    places: u64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl ChannelSums {
    /// Of a tensor with its channels on axis 1; of none, where there is no such axis.
    pub(super) fn of(value: &Value) -> Result<Self, QuantError> {
        let &[batch, channels, ref rest @ ..] = value.shape() else { return Ok(Self::default()) };
        let inner: usize = rest.iter().product();
        let (places, zeros) = ((batch * inner) as u64, vec![0.0; channels]);
        let mut found = Self { places, sums: zeros.clone(), squares: zeros };
        for (at, plane) in value.as_slice::<f32>()?.chunks_exact(inner.max(1)).enumerate() {
            let (mut sum, mut square) = (0.0, 0.0);
            for &v in plane {
                let v = f64::from(v);
                sum += v;
                square += v * v;
            }
            found.sums[at % channels] += sum;
            found.squares[at % channels] += square;
        }
        Ok(found)
    }

    /// As of that many tensors like this one.
    pub(super) fn times(self, count: usize) -> Self {
        let scaled = |sums: Vec<f64>| sums.into_iter().map(|sum| sum * count as f64).collect();
        Self { places: self.places * count as u64, sums: scaled(self.sums), squares: scaled(self.squares) }
    }

    pub(super) fn means(&self) -> Vec<f64> {
        let count = self.places.max(1) as f64;
        self.sums.iter().map(|sum| sum / count).collect()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.places += other.places;
        for (own, other) in [(&mut self.sums, &other.sums), (&mut self.squares, &other.squares)] {
            own.resize(own.len().max(other.len()), 0.0);
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }

    fn gaussians(&self) -> Vec<Gaussian> {
        let count = self.places.max(1) as f64;
        let of = |(sum, square): (&f64, &f64)| {
            let mean = sum / count;
            Gaussian { mean, std: (square / count - mean * mean).max(0.0).sqrt() }
        };
        self.sums.iter().zip(&self.squares).map(of).collect()
    }
}

/// What was found on one picture: for each watched value its sums.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PictureSums(Vec<ChannelSums>);

/// Watches the layers of one network.
#[derive(Debug, Clone)]
pub struct ChannelWatch {
    executor: Executor,
    /// Layer by layer the value that it reads and its pre-activation.
    watched: Vec<(String, [ValueId; 2])>,
}

impl ChannelWatch {
    /// Makes a network ready to be watched. Take [`Isa::reproducible`] where what is found decides a
    /// file.
    ///
    /// # Errors
    /// [`QuantError::Graph`], [`QuantError::Run`] when the graph is not valid.
    pub fn new(graph: &Graph, isa: Isa) -> Result<Self, QuantError> {
        let layers = Layer::all(graph)?;
        let separate = without_clamps(graph)?;
        let watched = layers.iter().filter_map(|layer| {
            let node = separate.node(layer.node)?;
            Some((node.name.clone(), [layer.input, *node.outputs.first()?]))
        });
        let watched = watched.collect();
        Ok(Self { executor: Executor::new(separate, isa)?, watched })
    }

    /// What the layers see and make of one picture.
    ///
    /// # Errors
    /// [`QuantError::Run`] when the picture does not fit the network.
    pub fn look(&self, inputs: &[Value]) -> Result<PictureSums, QuantError> {
        let ids = self.watched.iter().flat_map(|(_, ids)| *ids);
        let mut sums = Sums(ids.clone().map(|id| (id, Ok(ChannelSums::default()))).collect());
        self.executor.run(inputs, &mut sums)?;
        // A value that several layers read was taken out for the first of them.
        let found = ids.map(|id| sums.0.get(id).map_or_else(|| Ok(ChannelSums::default()), Result::clone));
        Ok(PictureSums(found.collect::<Result<_, _>>()?))
    }

    /// Nothing seen yet.
    pub fn moments(&self) -> ChannelMoments {
        ChannelMoments {
            layers: self.watched.iter().map(|(name, _)| (name.clone(), Default::default())).collect(),
            pictures: 0,
        }
    }
}

/// Sums up what it is asked for.
struct Sums(ValueMap<Result<ChannelSums, QuantError>>);

impl Probe for Sums {
    fn observe(&mut self, id: ValueId, value: &Value) {
        if self.0.contains(id) {
            self.0.insert(id, ChannelSums::of(value));
        }
    }
}

/// Mean and deviation of what each layer reads and of its pre-activation, over all pictures so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChannelMoments {
    layers: Vec<(String, [ChannelSums; 2])>,
    pictures: usize,
}

impl ChannelMoments {
    /// Takes in what was found on one more picture.
    ///
    /// # Errors
    /// [`QuantError::OtherNetwork`] when that was found in a network with another number of layers.
    pub fn add(&mut self, picture: &PictureSums) -> Result<(), QuantError> {
        let (expected, got) = (self.layers.len(), picture.0.len() / 2);
        if expected != got {
            return Err(QuantError::OtherNetwork { expected, got });
        }
        for ((_, own), found) in self.layers.iter_mut().zip(picture.0.chunks_exact(2)) {
            own.iter_mut().zip(found).for_each(|(own, found)| own.add(found));
        }
        self.pictures += 1;
        Ok(())
    }

    /// How many pictures were taken in.
    pub fn pictures(&self) -> usize {
        self.pictures
    }

    /// Refuses what no correction can be made of.
    ///
    /// # Errors
    /// [`QuantError::NoCalibration`] without a picture, [`QuantError::NotFinite`] where a layer made NaN
    /// or infinity.
    pub fn check(&self) -> Result<(), QuantError> {
        if self.pictures == 0 {
            return Err(QuantError::NoCalibration);
        }
        for (name, sums) in &self.layers {
            let numbers = sums.iter().flat_map(|sums| &sums.squares);
            if let Some(&got) = numbers.into_iter().find(|v| !v.is_finite()) {
                return Err(QuantError::NotFinite { value: name.clone(), got: got as f32 });
            }
        }
        Ok(())
    }

    /// The channels of a layer's pre-activation.
    pub fn pre_activation(&self, layer: &str) -> Option<Vec<Gaussian>> {
        self.layers.iter().find(|(name, _)| name == layer).map(|(_, [_, made])| made.gaussians())
    }

    /// The channels of all layers' pre-activations, by the layers' names.
    pub fn pre_activations(&self) -> NameMap<Vec<Gaussian>> {
        self.layers.iter().map(|(name, [_, made])| (name, made.gaussians())).collect()
    }

    /// The channels of what all layers read, by the layers' names.
    pub fn inputs(&self) -> NameMap<Vec<Gaussian>> {
        self.layers.iter().map(|(name, [read, _])| (name, read.gaussians())).collect()
    }
}

/// The same graph with the clamps that were fused into linear operators as nodes of their own behind
/// them, so that the value before the clamp exists. Numbers of nodes stay.
pub(super) fn without_clamps(graph: &Graph) -> Result<Graph, QuantError> {
    let mut patch = GraphPatch::new(graph);
    for (id, node) in graph.nodes().filter(|(_, node)| matches!(node.op.facts().kind, Kind::Linear(_))) {
        let (Some((op, clamp)), &[output]) = (node.op.without_clamp(), node.outputs.as_slice()) else {
            continue;
        };
        let free = patch.add_value(format!("{}_pre_activation", node.name), graph.value(output).ty.clone());
        patch.replace_node(id, Node { op, outputs: vec![free], ..node.clone() });
        let mut bound = |end: f32, what: &str| {
            let name = format!("{}_{what}", node.name);
            end.is_finite().then(|| patch.add_constant(name, Value::scalar(end)))
        };
        let (op, bounds): (Op, _) = if clamp == Clamp::RELU {
            (Relu.into(), Vec::new())
        } else {
            (Clip { bounds: Some(clamp) }.into(), vec![bound(clamp.min, "min"), bound(clamp.max, "max")])
        };
        let inputs = std::iter::once(Some(free)).chain(bounds).collect();
        patch.add_node(Node { name: format!("{}_clamp", node.name), op, inputs, outputs: vec![output] });
    }
    Ok(graph.apply(patch)?)
}
