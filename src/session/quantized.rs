//! A quantized network: its definition, what runs, and its file.

use super::SessionError;
use super::job::{Job, Progress, Step};
use super::layers::{self, LayerValues};
use super::network::Network;
use super::pictures::{PictureInput, PictureInputs};
use super::runnable::QuantizedModel;
use super::support;
use super::view::{ByteSizes, LayerPath, LayerView, OperatorView, QuantizedView, RunPath};
use crate::data::Preprocess;
use crate::exec::Executor;
use crate::onnx::{self, ExportOptions};
use crate::ops::{Graph, Isa};
use crate::quant::{self, Calibrator, QuantPlan, Recipe, Statistics};
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
}

impl QuantizedNetwork {
    /// Quantizes a network by a recipe, with ranges from calibration.
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
        let quantized = quant::apply(network.graph(), &plan)?;
        let model = QuantizedModel::from_graph(&quantized.graph, isa)?;
        // Whoever opens the file again needs the same inputs for the same answers.
        let preprocess = serde_json::to_string(preprocess).unwrap_or_default();
        let mut metadata = BTreeMap::new();
        metadata.insert(RECIPE_KEY.to_owned(), recipe.to_json());
        metadata.insert(PREPROCESS_KEY.to_owned(), preprocess);
        let file = onnx::export(&quantized.graph, &ExportOptions { metadata })?;
        let layers = layers::planned(network, (&plan, &recipe), &quantized.graph, &model.integer_nodes);
        Ok(Self {
            recipe,
            statistics,
            plan,
            layer_values: layers::values(&layers, network.graph(), model.definition_graph()),
            operators: support::operators(network.graph(), Some(&model.integer_nodes)),
            graph: quantized.graph,
            model: Arc::new(model),
            file,
            layers,
            full_size_bytes: network.info.size_bytes,
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
            file: onnx::export(&graph, &ExportOptions { metadata })?,
            graph,
            layers,
            full_size_bytes: network.info.size_bytes,
        })
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

/// Watches the network on pictures, one a step.
///
/// Ranges decide the file, so calibration runs on kernels that give the same bits everywhere
/// ([`Isa::reproducible`]): the same network, pictures and recipe make the same file, byte for byte, in
/// every browser and on the command line, and however the pictures are divided.
#[derive(Debug)]
pub struct CalibrateJob {
    network: Arc<Network>,
    inputs: PictureInputs,
    calibrator: Calibrator,
    /// What calibration runs, once it has begun, where the network itself was made ready for others.
    reproducible: Option<Executor>,
    done: usize,
}

impl CalibrateJob {
    /// A job over those pictures.
    pub fn new(network: Arc<Network>, inputs: PictureInputs) -> Self {
        let calibrator = Calibrator::new(network.graph());
        Self { network, inputs, calibrator, reproducible: None, done: 0 }
    }

    fn calibrate(&mut self, input: PictureInput) -> Result<(), SessionError> {
        let own = &self.network.model.executor;
        let executor = if own.isa() == Isa::reproducible() {
            own
        } else {
            let made = match self.reproducible.take() {
                Some(made) => made,
                None => Executor::new(own.graph().clone(), Isa::reproducible())?,
            };
            self.reproducible.insert(made)
        };
        executor.run(&[input.value], &mut self.calibrator)?;
        self.calibrator.finish_run(input.picture);
        self.done += 1;
        Ok(())
    }
}

impl Job for CalibrateJob {
    type Output = Statistics;

    fn step(&mut self) -> Result<Step<Statistics>, SessionError> {
        let total = self.inputs.len();
        if self.done < total && !self.network.is_quantized() {
            let input = self.inputs.get(self.done)?;
            self.calibrate(input)?;
            let progress = Progress { phase: "calibrating", done: self.done, total, comparison: None };
            return Ok(Step::Running(progress));
        }
        self.reproducible = None; // its packed weights make place for the new network's
        Ok(Step::Done(self.calibrator.statistics().clone()))
    }
}

/// Calibrates, unless that is done, then quantizes.
#[derive(Debug)]
pub struct QuantizeJob {
    network: Arc<Network>,
    recipe: Recipe,
    preprocess: Preprocess,
    known: Option<Arc<Statistics>>,
    calibration: CalibrateJob,
    isa: Isa,
}

impl QuantizeJob {
    /// A job that calibrates on `inputs`, unless the statistics are known.
    pub fn new(
        network: Arc<Network>,
        recipe: Recipe,
        inputs: PictureInputs,
        known: Option<Arc<Statistics>>,
        isa: Isa,
    ) -> Self {
        let preprocess = inputs.preprocess().clone();
        let calibration = CalibrateJob::new(Arc::clone(&network), inputs);
        Self { network, recipe, preprocess, known, calibration, isa }
    }
}

impl Job for QuantizeJob {
    type Output = QuantizedNetwork;

    fn step(&mut self) -> Result<Step<QuantizedNetwork>, SessionError> {
        if self.network.is_quantized() {
            return Ok(Step::Done(QuantizedNetwork::opened(&self.network)?));
        }
        let statistics = match &self.known {
            Some(known) => Arc::clone(known),
            None => match self.calibration.step()? {
                Step::Running(progress) => return Ok(Step::Running(progress)),
                Step::Done(found) => {
                    found.check(self.network.graph())?;
                    Arc::new(found)
                }
            },
        };
        let recipe = self.recipe.clone();
        let built = QuantizedNetwork::build(&self.network, statistics, recipe, &self.preprocess, self.isa)?;
        Ok(Step::Done(built))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// FNV-1a.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// What decides a file, of a bundled network calibrated on four bundled pictures.
    fn plan(network: &[u8]) -> String {
        let pictures: [(&str, &[u8]); 4] = [
            ("boat.png", include_bytes!("../../www/public/sample/boat_0.png")),
            ("car.png", include_bytes!("../../www/public/sample/car_0.png")),
            ("cup.png", include_bytes!("../../www/public/sample/cup_0.png")),
            ("fish.png", include_bytes!("../../www/public/sample/fish_0.png")),
        ];
        let mut session = Session::new(Isa::best());
        session.load_model("sample.onnx", network.to_vec()).unwrap();
        let settings = include_bytes!("../../www/public/sample/preprocessor_config.json");
        session.read_preprocess("preprocessor_config.json", settings).unwrap();
        let files = pictures.map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
        assert!(session.add_pictures(files.to_vec()).1.is_empty());
        let quantized = session.quantize(&Recipe::default()).unwrap().run(&mut |_| ()).unwrap();
        serde_json::to_string(quantized.plan()).unwrap()
    }

    /// Where a number here is meant to change (other networks, pictures or rules), the failing test
    /// says what it is now; it must be the same natively, in Node and in a browser, with either build.
    #[wasm_bindgen_test(unsupported = test)]
    fn every_build_decides_alike() {
        let dense = plan(include_bytes!("../../www/public/sample/sample_resnet.onnx"));
        let depthwise = plan(include_bytes!("../../www/public/sample/sample_mobilenet.onnx"));
        let found = [hash(dense.as_bytes()), hash(depthwise.as_bytes())];
        let known = [0x3752_7d0c_e51c_8d58, 0xab65_ff93_46e5_39ce];
        assert_eq!(found, known, "{found:#x?} on {}", Isa::best());
    }
}
