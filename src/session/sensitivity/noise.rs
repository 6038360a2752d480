//! Noise at the outputs of layers, summed over pictures.

use crate::attribution::Model;
use crate::exec::{Executor, Probe};
use crate::ir::{ValueId, ValueMap};
use crate::metrics::Sqnr;
use crate::ops::{Graph, Isa};
use crate::quant::{Beside, LayerBeside, QuantPlan, beside};
use crate::session::SessionError;
use crate::session::layers::LayerValues;
use crate::session::view::LayerNoise;
use crate::tensor::Value;

/// What becomes of each layer's output, alone and behind all others.
#[derive(Debug)]
pub(in crate::session) struct OutputNoise {
    /// The network with each layer quantized beside itself.
    executor: Executor,
    layers: Vec<LayerBeside>,
    /// Where the definition of the quantized network has the same outputs.
    accumulated: Vec<Option<ValueId>>,
    tallies: Vec<Tally>,
}

/// Sums of one layer: alone, weight, input, accumulated.
#[derive(Debug, Clone, Copy, Default)]
struct Tally([Sqnr; 4]);

impl OutputNoise {
    /// Of a network and a plan for it. `outputs` says where the quantized network has them.
    ///
    /// # Errors
    /// When the plan is another network's.
    pub(in crate::session) fn new(
        graph: &Graph,
        plan: &QuantPlan,
        outputs: &[LayerValues],
        isa: Isa,
    ) -> Result<Self, SessionError> {
        let Beside { graph, layers } = beside(graph, plan)?;
        let same = |layer: &LayerBeside| {
            outputs.iter().find(|values| values.name == layer.layer.name).map(|values| values.definition)
        };
        let accumulated = layers.iter().map(same).collect();
        let tallies = vec![Tally::default(); layers.len()];
        Ok(Self { executor: Executor::new(graph, isa)?, layers, accumulated, tallies })
    }

    /// Looks at one more picture.
    ///
    /// # Errors
    /// When a node fails.
    pub(in crate::session) fn add(&mut self, input: &Value, definition: &Model) -> Result<(), SessionError> {
        let full = self.layers.iter().map(|layer| Some(layer.layer.output));
        let mut watch = Watch::of(full.clone());
        for layer in &self.layers {
            watch.want(Some(layer.both));
            watch.want(layer.weight);
            watch.want(layer.input);
        }
        self.executor.run(std::slice::from_ref(input), &mut watch)?;
        let mut behind = Watch::of(self.accumulated.iter().copied());
        definition.executor.run(std::slice::from_ref(input), &mut behind)?;
        for ((layer, accumulated), tally) in self.layers.iter().zip(&self.accumulated).zip(&mut self.tallies)
        {
            let Some(full) = watch.floats(Some(layer.layer.output)) else { continue };
            let alone = [Some(layer.both), layer.weight, layer.input].map(|id| watch.floats(id));
            let others = alone.into_iter().chain([behind.floats(*accumulated)]);
            for (sum, other) in tally.0.iter_mut().zip(others) {
                // What is not finite, or has another shape, has no ratio.
                let _ = other.is_some_and(|other| sum.add(full, other));
            }
        }
        Ok(())
    }

    /// What was found of the layer of that name.
    pub(in crate::session) fn of(&self, name: &str) -> Option<LayerNoise> {
        let at = self.layers.iter().position(|layer| layer.layer.name == name)?;
        let [alone_db, weight_db, input_db, accumulated_db] =
            self.tallies[at].0.map(|sum| sum.db().filter(|db| db.is_finite()));
        Some(LayerNoise { alone_db, weight_db, input_db, accumulated_db })
    }
}

/// Keeps some values of a run.
struct Watch {
    found: ValueMap<Option<Value>>,
}

impl Watch {
    fn of(wanted: impl Iterator<Item = Option<ValueId>>) -> Self {
        let mut watch = Self { found: ValueMap::new() };
        wanted.for_each(|id| watch.want(id));
        watch
    }

    fn want(&mut self, id: Option<ValueId>) {
        if let Some(id) = id {
            self.found.insert(id, None);
        }
    }

    fn floats(&self, id: Option<ValueId>) -> Option<&[f32]> {
        self.found.get(id?)?.as_ref()?.as_slice::<f32>().ok()
    }
}

impl Probe for Watch {
    fn observe(&mut self, id: ValueId, value: &Value) {
        if self.found.contains(id) {
            self.found.insert(id, Some(value.clone()));
        }
    }

    fn watches(&self, id: ValueId) -> bool {
        self.found.contains(id)
    }
}
