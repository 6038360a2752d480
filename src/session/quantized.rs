//! A quantized network: its definition, what runs, and its file.

use super::SessionError;
use super::choose::RangeChoice;
use super::equalized::EqualizedNetwork;
use super::layers::{self, LayerValues};
use super::network::Network;
use super::runnable::QuantizedModel;
use super::support;
use super::view::{ByteSizes, LayerPath, LayerView, OperatorView, QuantizedView, RoundingView, RunPath};
use crate::data::Preprocess;
use crate::onnx::{self, ExportOptions};
use crate::ops::{Graph, Isa};
use crate::passes;
use crate::quant::recipe::ActivationRange;
use crate::quant::round::RoundedLayer;
use crate::quant::{self, QuantPlan, Recipe, Statistics};
use crate::tensor::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Key under which the recipe stands in an exported file's metadata.
pub const RECIPE_KEY: &str = "bitlens.recipe";

/// Key under which the preprocessing stands in an exported file's metadata.
pub const PREPROCESS_KEY: &str = "bitlens.preprocess";

/// A network quantized by a recipe.
#[derive(Debug)]
pub struct QuantizedNetwork {
    recipe: Recipe,
    statistics: Arc<Statistics>,
    plan: QuantPlan,
    /// The graph with QuantizeLinear and DequantizeLinear nodes.
    graph: Graph,
    model: Arc<QuantizedModel>,
    file: Vec<u8>,
    layers: Vec<LayerView>,
    layer_values: Vec<LayerValues>,
    operators: Vec<OperatorView>,
    full_size_bytes: usize,
    /// What was quantized, where that is not the network as it is.
    equalized: Option<Arc<EqualizedNetwork>>,
    /// What became of the weights, where a recipe asks for other codes or ranges than a plan gives.
    rounding: Vec<RoundedLayer>,
    /// The rule for ranges, where that was found by measuring.
    range: Option<RangeChoice>,
}

/// What is decided before anything is written.
#[derive(Debug)]
pub(super) struct Decided {
    /// Ranges of what is quantized.
    pub(super) statistics: Arc<Statistics>,
    /// What is quantized, where that is not the network as it is.
    pub(super) equalized: Option<Arc<EqualizedNetwork>>,
    pub(super) plan: QuantPlan,
    /// The graph with other weights and biases, where these were changed for the plan.
    pub(super) changed: Option<Graph>,
    /// What became of each weight, where they were not simply rounded to the nearest codes.
    pub(super) rounding: Vec<RoundedLayer>,
    /// The rule for ranges, where that was found by measuring.
    pub(super) range: Option<RangeChoice>,
}

impl QuantizedNetwork {
    /// Quantizes a network by a recipe, with ranges from calibration on the network as it is: without
    /// the recipe's corrections, which are the matter of [`QuantizeJob`](super::QuantizeJob).
    ///
    /// # Errors
    /// When the network has nothing to quantize, or its weights cannot be.
    pub fn build(
        network: &Network,
        statistics: Arc<Statistics>,
        recipe: Recipe,
        preprocess: &Preprocess,
        isa: Isa,
    ) -> Result<Self, SessionError> {
        let plan = quant::plan(network.graph(), &statistics, &recipe)?;
        let rounding = Vec::new();
        let decided = Decided { statistics, equalized: None, plan, changed: None, rounding, range: None };
        Self::of(network, decided, recipe, preprocess, isa)
    }

    /// Makes what was decided.
    ///
    /// # Errors
    /// As [`QuantizedNetwork::build`].
    pub(super) fn of(
        network: &Network,
        decided: Decided,
        recipe: Recipe,
        preprocess: &Preprocess,
        isa: Isa,
    ) -> Result<Self, SessionError> {
        let Decided { statistics, equalized, plan, changed, rounding, range } = decided;
        let before = equalized.as_ref().map_or(network.graph(), |equalized| &equalized.graph);
        let quantized = quant::apply(changed.as_ref().unwrap_or(before), &plan)?;
        let model = QuantizedModel::from_graph(&quantized.graph, isa)?;
        // Whoever opens the file again needs the same inputs for the same answers.
        let preprocess = serde_json::to_string(preprocess).unwrap_or_default();
        let mut metadata = BTreeMap::new();
        metadata.insert(RECIPE_KEY.to_owned(), recipe.to_json());
        metadata.insert(PREPROCESS_KEY.to_owned(), preprocess);
        let file = onnx::export(&passes::write_dynamic(&quantized.graph)?, &ExportOptions { metadata })?;
        let layers = layers::planned(before, &plan, &quantized.graph, &model.integer_nodes);
        Ok(Self {
            recipe,
            statistics,
            plan,
            layer_values: layers::values(&layers, before, model.definition_graph()),
            operators: support::operators(network.graph(), Some(&model.integer_nodes)),
            graph: quantized.graph,
            model: Arc::new(model),
            file,
            layers,
            full_size_bytes: network.info.size_bytes,
            equalized,
            rounding,
            range,
        })
    }

    /// A network whose file is quantized already: nothing is decided here, it is only made ready to
    /// run. Its recipe is the file's own, where Bitlens wrote it.
    ///
    /// # Errors
    /// When a constant does not fit its operator.
    pub fn opened(network: &Network) -> Result<Self, SessionError> {
        let graph = network.graph().clone();
        let written = network.info.metadata.iter().find(|(key, _)| key == RECIPE_KEY);
        let recipe = written.and_then(|(_, json)| Recipe::from_json(json).ok()).unwrap_or_default();
        let mut metadata = BTreeMap::new();
        metadata.extend(network.info.metadata.iter().cloned());
        metadata.insert(RECIPE_KEY.to_owned(), recipe.to_json());
        let model = QuantizedModel::of_network(&network.model)?;
        let layers = layers::stated(&graph, &model.integer_nodes);
        Ok(Self {
            recipe,
            statistics: Arc::new(Statistics::none(&graph)),
            plan: QuantPlan::default(),
            layer_values: layers::values(&layers, &graph, model.definition_graph()),
            operators: support::operators(&graph, Some(&model.integer_nodes)),
            model: Arc::new(model),
            file: onnx::export(&passes::write_dynamic(&graph)?, &ExportOptions { metadata })?,
            graph,
            layers,
            full_size_bytes: network.info.size_bytes,
            equalized: None,
            rounding: Vec::new(),
            range: None,
        })
    }

    /// The network with equalized layers that was quantized in place of the one that was opened.
    pub(super) fn equalized(&self) -> Option<&Arc<EqualizedNetwork>> {
        self.equalized.as_ref()
    }

    /// What was quantized: the graph of `network`, which this was made of, or that with its layers equalized.
    /// Biases are as they were before any correction of them.
    pub(super) fn before<'a>(&'a self, network: &'a Network) -> &'a Graph {
        self.equalized.as_ref().map_or(network.graph(), |equalized| &equalized.graph)
    }

    /// A recipe for the same network with the rule for ranges that was found for this one, where it leaves
    /// that open.
    pub(super) fn settled(&self, recipe: &Recipe) -> Recipe {
        let mut recipe = recipe.clone();
        if recipe.activation_range == ActivationRange::HeldOut {
            recipe.activation_range = self.range.as_ref().map_or(ActivationRange::Max, RangeChoice::rule);
        }
        recipe
    }

    /// The rule for ranges of activations, where the recipe left that open.
    pub(super) fn range(&self) -> Option<&RangeChoice> {
        self.range.as_ref()
    }

    /// What was asked.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What calibration found.
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }

    /// The network, ready to run both ways.
    pub fn model(&self) -> &Arc<QuantizedModel> {
        &self.model
    }

    /// What was decided.
    pub fn plan(&self) -> &QuantPlan {
        &self.plan
    }

    /// The graph with QuantizeLinear and DequantizeLinear nodes.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The ONNX file.
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    /// Rows of the layer table, in order of execution.
    pub fn layers(&self) -> &[LayerView] {
        &self.layers
    }

    /// Where the outputs of these layers are found in both networks.
    pub(super) fn layer_values(&self) -> &[LayerValues] {
        &self.layer_values
    }

    /// What runs when the network is asked.
    pub fn path(&self) -> RunPath {
        self.model.path()
    }

    /// Sizes of both files.
    pub fn sizes(&self) -> ByteSizes {
        ByteSizes { full: self.full_size_bytes, quantized: self.file.len() }
    }

    /// The network as the page shows it.
    pub fn view(&self) -> QuantizedView {
        QuantizedView {
            recipe: self.recipe.clone(),
            path: self.path(),
            path_reason: self.path_reason(),
            calibration_pictures: self.statistics.runs(),
            size_bytes: self.sizes(),
            layers: self.layers.clone(),
            operators: self.operators.clone(),
            rounding: self.rounding.iter().map(RoundingView::from).collect(),
            range: self.range.as_ref().map(RangeChoice::view),
        }
    }

    fn path_reason(&self) -> String {
        let float = self.layers.iter().filter(|layer| layer.path == LayerPath::Float).count();
        match (float, self.model.float_nodes.len()) {
            (0, 0) => "Every node runs on integers.".to_owned(),
            (0, _) => {
                format!("Every layer runs on integers; in float: {}.", self.model.float_nodes.join(", "))
            }
            (n, _) => format!("{n} of {} layers run in float with rounding simulated.", self.layers.len()),
        }
    }

    /// Reads the exported file back and compares its logits with what runs here, bit for bit.
    ///
    /// # Errors
    /// When the file cannot be read or run.
    pub fn verify_file(&self, inputs: &[Value], isa: Isa) -> Result<bool, SessionError> {
        let again = QuantizedModel::open(self.file.clone(), isa)?.integer;
        for input in inputs {
            if again.scores(input.clone())? != self.model.integer.scores(input.clone())? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
