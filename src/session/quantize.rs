//! The work of quantizing: what is changed, watched and corrected before a network is written.
//!
//! ```text
//! equalize layers ─▶ are the limits of Relu6 needed? ─▶ absorb biases ─▶ calibrate
//!   (recipe)                (a picture a step)             (recipe)      (a picture a step)
//!
//! ─▶ which rule for ranges? ─▶ plan ─▶ round ─▶ correct ─▶ write
//!          (recipe)                   (recipe)  (recipe)
//! ```
//!
//! What was found up to calibration depends on little of a recipe and is handed to the next job ([`Found`]).

use super::SessionError;
use super::choose::{ChooseJob, HeldOut, RangeChoice};
use super::correct::{CorrectJob, MomentsJob, Planned};
use super::equalized::{EqualizedNetwork, LimitCheck, Preparation};
use super::job::{Job, Progress, Step};
use super::network::Network;
use super::pictures::{PictureInput, PictureInputs};
use super::quantized::QuantizedNetwork;
use super::round::RoundJob;
use crate::exec::Executor;
use crate::ops::{Graph, Isa};
use crate::quant::{self, Calibrator, Recipe, Statistics};
use std::sync::Arc;

/// Watches a network on pictures, one a step.
///
/// Ranges decide the file, so calibration runs on kernels that give the same bits everywhere
/// ([`Isa::reproducible`]): the same network, pictures and recipe make the same file, byte for byte, in
/// every browser and on the command line, and however the pictures are divided.
#[derive(Debug)]
pub struct CalibrateJob {
    network: Arc<Network>,
    /// What is watched, where that is not the network as it is.
    equalized: Option<Arc<EqualizedNetwork>>,
    inputs: PictureInputs,
    calibrator: Calibrator,
    /// What calibration runs, once it has begun, where the network itself was made ready for others.
    reproducible: Option<Executor>,
    done: usize,
}

impl CalibrateJob {
    /// A job over those pictures.
    pub fn new(network: Arc<Network>, inputs: PictureInputs) -> Self {
        Self::of(network, None, inputs)
    }

    /// A job that watches a network whose layers were equalized.
    pub(super) fn of(
        network: Arc<Network>,
        equalized: Option<Arc<EqualizedNetwork>>,
        inputs: PictureInputs,
    ) -> Self {
        let watched = equalized.as_ref().map_or(network.graph(), |equalized| &equalized.graph);
        let calibrator = Calibrator::new(watched);
        Self { network, equalized, inputs, calibrator, reproducible: None, done: 0 }
    }

    fn calibrate(&mut self, input: PictureInput) -> Result<(), SessionError> {
        let own = &self.network.model.executor;
        let executor = if self.equalized.is_none() && own.isa() == Isa::reproducible() {
            own
        } else {
            let made = match (self.reproducible.take(), &self.equalized) {
                (Some(made), _) => made,
                (None, Some(equalized)) => Executor::new(equalized.graph.clone(), Isa::reproducible())?,
                (None, None) => Executor::new(own.graph().clone(), Isa::reproducible())?,
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

/// What a job need not find again.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Ranges of the network as it is.
    pub(super) plain: Option<Arc<Statistics>>,
    /// A network with its layers prepared for quantizing, and its ranges.
    pub(super) equalized: Option<(Arc<EqualizedNetwork>, Arc<Statistics>)>,
    /// What rules for ranges are chosen by.
    pub(super) held_out: Option<Arc<HeldOut>>,
}

impl Found {
    /// Keeps what was found on the way to a quantized network.
    pub(super) fn learn(&mut self, quantized: &QuantizedNetwork) {
        // Where no activation is quantized, nothing was calibrated.
        if quantized.statistics().runs() > 0 {
            let statistics = Arc::clone(quantized.statistics());
            match quantized.equalized() {
                Some(equalized) => self.equalized = Some((Arc::clone(equalized), statistics)),
                None => self.plain = Some(statistics),
            }
        }
        if let Some(range) = quantized.range() {
            self.held_out = Some(range.held_out());
        }
    }
}

/// Quantizes by a recipe: what it asks for before ranges are known, calibration, then the rest.
#[derive(Debug)]
pub struct QuantizeJob {
    network: Arc<Network>,
    recipe: Recipe,
    inputs: PictureInputs,
    found: Found,
    isa: Isa,
    stage: Stage,
}

/// What is done next.
#[derive(Debug)]
enum Stage {
    Begin,
    Limits(Box<LimitCheck>),
    Absorb(Box<EqualizedNetwork>, Box<MomentsJob>),
    Calibrate(Box<CalibrateJob>),
    Plan(Option<Arc<EqualizedNetwork>>, Arc<Statistics>),
    Choose(Box<ChooseJob>, Arc<Statistics>),
    Round(Box<RoundJob>),
    Correct(Box<CorrectJob>),
}

impl QuantizeJob {
    /// A job that calibrates on `inputs` what was not found before.
    pub fn new(network: Arc<Network>, recipe: Recipe, inputs: PictureInputs, found: Found, isa: Isa) -> Self {
        Self { network, recipe, inputs, found, isa, stage: Stage::Begin }
    }

    /// The first stage that is not done yet.
    fn begin(&self) -> Result<Stage, SessionError> {
        let none = || Arc::new(Statistics::none(self.network.graph()));
        let wanted = Preparation::of(&self.recipe);
        if wanted == Preparation::default() {
            return Ok(match &self.found.plain {
                _ if !self.recipe.calibrates() => Stage::Plan(None, none()),
                Some(plain) => Stage::Plan(None, Arc::clone(plain)),
                None => self.calibrate(None),
            });
        }
        let found = self.found.equalized.as_ref().filter(|(found, _)| found.preparation == wanted);
        if let Some((equalized, statistics)) = found {
            return Ok(Stage::Plan(Some(Arc::clone(equalized)), Arc::clone(statistics)));
        }
        if wanted.equalize {
            return Ok(Stage::Limits(Box::new(LimitCheck::new(&self.network, wanted.limits)?)));
        }
        self.equalized(EqualizedNetwork::unchanged(self.network.graph()))
    }

    /// The stage that follows equalization.
    fn equalized(&self, equalized: EqualizedNetwork) -> Result<Stage, SessionError> {
        if !self.recipe.absorb {
            return Ok(self.calibrate(Some(equalized)));
        }
        let job = MomentsJob::new(&equalized.graph, "measuring channels")?;
        Ok(Stage::Absorb(Box::new(equalized), Box::new(job)))
    }

    fn calibrate(&self, equalized: Option<EqualizedNetwork>) -> Stage {
        let (network, equalized) = (Arc::clone(&self.network), equalized.map(Arc::new));
        Stage::Calibrate(Box::new(CalibrateJob::of(network, equalized, self.inputs.clone())))
    }

    fn graph<'a>(&'a self, equalized: Option<&'a Arc<EqualizedNetwork>>) -> &'a Graph {
        equalized.map_or(self.network.graph(), |equalized| &equalized.graph)
    }

    /// What ranges are left to be decided by, or else the plan.
    fn ranges(
        &self,
        equalized: Option<Arc<EqualizedNetwork>>,
        statistics: Arc<Statistics>,
    ) -> Result<Stage, SessionError> {
        if !self.recipe.leaves_ranges_open() {
            return self.plan(equalized, statistics, None);
        }
        let network = Arc::clone(&self.network);
        let job =
            ChooseJob::new(network, equalized, &self.recipe, &self.inputs, self.found.held_out.as_ref());
        Ok(Stage::Choose(Box::new(job), statistics))
    }

    /// The plan, and what is left to do then.
    fn plan(
        &self,
        equalized: Option<Arc<EqualizedNetwork>>,
        statistics: Arc<Statistics>,
        range: Option<RangeChoice>,
    ) -> Result<Stage, SessionError> {
        let rule = range.as_ref().map_or(self.recipe.activation_range, RangeChoice::rule);
        let recipe = Recipe { activation_range: rule, ..self.recipe.clone() };
        let plan = quant::plan(self.graph(equalized.as_ref()), &statistics, &recipe)?;
        let network = self.network.graph().clone();
        let rounding = Vec::new();
        let planned = Planned { network, equalized, statistics, plan, changed: None, rounding, range };
        if self.recipe.rounds_weights() {
            let job = RoundJob::new(planned, &self.recipe, self.inputs.len())?;
            return Ok(Stage::Round(Box::new(job)));
        }
        Ok(self.correct(planned))
    }

    fn correct(&self, planned: Planned) -> Stage {
        Stage::Correct(Box::new(CorrectJob::new(planned, &self.recipe)))
    }
}

impl Job for QuantizeJob {
    type Output = QuantizedNetwork;

    fn step(&mut self) -> Result<Step<QuantizedNetwork>, SessionError> {
        if self.network.is_quantized() {
            return Ok(Step::Done(QuantizedNetwork::opened(&self.network)?));
        }
        loop {
            let (next, progress) = match std::mem::replace(&mut self.stage, Stage::Begin) {
                Stage::Begin => (self.begin()?, None),
                Stage::Limits(mut check) => match check.step(&self.inputs)? {
                    Step::Running(progress) => (Stage::Limits(check), Some(progress)),
                    Step::Done(equalized) => (self.equalized(equalized)?, None),
                },
                Stage::Absorb(equalized, mut job) => match job.step(&self.inputs)? {
                    Step::Running(progress) => (Stage::Absorb(equalized, job), Some(progress)),
                    Step::Done(moments) => (self.calibrate(Some(equalized.absorbed(&moments)?)), None),
                },
                Stage::Calibrate(mut job) => match job.step()? {
                    Step::Running(progress) => (Stage::Calibrate(job), Some(progress)),
                    Step::Done(found) => {
                        let equalized = job.equalized.take();
                        found.check(self.graph(equalized.as_ref()))?;
                        (Stage::Plan(equalized, Arc::new(found)), None)
                    }
                },
                Stage::Plan(equalized, statistics) => (self.ranges(equalized, statistics)?, None),
                Stage::Choose(mut job, statistics) => match job.step()? {
                    Step::Running(progress) => (Stage::Choose(job, statistics), Some(progress)),
                    Step::Done(range) => (self.plan(job.equalized.take(), statistics, Some(range))?, None),
                },
                Stage::Round(mut job) => match job.step(&self.inputs)? {
                    Some(progress) => (Stage::Round(job), Some(progress)),
                    None => (self.correct(job.finish()?), None),
                },
                Stage::Correct(mut job) => match job.step(&self.inputs)? {
                    Step::Running(progress) => (Stage::Correct(job), Some(progress)),
                    Step::Done(decided) => {
                        let (recipe, preprocess) = (self.recipe.clone(), self.inputs.preprocess());
                        let made = QuantizedNetwork::of(&self.network, decided, recipe, preprocess, self.isa);
                        return Ok(Step::Done(made?));
                    }
                },
            };
            self.stage = next;
            if let Some(progress) = progress {
                return Ok(Step::Running(progress));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::recipe::{RoundingChoice, WeightRange};
    use crate::session::Session;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// FNV-1a.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// A bundled network quantized with four bundled pictures.
    fn quantized(network: &[u8], recipe: &Recipe) -> QuantizedNetwork {
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
        session.quantize(recipe).unwrap().run(&mut |_| ()).unwrap()
    }

    /// What decides its file.
    fn plan(network: &[u8]) -> String {
        serde_json::to_string(quantized(network, &Recipe::default()).plan()).unwrap()
    }

    /// Where a number here is meant to change (other networks, pictures or rules), the failing test
    /// says what it is now; it must be the same natively, in Node and in a browser, with either build.
    #[wasm_bindgen_test(unsupported = test)]
    fn every_build_decides_alike() {
        let dense = plan(include_bytes!("../../www/public/sample/sample_resnet.onnx"));
        let depthwise = plan(include_bytes!("../../www/public/sample/sample_mobilenet.onnx"));
        let found = [hash(dense.as_bytes()), hash(depthwise.as_bytes())];
        let known = [0xac0e_dcbf_8723_5ac9, 0x44c7_6c35_3b57_1018];
        assert_eq!(found, known, "{found:#x?} on {}", Isa::best());
    }

    /// As above, of ranges and codes: sums in f32 and f64, a Cholesky factor, and what is decided by them.
    #[wasm_bindgen_test(unsupported = test)]
    fn every_build_rounds_alike() {
        let recipe = Recipe { weight_bits: 3, weight_range: WeightRange::Output, ..Recipe::default() };
        let of = |rounding, network: &[u8]| {
            let quantized = quantized(network, &Recipe { rounding, ..recipe.clone() });
            let mut decided = serde_json::to_vec(quantized.plan()).unwrap();
            let constants = quantized.graph().values().filter_map(|(_, value)| value.constant.as_ref());
            let codes = constants.filter_map(|constant| constant.as_slice::<i8>().ok());
            decided.extend(codes.flatten().map(|&code| code as u8));
            hash(&decided)
        };
        let found = [
            of(RoundingChoice::Gptq, include_bytes!("../../www/public/sample/sample_resnet.onnx")),
            of(RoundingChoice::Comq, include_bytes!("../../www/public/sample/sample_mobilenet.onnx")),
            of(RoundingChoice::AdaRound, include_bytes!("../../www/public/sample/sample_mobilenet.onnx")),
        ];
        let known = [0x9821_43d4_1963_2527, 0xf254_281d_f83a_2a5f, 0x6c2d_04d3_7d35_56b3];
        assert_eq!(found, known, "{found:#x?} on {}", Isa::best());
    }
}
