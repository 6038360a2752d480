//! The façade: one network, its pictures, a recipe, and what the page shows of them.
//!
//! [`Session`] holds the state. What takes long is a [`Job`] that is stepped (a picture, a layer at
//! a time), so that the page stays alive and can cancel; natively `job.run()` is a loop. Views are
//! plain data for screens and JSON reports. Still free of JavaScript; time comes in as a function.

pub mod allocate;
mod choose;
mod codes;
mod compare;
mod correct;
mod diagnose;
mod equalized;
mod footprint;
mod job;
mod latency;
mod layers;
mod lens;
mod logits;
mod network;
mod pictures;
mod profile;
mod quantize;
mod quantized;
mod reference;
mod round;
mod runnable;
pub mod sensitivity;
mod support;
mod tried;
pub mod view;

pub use crate::error::Error as SessionError;
pub use crate::onnx::ExternalFiles;
pub use allocate::AllocateJob;
pub use codes::codes;
pub use compare::{CompareJob, Compared, ComparedPicture, Explained, Known, METHOD, answer};
pub use diagnose::DiagnoseJob;
pub use footprint::Footprint;
pub use job::{Job, Progress, Step};
pub use latency::{Clock, LatencyJob};
pub use logits::PictureLogits;
pub use network::{Network, Opening};
pub use pictures::{PictureInput, PictureInputs, PictureSet, Role, Share};
pub use profile::ProfileJob;
pub use quantize::{CalibrateJob, Found, QuantizeJob};
pub use quantized::{PREPROCESS_KEY, QuantizedNetwork, RECIPE_KEY};
pub use runnable::QuantizedModel;
pub use sensitivity::SensitivityJob;

use crate::data::{self, Preprocess, labels};
use crate::ops::Isa;
use crate::quant::{Recipe, Statistics};
use lens::FullLook;
use std::sync::Arc;
use view::{
    LabelsView, LensView, ModelView, PictureView, PreprocessSource, PreprocessView, QuantizedView, Refused,
};

/// One user's work: a network, pictures, a recipe, and what was made of them.
#[derive(Debug)]
pub struct Session {
    isa: Isa,
    network: Option<Arc<Network>>,
    quantized: Option<Arc<QuantizedNetwork>>,
    /// What quantizing has found, for other recipes.
    found: Found,
    pictures: PictureSet,
    classes: Arc<Vec<String>>,
    preprocess: Arc<Preprocess>,
    preprocess_source: PreprocessSource,
    /// What comparisons have learned; forgotten when network, pictures or preprocessing change.
    known: Known,
    /// The picture that was looked at last and what full precision makes of it, as long as that.
    looked: Option<FullLook>,
}

impl Session {
    /// An empty session that runs on that instruction set.
    pub fn new(isa: Isa) -> Self {
        Self {
            isa,
            network: None,
            quantized: None,
            found: Found::default(),
            pictures: PictureSet::default(),
            classes: Arc::default(),
            preprocess: Arc::new(Preprocess::default()),
            preprocess_source: PreprocessSource::Guessed,
            known: Known::default(),
            looked: None,
        }
    }

    /// A session of what was opened and read elsewhere, such as by a program that finds files itself. The
    /// preprocessing counts as chosen.
    pub fn of(network: Arc<Network>, pictures: PictureSet, preprocess: Preprocess, isa: Isa) -> Self {
        let (preprocess, preprocess_source) = (Arc::new(preprocess), PreprocessSource::Edited);
        let known = Known::nothing(pictures.len());
        let network = Some(network);
        Self { network, pictures, preprocess, preprocess_source, known, ..Self::new(isa) }
    }

    /// Opens a network. The one before stays when this one cannot be read. Preprocessing and names
    /// of classes belonged to the one before: the first is guessed anew, the second forgotten.
    ///
    /// # Errors
    /// Names the node or what is wrong with the file.
    pub fn load_model(
        &mut self,
        file: &str,
        bytes: Vec<u8>,
    ) -> Result<(ModelView, PreprocessView), SessionError> {
        self.load_model_with(file, bytes, Opening::default())
    }

    /// As [`Session::load_model`], for a network whose weights are in files beside it (what else is
    /// among the files does no harm) or that may take so much memory and no more.
    ///
    /// # Errors
    /// As [`Session::load_model`]; names all files that are missing. [`SessionError::Memory`].
    pub fn load_model_with(
        &mut self,
        file: &str,
        bytes: Vec<u8>,
        opening: Opening,
    ) -> Result<(ModelView, PreprocessView), SessionError> {
        let network = Network::load_with(file, bytes, opening, self.isa)?;
        let (preprocess, source) = match network.stated_preprocess() {
            Some(stated) => (stated, PreprocessSource::Network),
            None => (network.default_preprocess(), PreprocessSource::Guessed),
        };
        self.preprocess = Arc::new(preprocess);
        self.preprocess_source = source;
        self.classes = Arc::default();
        let view = network.view();
        self.network = Some(Arc::new(network));
        self.forget_results();
        Ok((view, self.preprocess_view()))
    }

    /// Adds pictures from files: one picture each, or a data set; labels of an idx file join the
    /// pictures that they belong to, from these files or from before. What cannot be read is returned
    /// beside the list of all pictures.
    pub fn add_pictures(&mut self, files: Vec<(String, Vec<u8>)>) -> (Vec<PictureView>, Vec<Refused>) {
        let mut refused = Vec::new();
        // Labels look for their pictures among those that are there.
        let (labels, pictures): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|(_, bytes)| data::idx::is_labels(bytes));
        for (name, bytes) in pictures.into_iter().chain(labels) {
            if let Err(error) = self.pictures.add(&name, bytes) {
                refused.push(Refused { name, error: view::ErrorView::from(&SessionError::from(error)) });
            }
        }
        self.forget_results();
        (self.pictures.view(), refused)
    }

    /// Removes all pictures and their labels.
    pub fn clear_pictures(&mut self) {
        self.pictures = PictureSet::default();
        self.forget_results();
    }

    /// Reads names of classes, or labels of pictures.
    ///
    /// # Errors
    /// When the file has none of the known forms.
    pub fn set_labels(&mut self, file: &str, bytes: &[u8]) -> Result<LabelsView, SessionError> {
        match labels::parse(file, bytes)? {
            labels::LabelFile::Classes(classes) => self.classes = Arc::new(classes),
            labels::LabelFile::Files(files) => self.pictures.label(&files, &self.classes),
        }
        // Labels may change which pictures calibrate, and which answers are right.
        self.found = Found::default();
        self.looked = None;
        self.known.forget_comparisons();
        Ok(LabelsView { classes: self.classes.to_vec(), pictures: self.pictures.view() })
    }

    /// Reads a `preprocessor_config.json`.
    ///
    /// # Errors
    /// When it is not one, or a value makes no sense.
    pub fn read_preprocess(&mut self, file: &str, bytes: &[u8]) -> Result<PreprocessView, SessionError> {
        let (preprocess, unknown) = Preprocess::from_json(file, bytes)?;
        self.preprocess_source = PreprocessSource::File;
        self.replace_preprocess(preprocess);
        let mut view = self.preprocess_view();
        view.notes
            .extend(unknown.into_iter().map(|key| format!("`{key}` is not understood and was ignored")));
        Ok(view)
    }

    /// Takes edited preprocessing.
    pub fn set_preprocess(&mut self, preprocess: Preprocess) -> PreprocessView {
        self.preprocess_source = PreprocessSource::Edited;
        self.replace_preprocess(preprocess);
        self.preprocess_view()
    }

    fn replace_preprocess(&mut self, preprocess: Preprocess) {
        self.preprocess = Arc::new(preprocess);
        self.forget_results();
    }

    fn preprocess_view(&self) -> PreprocessView {
        PreprocessView::new(&self.preprocess, self.preprocess_source)
    }

    fn forget_results(&mut self) {
        self.quantized = None;
        self.found = Found::default();
        self.known = Known::nothing(self.pictures.len());
        self.looked = None;
    }

    /// The job that quantizes by a recipe; calibrates first, unless ranges are known already.
    ///
    /// # Errors
    /// Without a network or pictures, or when the recipe is not valid.
    pub fn quantize(&self, recipe: &Recipe) -> Result<QuantizeJob, SessionError> {
        let network = self.network()?;
        recipe.check().map_err(crate::quant::QuantError::from)?;
        let inputs = match self.pictures.inputs(&self.preprocess, Role::Calibrate) {
            Err(SessionError::NoPictures { .. }) if !recipe.needs_pictures() => {
                PictureInputs::none((*self.preprocess).clone())
            }
            inputs => inputs?,
        };
        self.make_place();
        Ok(QuantizeJob::new(network, recipe.clone(), inputs, self.found.clone(), self.isa))
    }

    /// What is quantized is kept while others are made, since that may be stopped, but makes place.
    fn make_place(&self) {
        if let Some(before) = &self.quantized {
            before.model().release_definition();
        }
    }

    /// The job that finds out what a recipe does to the network and what helps, compared on at most that many
    /// of the evaluation pictures. The session stays as it is; ranges that it knows are not sought again.
    ///
    /// # Errors
    /// Without a network or pictures, for a network that is quantized already, and when the recipe is not
    /// valid or finds ranges while running.
    pub fn diagnose(&self, recipe: &Recipe, pictures: usize) -> Result<DiagnoseJob, SessionError> {
        let network = self.network()?;
        let calibration = self.pictures.inputs(&self.preprocess, Role::Calibrate)?;
        let evaluation = self.pictures.inputs(&self.preprocess, Role::Evaluate)?.limited(pictures);
        if evaluation.is_empty() {
            return Err(SessionError::NoPictures { purpose: "look at" });
        }
        let pictures = (calibration, evaluation);
        self.make_place();
        DiagnoseJob::new(network, recipe.clone(), pictures, self.found.clone(), self.isa)
    }

    /// Keeps what a [`DiagnoseJob`] of this session found about ranges, so that its remedies are made without
    /// seeking them again. To be called before anything else changes.
    pub fn keep_found(&mut self, found: Found) {
        self.found = found;
    }

    /// The job that calibrates on a part of the pictures, for [`Session::learn_statistics`] of this or
    /// another session with the same network and pictures.
    ///
    /// # Errors
    /// Without a network or pictures; [`SessionError::NoSuchShare`].
    pub fn calibrate_share(&self, share: Share) -> Result<CalibrateJob, SessionError> {
        let inputs = self.pictures.inputs(&self.preprocess, Role::Calibrate)?.share(share)?;
        Ok(CalibrateJob::new(self.network()?, inputs))
    }

    /// Takes what calibrating has found on all parts of the pictures, so that quantizing need not.
    ///
    /// # Errors
    /// Without a network; when a part is another network's, or no range can be made of the whole.
    pub fn learn_statistics(&mut self, parts: &[Statistics]) -> Result<(), SessionError> {
        let network = self.network()?;
        let mut all = Statistics::none(network.graph());
        parts.iter().try_for_each(|part| all.merge(part)).map_err(SessionError::from)?;
        all.check(network.graph())?;
        self.found.plain = Some(Arc::new(all));
        Ok(())
    }

    /// The job that compares on a part of the pictures, for [`Session::learn_comparisons`] of this or
    /// another session with the same network, pictures and recipe.
    ///
    /// # Errors
    /// As [`Session::compare`]; [`SessionError::NoSuchShare`].
    pub fn compare_share(&self, share: Share) -> Result<CompareJob, SessionError> {
        self.comparison(self.pictures.inputs(&self.preprocess, Role::Evaluate)?.share(share)?)
    }

    /// Takes what comparing has found on a part of the pictures.
    pub fn learn_comparisons(&mut self, rows: Vec<ComparedPicture>) {
        self.known.learn(rows);
    }

    /// Keeps what a [`QuantizeJob`] made.
    pub fn set_quantized(&mut self, quantized: QuantizedNetwork) -> QuantizedView {
        self.found.learn(&quantized);
        self.known.forget_comparisons();
        let view = quantized.view();
        self.quantized = Some(Arc::new(quantized));
        view
    }

    /// The job that compares both networks on the evaluation pictures.
    ///
    /// # Errors
    /// Without a network, a quantized network or pictures.
    pub fn compare(&self) -> Result<CompareJob, SessionError> {
        self.comparison(self.pictures.inputs(&self.preprocess, Role::Evaluate)?)
    }

    fn comparison(&self, inputs: PictureInputs) -> Result<CompareJob, SessionError> {
        Ok(CompareJob::new(
            self.network()?,
            Arc::clone(self.quantized()?.model()),
            inputs,
            Arc::clone(&self.classes),
        )
        .with_known(self.known.clone()))
    }

    /// Keeps what a [`CompareJob`] of this session learned, finished or not, for the next one. To be
    /// called before anything else changes.
    pub fn keep_known(&mut self, known: Known) {
        if known.pictures() == self.known.pictures() {
            self.known = known;
        }
    }

    /// The job that measures the latency of both networks on the first picture.
    ///
    /// # Errors
    /// As [`Session::compare`].
    pub fn measure_latency(&self, runs: usize, clock: Clock) -> Result<LatencyJob, SessionError> {
        let inputs = self.pictures.inputs(&self.preprocess, Role::Any)?;
        let first = inputs.get(0)?;
        Ok(LatencyJob::new(self.network()?, Arc::clone(self.quantized()?.model()), first.value, runs, clock))
    }

    /// The job that measures every node of both networks on the first picture.
    ///
    /// # Errors
    /// As [`Session::compare`].
    pub fn profile(&self, clock: Clock) -> Result<ProfileJob, SessionError> {
        let first = self.pictures.inputs(&self.preprocess, Role::Any)?.get(0)?;
        Ok(ProfileJob::new(self.network()?, Arc::clone(self.quantized()?.model()), first.value, clock))
    }

    /// One picture in depth. It is decoded, and full precision runs, once for as long as it stays the same.
    ///
    /// # Errors
    /// As [`Session::compare`], or when the picture or class does not exist.
    pub fn lens(&mut self, picture: usize, target: Option<usize>) -> Result<LensView, SessionError> {
        let (network, quantized) = (self.network()?, self.quantized()?);
        let remembered = self.looked.take().filter(|look| look.is_of(picture, target));
        let full = match remembered {
            Some(full) => full,
            None => self.look_in_full(&network, picture, target)?,
        };
        if target.is_none() {
            self.known.explain(picture, &full.explained);
        }
        let view = lens::look(&quantized, &full, &self.classes);
        self.looked = Some(full);
        view
    }

    /// Full precision on a picture.
    fn look_in_full(
        &self,
        network: &Network,
        picture: usize,
        target: Option<usize>,
    ) -> Result<FullLook, SessionError> {
        let input = self.pictures.inputs(&self.preprocess, Role::Any)?.get_picture(picture)?;
        FullLook::new(network, input, target, self.known.explained(picture))
    }

    /// The raw scores that a picture gets, and the tensor that they were computed from. The quantized
    /// network's are missing as long as nothing is quantized.
    ///
    /// # Errors
    /// Without a network or pictures, when the picture does not exist or does not fit the
    /// preprocessing, or when a node fails.
    pub fn logits(&self, picture: usize) -> Result<PictureLogits, SessionError> {
        let network = self.network()?;
        let input = self.pictures.inputs(&self.preprocess, Role::Any)?.get_picture(picture)?;
        let quantized = self.quantized.as_ref().map(|quantized| quantized.model().as_ref());
        logits::of(&network, quantized, &input)
    }

    /// The pixels of a picture as the network sees them: width, height, RGB.
    ///
    /// # Errors
    /// When the picture does not exist or does not fit the preprocessing.
    pub fn preview(&self, picture: usize) -> Result<crate::data::Picture, SessionError> {
        self.pictures.seen(picture, &self.preprocess)
    }

    /// The network.
    ///
    /// # Errors
    /// [`SessionError::NoModel`].
    pub fn network(&self) -> Result<Arc<Network>, SessionError> {
        self.network.clone().ok_or(SessionError::NoModel)
    }

    /// The quantized network.
    ///
    /// # Errors
    /// [`SessionError::NotQuantized`].
    pub fn quantized(&self) -> Result<Arc<QuantizedNetwork>, SessionError> {
        self.quantized.clone().ok_or(SessionError::NotQuantized)
    }

    /// The pictures.
    pub fn pictures(&self) -> &PictureSet {
        &self.pictures
    }

    /// The preprocessing.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }
}
