//! From requests to the session and back.

use super::buffers::Buffers;
use super::protocol::{EngineInfo, Event, ExportCheck, Look, MapRef, Request, Response, StepResult};
use super::uploads::Uploads;
use crate::data::{DataError, Preprocess};
use crate::kernels::threads::{alone, threads};
use crate::kernels::{Isa, RelaxedDot, relaxed_dot};
use crate::quant::Recipe;
use crate::session::view::{LensView, QuantizedView};
use crate::session::{
    CalibrateJob, Clock, CompareJob, Compared, ComparedPicture, DiagnoseJob, ExternalFiles, Job, LatencyJob,
    Opening, ProfileJob, Progress, QuantizeJob, Role, Session, SessionError, Step,
};
use wasm_bindgen::JsValue;

/// Pictures on which an exported file is compared with what runs here.
const CHECKED_PICTURES: usize = 3;

/// A picture takes one step, and how long that is nobody knows.
const LOOKING: Progress = Progress { phase: "looking at this picture", done: 0, total: 0, comparison: None };

#[derive(Debug)]
enum Work {
    Done(Box<Response>),
    /// With the picture to look at then.
    Quantize(Box<QuantizeJob>, Option<usize>),
    /// The rest of it: a step of its own, so that a cancel arrives between the two.
    LookAfter(Box<QuantizedView>, Option<usize>),
    Compare(Box<CompareJob>),
    CalibrateShare(Box<CalibrateJob>),
    CompareShare(Box<CompareJob>),
    Latency(Box<LatencyJob>),
    Profile(Box<ProfileJob>),
    Diagnose(Diagnosing),
}

/// A diagnosis under way, and what it is of.
#[derive(Debug)]
struct Diagnosing {
    recipe: Recipe,
    pictures: usize,
    job: Box<DiagnoseJob>,
}

/// What happened in one step of any job.
enum Turn {
    Running(Progress),
    Done(Box<Response>),
}

/// The engine without its JavaScript coat.
#[derive(Debug)]
pub(super) struct Core {
    session: Session,
    work: Option<Work>,
    /// A diagnosis that made way for something short: it takes long, and goes on afterwards.
    paused: Option<Diagnosing>,
    buffers: Buffers,
    /// Files that are on their way here.
    pub(super) uploads: Uploads,
    clock: Clock,
}

impl Core {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            session: Session::new(Isa::best()),
            work: None,
            paused: None,
            buffers: Buffers::default(),
            uploads: Uploads::default(),
            clock,
        }
    }

    pub(super) fn begin(&mut self, request: Request, files: Vec<Vec<u8>>) -> Result<(), SessionError> {
        self.cancel();
        if changes(&request) {
            self.paused = None;
        }
        self.buffers.clear();
        self.work = Some(self.start(request, files)?);
        Ok(())
    }

    /// Drops the work under way; what a comparison has found of single pictures stays, and so does a diagnosis
    /// until something changes.
    pub(super) fn cancel(&mut self) {
        match self.work.take() {
            Some(Work::Compare(job) | Work::CompareShare(job)) => self.session.keep_known(job.into_known()),
            Some(Work::Diagnose(diagnosing)) => self.paused = Some(diagnosing),
            _ => {}
        }
    }

    pub(super) fn take_buffer(&mut self, id: u32) -> JsValue {
        self.buffers.take(id)
    }

    pub(super) fn step(&mut self, budget_ms: f64) -> Result<StepResult, SessionError> {
        let end = (self.clock)() + budget_ms;
        let mut events = Vec::new();
        loop {
            let Some(mut work) = self.work.take() else { return Ok(StepResult::Running { events }) };
            let turn = self.turn(&mut work);
            self.work = Some(work);
            match turn {
                Ok(Turn::Running(progress)) => push_events(&mut events, progress),
                Ok(Turn::Done(response)) => {
                    self.work = None;
                    return Ok(StepResult::Done { events, response: *response });
                }
                Err(error) => {
                    self.cancel();
                    self.paused = None;
                    return Err(error);
                }
            }
            if (self.clock)() >= end {
                return Ok(StepResult::Running { events });
            }
        }
    }

    fn turn(&mut self, work: &mut Work) -> Result<Turn, SessionError> {
        Ok(match work {
            Work::Done(response) => Turn::Done(response.clone()),
            Work::Quantize(job, picture) => match job.step()? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(made) => {
                    *work = Work::LookAfter(Box::new(self.session.set_quantized(made)), *picture);
                    Turn::Running(LOOKING)
                }
            },
            Work::LookAfter(quantized, picture) => {
                let look = picture.and_then(|picture| self.look(picture, None).ok());
                Turn::Done(Box::new(Response::Quantize { quantized: QuantizedView::clone(quantized), look }))
            }
            Work::Compare(job) => match job.step()? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(compared) => {
                    self.session.keep_known(compared.known);
                    let (summary, pictures) = (compared.summary, compared.pictures);
                    Turn::Done(Box::new(Response::Compare { summary, pictures }))
                }
            },
            // All engines together keep the cores busy.
            Work::CalibrateShare(job) => match alone(|| job.step())? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(statistics) => Turn::Done(Box::new(Response::CalibrateShare { statistics })),
            },
            Work::CompareShare(job) => match alone(|| job.step())? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(Compared { rows, known, .. }) => {
                    self.session.keep_known(known);
                    let rows = rows.iter().map(|row| ComparedPicture::clone(row)).collect();
                    Turn::Done(Box::new(Response::CompareShare { rows }))
                }
            },
            Work::Latency(job) => match job.step()? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(latency) => Turn::Done(Box::new(Response::MeasureLatency { latency })),
            },
            Work::Profile(job) => match job.step()? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(profile) => Turn::Done(Box::new(Response::Profile { profile })),
            },
            Work::Diagnose(Diagnosing { job, .. }) => match job.step()? {
                Step::Running(progress) => Turn::Running(progress),
                Step::Done(diagnosis) => {
                    self.session.keep_found(job.found());
                    Turn::Done(Box::new(Response::Diagnose { diagnosis: Box::new(diagnosis) }))
                }
            },
        })
    }

    fn start(&mut self, request: Request, files: Vec<Vec<u8>>) -> Result<Work, SessionError> {
        let response = match request {
            Request::Quantize { recipe, picture } => {
                return Ok(Work::Quantize(Box::new(self.session.quantize(&recipe)?), picture));
            }
            Request::CalibrateShare { share } => {
                return Ok(Work::CalibrateShare(Box::new(self.session.calibrate_share(share)?)));
            }
            Request::CompareShare { share } => {
                return Ok(Work::CompareShare(Box::new(self.session.compare_share(share)?)));
            }
            Request::LearnStatistics { parts } => {
                self.session.learn_statistics(&parts)?;
                Response::LearnStatistics
            }
            Request::LearnComparisons { rows } => {
                self.session.learn_comparisons(rows);
                Response::LearnComparisons
            }
            Request::Compare => return Ok(Work::Compare(Box::new(self.session.compare()?))),
            Request::MeasureLatency { runs } => {
                return Ok(Work::Latency(Box::new(self.session.measure_latency(runs, self.clock)?)));
            }
            Request::Profile => return Ok(Work::Profile(Box::new(self.session.profile(self.clock)?))),
            Request::Diagnose { recipe, pictures } => return self.diagnose(recipe, pictures),
            Request::LoadModel { name, weights, memory_limit } => {
                let memory_limit = memory_limit.map(|bytes| bytes as usize);
                let (bytes, external) = with_weights(weights, files);
                self.load_model(&name, bytes, Opening { external, memory_limit })?
            }
            Request::AddPictures { names } => {
                let (pictures, refused) = self.session.add_pictures(names.into_iter().zip(files).collect());
                Response::AddPictures { pictures, refused }
            }
            Request::ClearPictures => {
                self.session.clear_pictures();
                Response::ClearPictures
            }
            Request::SetLabels { name } => {
                let labels = self.session.set_labels(&name, &only(files))?;
                Response::SetLabels { classes: labels.classes, pictures: labels.pictures }
            }
            Request::ReadPreprocess { name } => {
                Response::ReadPreprocess { preprocess: self.session.read_preprocess(&name, &only(files))? }
            }
            Request::SetPreprocess { preprocess } => {
                let preprocess = edited(&preprocess)?;
                Response::SetPreprocess { preprocess: self.session.set_preprocess(preprocess) }
            }
            Request::Lens { picture, target } => Response::Lens(self.look(picture, target)?),
            Request::Logits { picture } => self.logits(picture)?,
            Request::Preview { picture } => self.preview(picture)?,
            Request::ExportModel => self.export()?,
            Request::EngineInfo => Response::EngineInfo { info: info() },
        };
        Ok(Work::Done(Box::new(response)))
    }

    /// Goes on with a diagnosis of the same, or begins one.
    fn diagnose(&mut self, recipe: Recipe, pictures: usize) -> Result<Work, SessionError> {
        let same = |paused: &Diagnosing| paused.recipe == recipe && paused.pictures == pictures;
        if let Some(paused) = self.paused.take().filter(same) {
            return Ok(Work::Diagnose(paused));
        }
        let job = Box::new(self.session.diagnose(&recipe, pictures)?);
        Ok(Work::Diagnose(Diagnosing { recipe, pictures, job }))
    }

    fn load_model(&mut self, name: &str, bytes: Vec<u8>, opening: Opening) -> Result<Response, SessionError> {
        let (model, preprocess) = self.session.load_model_with(name, bytes, opening)?;
        let weights = self.session.network()?.info.external_files.clone();
        Ok(Response::LoadModel { model, preprocess, weights })
    }

    fn look(&mut self, picture: usize, target: Option<usize>) -> Result<Look, SessionError> {
        let lens = self.session.lens(picture, target)?;
        let map = lens.map.as_ref().map(|pair| MapRef {
            width: pair.width,
            height: pair.height,
            full: self.buffers.floats(pair.full.clone()),
            quantized: self.buffers.floats(pair.quantized.clone()),
            max: pair.max,
        });
        Ok(Look { lens: LensView { map: None, ..lens }, map })
    }

    fn logits(&mut self, picture: usize) -> Result<Response, SessionError> {
        let found = self.session.logits(picture)?;
        Ok(Response::Logits {
            input: self.buffers.floats(found.input),
            input_shape: found.input_shape,
            full: self.buffers.floats(found.full),
            quantized: found.quantized.map(|logits| self.buffers.floats(logits)),
        })
    }

    fn preview(&mut self, picture: usize) -> Result<Response, SessionError> {
        let seen = self.session.preview(picture)?;
        let rgba = seen.rgb().chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], u8::MAX]).collect();
        let (width, height) = (seen.width(), seen.height());
        Ok(Response::Preview { width, height, rgba: self.buffers.bytes(rgba) })
    }

    fn export(&mut self) -> Result<Response, SessionError> {
        let (network, quantized) = (self.session.network()?, self.session.quantized()?);
        let inputs = self.session.pictures().inputs_of(self.session.preprocess(), Role::Evaluate)?;
        let pictures = inputs.len().min(CHECKED_PICTURES);
        let inputs: Vec<_> =
            (0..pictures).map(|i| inputs.get(i).map(|input| input.value)).collect::<Result<_, _>>()?;
        let identical = quantized.verify_file(&inputs, self.session.isa())?;
        let note = if identical {
            format!("Read back, the file gives the same logits bit for bit on {pictures} pictures.")
        } else {
            "Read back, the file gives other logits than shown here.".to_owned()
        };
        let stem = network.file.strip_suffix(".onnx").unwrap_or(&network.file);
        let file_name = format!("{stem}.{}.onnx", quantized.recipe().label());
        let onnx = self.buffers.bytes(quantized.file().to_vec());
        let verified = ExportCheck { identical, pictures, note };
        Ok(Response::ExportModel { file_name, size_bytes: onnx.length, onnx, verified })
    }
}

/// Whether a request may change what a diagnosis rests on, or wants its memory.
fn changes(request: &Request) -> bool {
    !matches!(
        request,
        Request::Compare
            | Request::Lens { .. }
            | Request::Logits { .. }
            | Request::MeasureLatency { .. }
            | Request::Profile
            | Request::Diagnose { .. }
            | Request::Preview { .. }
            | Request::ExportModel
            | Request::EngineInfo
    )
}

/// The network's file, which comes first, and the others under their names.
fn with_weights(names: Vec<String>, files: Vec<Vec<u8>>) -> (Vec<u8>, ExternalFiles) {
    let mut files = files.into_iter();
    let bytes = files.next().unwrap_or_default();
    let mut external = ExternalFiles::new();
    for (name, bytes) in names.into_iter().zip(files) {
        external.insert(name, bytes);
    }
    (bytes, external)
}

/// The file that belongs to a request of one file; empty when the page sent none.
fn only(files: Vec<Vec<u8>>) -> Vec<u8> {
    files.into_iter().next().unwrap_or_default()
}

/// Preprocessing edited on the page, checked like a file.
fn edited(preprocess: &serde_json::Value) -> Result<Preprocess, DataError> {
    let (preprocess, _) = Preprocess::from_json("preprocessing", preprocess.to_string().as_bytes())?;
    Ok(preprocess)
}

fn push_events(events: &mut Vec<Event>, progress: Progress) {
    let Progress { phase, done, total, comparison } = progress;
    events.extend(comparison.map(|comparison| Event::PictureCompared { comparison }));
    events.push(Event::Progress { phase: phase.to_owned(), done, total });
}

fn info() -> EngineInfo {
    EngineInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        isa: Isa::best().to_string(),
        isas: Isa::available().iter().map(ToString::to_string).collect(),
        threads: threads(),
        probe: probe_sentence(relaxed_dot()).to_owned(),
    }
}

/// What the start-up probe found, for people.
fn probe_sentence(found: RelaxedDot) -> &'static str {
    match found {
        RelaxedDot::Unsigned => "8-bit products run on the relaxed SIMD instruction, over the whole range.",
        RelaxedDot::Signed => {
            "8-bit products run on the relaxed SIMD instruction, with activations shifted to signed bytes."
        }
        RelaxedDot::UnsignedSaturating => {
            "8-bit products run on the relaxed SIMD instruction where the weights cannot saturate it, otherwise on 16-bit products."
        }
        RelaxedDot::Unusable => "8-bit products run on 16-bit products of fixed-width SIMD.",
    }
}
